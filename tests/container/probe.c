// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program inside the container of tests/container/container.sh: tells what it may
 * do, asks for an io_uring, then reads files with libnbread, all in one process.
 *
 *   container-probe FILE...
 *
 * Each FILE is one that 'container-probe --make FILE' wrote. Prints a line of words and
 * values each; errors as errno names, for what the library returned as 'nbread -NAME'.
 * Exit status: 0 unless a byte was wrong or a call did what none may do. Static, since
 * the container holds nothing but it and the files.
 */
#include <errno.h>
#include <fcntl.h>
#include <libnbread.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nbtest.h"

#define SIZE ((size_t)1 << 20)
#define PART ((size_t)64 << 10)
#define NR (SIZE / PART)
#define FILE_ID 9

static void status_line(const char *name)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			printf("%s", line);
	if (f)
		fclose(f);
}

/* Every part of the file by READ, then, resident now, by TRY. */
static int check_file(struct nbread *ring, const char *path)
{
	static unsigned char buf[NR][PART];
	struct nbread_file_info info = {};
	unsigned int head, seen = 0, hits = 0, punted = 0;
	struct nbread_cqe *cqe;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		printf("open %s: %s\n", path, strerrorname_np(errno));
		return 1;
	}
	ret = nbread_file_info(ring, fd, &info);
	memset(buf, 0, sizeof(buf));
	for (size_t i = 0; i < NR; i++) {
		struct nbread_sqe *sqe = nbread_get_sqe(ring);

		nbread_prep_read(sqe, fd, buf[i], PART, (off_t)(i * PART));
		nbread_sqe_set_data64(sqe, i);
	}
	if (nbread_submit_and_wait(ring, NR) != (int)NR)
		return 1;
	nbread_for_each_cqe(ring, head, cqe) {
		uint64_t i = nbread_cqe_get_data64(cqe);

		if (cqe->res != (int)PART ||
		    nbtest_mismatch(buf[i], PART, i * PART, FILE_ID, 1) >= 0)
			printf("wrong: part %llu of %s, result %d\n", (unsigned long long)i, path,
			       cqe->res);
		else
			seen++;
		punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
	}
	nbread_cq_advance(ring, NR);
	for (size_t i = 0; i < NR; i++) {
		memset(buf[i], 0, PART);
		hits += nbread_try(ring, fd, buf[i], PART, (off_t)(i * PART), 0) == (ssize_t)PART &&
			nbtest_mismatch(buf[i], PART, i * PART, FILE_ID, 1) < 0;
	}
	printf("nbread read %s: %u of %zu parts right, %u by a worker; %u by try; path %u, reason %u\n",
	       path, seen, NR, punted, hits, ret ? 0 : info.path, info.reason);
	close(fd);
	return seen != NR;
}

static int make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);

	if (fd < 0)
		return 1;
	nbtest_write_pattern(fd, 0, SIZE, FILE_ID, 1);
	return fsync(fd) != 0;
}

int main(int argc, char **argv)
{
	struct io_uring_params p = {};
	struct nbread ring;
	int fd, ret, bad = 0;

	if (argc == 3 && !strcmp(argv[1], "--make"))
		return make_file(argv[2]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("pid %d\n", getpid());
	status_line("Uid");
	status_line("CapEff");
	status_line("CapBnd");
	status_line("NoNewPrivs");
	status_line("Seccomp");

	fd = (int)syscall(__NR_io_uring_setup, 8, &p);
	printf("io_uring_setup %s\n", fd < 0 ? strerrorname_np(errno) : "works");
	if (fd >= 0)
		close(fd);

	/* What the container lets the module do; threads would serve in its place. */
	setenv("NBREAD_BACKEND", "module", 1);
	ret = nbread_queue_init(64, &ring, 0);
	if (ret < 0) {
		printf("nbread -%s\n", strerrorname_np(-ret));
		return 0;
	}
	printf("nbread works\n");
	for (int i = 1; i < argc; i++)
		bad |= check_file(&ring, argv[i]);
	nbread_queue_exit(&ring);
	printf("end of pid %d\n", getpid());
	return bad;
}
