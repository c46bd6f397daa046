// SPDX-License-Identifier: MIT
/*
 * nbcat: copies a file to standard output, eight reads at a time. The smallest
 * complete program: what a ring is for, in the order in which it happens.
 */
#include <fcntl.h>
#include <stdio.h>
#include <libnbread.h>

#define DEPTH 8
#define CHUNK (128 * 1024)

static char buf[DEPTH][CHUNK];

static int fail(const char *what, int err)
{
	fprintf(stderr, "nbcat: %s: %s\n", what, strerror(-err));
	return 1;
}

int main(int argc, char **argv)
{
	int fd, i, ret, len[DEPTH];
	struct nbread_cqe *cqe;
	struct nbread ring;
	__u64 off = 0, done = 0;

	if (argc != 2)
		return fail("usage: nbcat FILE", -EINVAL);
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		return fail(argv[1], -errno);
	ret = nbread_queue_init(DEPTH, &ring, 0);
	if (ret < 0)
		return fail("no ring", ret);

	do {
		/* Say what to read; the number comes back with the result. */
		for (i = 0; i < DEPTH; i++, off += CHUNK) {
			struct nbread_sqe *sqe = nbread_get_sqe(&ring);

			nbread_prep_read(sqe, fd, buf[i], CHUNK, off);
			nbread_sqe_set_data64(sqe, i);
		}

		/* One system call for all. What is cached is there when it returns. */
		ret = nbread_submit(&ring);
		if (ret != DEPTH)
			return fail("submit", ret);

		/* The others end in the order in which the disk delivers them. */
		for (i = 0; i < DEPTH; i++) {
			while ((ret = nbread_wait_cqe(&ring, &cqe)) == -EINTR)
				;
			if (ret < 0)
				return fail("wait", ret);
			len[nbread_cqe_get_data64(cqe)] = cqe->res;
			nbread_cqe_seen(&ring, cqe);
		}

		/*
		 * A short read met the end of the file, or an error behind what it gave: the
		 * next round starts there, and says which.
		 */
		for (i = 0; i < DEPTH && (i == 0 || len[i - 1] == CHUNK); i++) {
			if (len[i] < 0)
				return fail(argv[1], len[i]);
			if (fwrite(buf[i], 1, len[i], stdout) != (size_t)len[i])
				return fail("standard output", -errno);
			done += len[i];
		}
		off = done;
	} while (len[0] > 0);

	nbread_queue_exit(&ring);
	return fflush(stdout) ? fail("standard output", -errno) : 0;
}
