// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program of somebody who installed the packages: built with nothing but
 * pkg-config, it reads the start of a file through a ring, compares it with
 * pread(2) and says which backend served it. Exit status: 0 the same, 1 not, else
 * the errno with which the library said that it cannot be used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <libnbread.h>

static char a[1 << 16], b[1 << 16];

int main(int argc, char **argv)
{
	struct nbread_cqe *cqe;
	struct nbread ring;
	int fd, ret;
	ssize_t n;

	if (argc != 2)
		return 1;
	ret = nbread_queue_init(4, &ring, 0);
	if (ret < 0) {
		fprintf(stderr, "consumer: %s\n", strerror(-ret));
		return -ret;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		return 1;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	nbread_prep_read(nbread_get_sqe(&ring), fd, a, sizeof(a), 0);
	if (nbread_submit(&ring) != 1 || nbread_wait_cqe(&ring, &cqe))
		return 1;
	n = pread(fd, b, sizeof(b), 0);
	printf("consumer: %d bytes, pread %zd, flags %u, by %s\n", cqe->res, n, cqe->flags,
	       nbread_backend(&ring) == NBREAD_BACKEND_MODULE ? "the module" : "threads");
	ret = n <= 0 || cqe->res != n || memcmp(a, b, n);
	nbread_queue_exit(&ring);
	return ret;
}
