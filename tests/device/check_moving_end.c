// SPDX-License-Identifier: GPL-2.0-only
/*
 * check_moving_end.c - while another thread truncates a file and writes it again, a read
 * must not show the zeros that truncation leaves behind the new end.
 *
 * The kernel's own read has a window here too: between its look at i_size and the end of
 * its copy. So pread(2) runs against the same writer, in turns with TRY, and is the
 * measure: a look at i_size before the folio is known to be up to date makes the window of
 * TRY many times larger than that of pread.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "device.h"

#define SIZE 4096
#define KEPT 100
#define READS 20000

static atomic_bool stop;
static int writer_fd;

/* Between the two calls the page holds zeros behind KEPT, and i_size is KEPT. */
static void *shrink_and_grow(void *arg)
{
	static char full[SIZE];

	(void)arg;
	memset(full, 'A', sizeof(full));
	while (!atomic_load(&stop)) {
		if (ftruncate(writer_fd, KEPT) ||
		    pwrite(writer_fd, full + KEPT, SIZE - KEPT, KEPT) != SIZE - KEPT)
			return "the writer failed";
	}
	return NULL;
}

static unsigned int zeros_in(const char *buf, ssize_t n)
{
	return n > 0 && memchr(buf, 0, n) != NULL;
}

START_TEST(a_cached_read_shows_no_more_of_a_truncation_than_pread_does)
{
	struct nbread ring;
	unsigned int by_pread = 0, by_try = 0, i;
	char full[SIZE], buf[SIZE], path[256];
	pthread_t writer;
	void *failed;
	int fd;

	snprintf(path, sizeof(path), "%s/moving_end", getenv("NBREAD_MNT"));
	memset(full, 'A', sizeof(full));
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, full, SIZE, 0), SIZE);
	ck_assert_int_eq(nbread_queue_init(4, &ring, 0), 0);
	writer_fd = fd;
	ck_assert_int_eq(pthread_create(&writer, NULL, shrink_and_grow, NULL), 0);
	for (i = 0; i < READS; i++) {
		by_pread += zeros_in(buf, pread(fd, buf, SIZE, 0));
		by_try += zeros_in(buf, nbread_try(&ring, fd, buf, SIZE, 0, 0));
	}
	atomic_store(&stop, true);
	ck_assert_int_eq(pthread_join(writer, &failed), 0);
	ck_assert_msg(!failed, "%s", (char *)failed);
	ck_assert_msg(by_try <= 50 + 4 * by_pread,
		      "of %d reads %u by TRY showed zeros behind the end, %u by pread", READS,
		      by_try, by_pread);
	nbread_queue_exit(&ring);
	close(fd);
	unlink(path);
}
END_TEST

Suite *check_moving_end_suite(void)
{
	Suite *s = suite_create("moving_end");

	nbtest_add(s, a_cached_read_shows_no_more_of_a_truncation_than_pread_does);
	return s;
}
