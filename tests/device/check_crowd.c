// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ten thousand reads that wait at a time, for a disk that holds them: each ends at its
 * deadline or by cancel, once, and nothing touches its buffer any more. How late the
 * deadlines come is printed; that depends on the machine, and is no reason to fail.
 */
#include "device.h"

#define TEN_THOUSAND 10000
#define LEN 512
#define CANCELLED(i) ((i) % 4 == 1)

struct crowd {
	const struct dev_fs *fs;
	struct nbread ring;
	unsigned char *buf;
	uint64_t first; /* deadline */
	int fd;
};

static uint64_t deadline_of(const struct crowd *c, unsigned int i)
{
	return c->first + i * UINT64_C(400000);
}

/* A page and a piece of the buffer each, on a disk that answers in minutes */
static void park_crowd(struct crowd *c)
{
	c->fs = dev_fs(DEV_EXT4);
	c->fd = dev_cold_file(c->fs, TEN_THOUSAND * PG, 32);
	c->buf = dev_buf(TEN_THOUSAND * LEN);
	ck_assert_int_eq(posix_fadvise(c->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&c->ring, 16384);
	dev_hold(c->fs);
	c->first = nbtest_now_ns() + 60000 * MS * nbtest_slow();
	for (unsigned int i = 0; i < TEN_THOUSAND; i++) {
		struct nbread_sqe *sqe = nbread_get_sqe(&c->ring);

		dev_must(sqe, "the submission queue is full");
		nbread_prep_read(sqe, c->fd, c->buf + i * LEN, LEN, i * PG);
		nbread_sqe_set_data64(sqe, i);
		sqe->deadline_ns = deadline_of(c, i);
	}
	dev_submit(&c->ring, TEN_THOUSAND);
	dev_must(nbread_cq_ready(&c->ring) == 0, "not all were parked");
	printf("# %u reads parked, %lld ms before the first deadline\n", TEN_THOUSAND,
	       (long long)(c->first - nbtest_now_ns()) / (long long)MS);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

START_TEST(ten_thousand_parked_reads_end_once_by_deadline_or_cancel_and_leave_their_buffers)
{
	static uint64_t late[TEN_THOUSAND];
	static bool seen[TEN_THOUSAND];
	unsigned int n = 0;
	struct crowd c;

	park_crowd(&c);
	for (unsigned int i = 0; i < TEN_THOUSAND; i++)
		if (CANCELLED(i))
			dev_must(nbread_cancel64(&c.ring, i, 0) == 1, "cancel of read %u", i);
	for (unsigned int i = 0; i < TEN_THOUSAND; i++) {
		struct nbread_cqe cqe = dev_next(&c.ring);
		uint64_t now = nbtest_now_ns();

		dev_must(cqe.user_data < TEN_THOUSAND && !seen[cqe.user_data],
			 "user_data %llu came twice", (unsigned long long)cqe.user_data);
		seen[cqe.user_data] = true;
		dev_must(cqe.res == (CANCELLED(cqe.user_data) ? -ECANCELED : -ETIME), "res %d",
			 cqe.res);
		if (cqe.res == -ECANCELED)
			continue;
		dev_must(now >= deadline_of(&c, cqe.user_data), "it ended early");
		late[n++] = now - deadline_of(&c, cqe.user_data);
	}
	qsort(late, n, sizeof(late[0]), compare);
	printf("# %u ended by deadline, late by: median %.3f ms, p99 %.3f ms, most %.3f ms\n", n,
	       late[n / 2] / 1e6, late[n * 99 / 100] / 1e6, late[n - 1] / 1e6);
	dev_check_none(&c.ring);
	dev_check_same(c.buf, TEN_THOUSAND * LEN, 0xa5);
	/* The disk finishes them all; nothing comes of it. */
	dev_must(dev_held(c.fs) >= TEN_THOUSAND, "the disk held %u reads", dev_held(c.fs));
	dev_release(c.fs);
	dev_check_none(&c.ring);
	nbread_queue_exit(&c.ring);
	close(c.fd);
	dev_await(dev_module_refs() == 0);
	dev_check_same(c.buf, TEN_THOUSAND * LEN, 0xa5);
}
END_TEST

Suite *check_crowd_suite(void)
{
	Suite *s = suite_create("crowd");

	nbtest_add_slow(
		s, ten_thousand_parked_reads_end_once_by_deadline_or_cancel_and_leave_their_buffers,
		300);
	return s;
}
