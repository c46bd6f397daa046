// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlines: a read that still waits when its time is over ends with -ETIME, whoever it
 * waits for, once; one that was answered or begun before does not.
 */
#include <sched.h>
#include <sys/ioctl.h>
#include <linux/nbread.h>
#include "device.h"

#define FOREVER (UINT64_C(1) << 62)

struct held {
	const struct dev_fs *fs;
	struct nbread ring;
	unsigned char *buf;
	int fd;
};

static void begin(struct held *h, uint64_t timeout_ns, unsigned int max_workers)
{
	struct nbread_setup p = { .timeout_ns = timeout_ns, .max_workers = max_workers };

	h->fs = dev_fs(DEV_EXT4);
	h->fd = dev_cold_file(h->fs, MB(1), 31);
	h->buf = dev_buf(MB(1));
	ck_assert_int_eq(posix_fadvise(h->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	ck_assert_int_eq(nbread_queue_init_params(16, &h->ring, &p), 0);
	dev_hold(h->fs);
}

/* Page 2 * @n to its own place of the buffer */
static void prep(struct held *h, unsigned int n, uint64_t deadline_ns, unsigned int flags)
{
	struct nbread_sqe *sqe = nbread_get_sqe(&h->ring);

	ck_assert(sqe);
	nbread_prep_read(sqe, h->fd, h->buf + n * 2 * PG, PG, n * 2 * PG);
	nbread_sqe_set_flags(sqe, flags);
	nbread_sqe_set_data64(sqe, n);
	sqe->deadline_ns = deadline_ns;
}

static uint64_t in_ms(uint64_t ms)
{
	return nbtest_now_ns() + ms * MS;
}

static void check_etime(struct held *h, uint64_t user_data)
{
	struct nbread_cqe cqe = dev_next(&h->ring);

	ck_assert_uint_eq(cqe.user_data, user_data);
	ck_assert_int_eq(cqe.res, -ETIME);
	ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
}

static void check_data(struct held *h, uint64_t user_data)
{
	struct nbread_cqe cqe = dev_next(&h->ring);

	ck_assert_uint_eq(cqe.user_data, user_data);
	ck_assert_int_eq(cqe.res, PG);
	dev_check(h->buf + user_data * 2 * PG, PG, user_data * 2 * PG, 31);
}

/* The disk ends its reads, and nothing comes of that. */
static void end(struct held *h)
{
	dev_release(h->fs);
	dev_check_none(&h->ring);
	nbread_queue_exit(&h->ring);
	close(h->fd);
	dev_await(dev_module_refs() == 0);
}

START_TEST(a_parked_read_ends_at_its_deadline)
{
	struct held h;
	uint64_t at;

	begin(&h, 0, 0);
	at = in_ms(200 * nbtest_slow());
	prep(&h, 0, at, 0);
	dev_submit(&h.ring, 1);
	check_etime(&h, 0);
	ck_assert_uint_ge(nbtest_now_ns(), at);
	ck_assert_uint_ge(dev_held(h.fs), 1);
	ck_assert_uint_eq(dev_fdinfo(&h.ring, "nbread-timed-out"), 1);
	ck_assert_uint_eq(dev_fdinfo(&h.ring, "nbread-inflight"), 0);
	end(&h);
	dev_check_same(h.buf, MB(1), 0xa5);
}
END_TEST

START_TEST(a_parked_read_ends_at_its_deadline_without_a_call)
{
	struct held h;

	begin(&h, 0, 0);
	prep(&h, 0, in_ms(100), 0);
	prep(&h, 1, FOREVER, 0);
	dev_submit(&h.ring, 2);
	/* From here on only memory is looked at. */
	dev_await(nbread_cq_ready(&h.ring) == 1);
	check_etime(&h, 0);
	dev_release(h.fs);
	check_data(&h, 1);
	dev_check_same(h.buf, 2 * PG, 0xa5);
	end(&h);
}
END_TEST

START_TEST(the_timeout_of_the_ring_is_for_reads_without_a_deadline)
{
	struct held h;
	uint64_t start;

	begin(&h, 300 * MS, 0);
	start = nbtest_now_ns();
	prep(&h, 0, 0, 0);
	prep(&h, 1, FOREVER, 0);
	prep(&h, 2, UINT64_MAX, 0);
	prep(&h, 3, start + 100 * MS, 0);
	dev_submit(&h.ring, 4);
	check_etime(&h, 3);
	check_etime(&h, 0);
	ck_assert_uint_ge(nbtest_now_ns(), start + 300 * MS);
	dev_release(h.fs);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	ck_assert_int_eq(dev_next(&h.ring).res, PG);
	end(&h);
}
END_TEST

START_TEST(a_timeout_beyond_all_time_is_none)
{
	struct held h;

	begin(&h, UINT64_MAX - _i, 0);
	prep(&h, 0, 0, 0);
	dev_submit(&h.ring, 1);
	dev_check_none(&h.ring);
	dev_release(h.fs);
	check_data(&h, 0);
	end(&h);
}
END_TEST

START_TEST(a_miss_whose_time_is_over_does_not_begin)
{
	struct held h;

	begin(&h, 0, 0);
	prep(&h, 0, 1, 0);
	prep(&h, 1, nbtest_now_ns(), 0);
	prep(&h, 2, 1, NBREAD_SQE_ASYNC);
	dev_submit(&h.ring, 3);
	ck_assert_uint_eq(nbread_cq_ready(&h.ring), 3);
	for (int i = 0; i < 3; i++)
		check_etime(&h, i);
	ck_assert_uint_eq(dev_held(h.fs), 0);
	end(&h);
	dev_check_same(h.buf, MB(1), 0xa5);
}
END_TEST

START_TEST(a_hit_whose_time_is_over_is_a_hit)
{
	struct held h;

	begin(&h, 1, 0);
	dev_release(h.fs);
	dev_warm(h.fd, 0, PG);
	prep(&h, 0, 1, 0);
	dev_submit(&h.ring, 1);
	check_data(&h, 0);
	prep(&h, 0, 0, NBREAD_SQE_CACHED);
	dev_submit(&h.ring, 1);
	check_data(&h, 0);
	end(&h);
}
END_TEST

START_TEST(deadlines_come_in_their_order_whatever_the_order_of_submission)
{
	static const unsigned int order[] = { 5, 1, 7, 3, 0, 6, 2, 4 };
	uint64_t start;
	struct held h;

	begin(&h, 0, 0);
	/* None may be over before all are submitted. */
	start = in_ms(300 * nbtest_slow());
	for (unsigned int i = 0; i < 8; i++)
		prep(&h, order[i], start + order[i] * 20 * MS, 0);
	dev_submit(&h.ring, 8);
	for (unsigned int i = 0; i < 8; i++) {
		check_etime(&h, i);
		ck_assert_uint_ge(nbtest_now_ns(), start + i * 20 * MS);
	}
	end(&h);
	dev_check_same(h.buf, MB(1), 0xa5);
}
END_TEST

START_TEST(a_read_that_was_cancelled_has_no_deadline_any_more)
{
	struct held h;

	begin(&h, 0, 0);
	for (unsigned int i = 0; i < 8; i++)
		prep(&h, i, in_ms((i < 4 ? 600 : 900) * nbtest_slow()), 0);
	dev_submit(&h.ring, 8);
	for (unsigned int i = 0; i < 4; i++) {
		ck_assert_int_eq(nbread_cancel64(&h.ring, i, 0), 1);
		ck_assert_int_eq(dev_next(&h.ring).res, -ECANCELED);
	}
	/* The others' come later than those. */
	for (unsigned int i = 4; i < 8; i++)
		check_etime(&h, i);
	ck_assert_uint_eq(dev_fdinfo(&h.ring, "nbread-timed-out"), 4);
	end(&h);
	dev_check_same(h.buf, MB(1), 0xa5);
}
END_TEST

START_TEST(a_cancelled_read_that_is_gone_is_not_remembered_for_its_deadline)
{
	struct held h;
	uint64_t late;

	begin(&h, 0, 0);
	late = in_ms(3000 * nbtest_slow());
	for (unsigned int i = 0; i < 8; i++)
		prep(&h, i, late, 0);
	dev_submit(&h.ring, 8);
	ck_assert_int_eq(nbread_cancel64(&h.ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL), 8);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(dev_next(&h.ring).res, -ECANCELED);
	dev_release(h.fs);
	/* The open device, and its ring: their memory is free, and others may get it. */
	dev_await(dev_module_refs() <= 2);
	nbtest_evict(h.fd);
	dev_hold(h.fs);
	for (unsigned int i = 0; i < 8; i++)
		prep(&h, i, i < 7 ? in_ms(100) : late + 200 * MS, 0);
	dev_submit(&h.ring, 8);
	for (unsigned int i = 0; i < 7; i++)
		ck_assert_int_eq(dev_next(&h.ring).res, -ETIME);
	/* After the time of those that are gone. */
	check_etime(&h, 7);
	ck_assert_uint_eq(dev_fdinfo(&h.ring, "nbread-timed-out"), 8);
	end(&h);
	dev_check_same(h.buf, MB(1), 0xa5);
}
END_TEST

START_TEST(a_read_that_is_ready_but_not_run_ends_at_its_deadline)
{
	struct held h;

	begin(&h, 0, 0);
	prep(&h, 0, in_ms(1500 * nbtest_slow()), 0);
	prep(&h, 1, FOREVER, 0);
	dev_submit(&h.ring, 2);
	dev_release(h.fs);
	dev_await(dev_readable(&h.ring) && nbtest_page_resident(h.fd, 0));
	ck_assert_uint_eq(nbread_cq_ready(&h.ring), 0);
	/* Nobody is in ENTER, nor comes. */
	dev_await(nbread_cq_ready(&h.ring) == 1);
	check_etime(&h, 0);
	check_data(&h, 1);
	dev_check_same(h.buf, 2 * PG, 0xa5);
	end(&h);
}
END_TEST

START_TEST(a_queued_read_ends_at_its_deadline_and_a_begun_one_does_not)
{
	struct held h;

	begin(&h, 0, 1);
	prep(&h, 0, in_ms(1500 * nbtest_slow()), NBREAD_SQE_ASYNC);
	dev_submit(&h.ring, 1);
	/* The only worker has it, and so the next one waits for that. */
	dev_await(dev_held(h.fs) == 1);
	prep(&h, 1, in_ms(100), NBREAD_SQE_ASYNC);
	prep(&h, 2, in_ms(1700 * nbtest_slow()), NBREAD_SQE_ASYNC);
	dev_submit(&h.ring, 2);
	check_etime(&h, 1);
	check_etime(&h, 2);
	/* Later than the deadline of the first. */
	dev_check_none(&h.ring);
	dev_release(h.fs);
	check_data(&h, 0);
	dev_check_same(h.buf + 2 * PG, MB(1) - 2 * PG, 0xa5);
	end(&h);
}
END_TEST

START_TEST(a_ring_with_deadlines_to_come_can_be_closed)
{
	struct held h;

	for (int i = 0; i < 20; i++) {
		begin(&h, 0, 0);
		for (unsigned int n = 0; n < 8; n++)
			prep(&h, n, n < 4 ? nbtest_now_ns() + n * MS : FOREVER, 0);
		dev_submit(&h.ring, 8);
		nbread_queue_exit(&h.ring);
		dev_release(h.fs);
		dev_check_same(h.buf, MB(1), 0xa5);
		close(h.fd);
	}
	dev_await(dev_module_refs() == 0);
}
END_TEST

static void set_offset(const char *text)
{
	if (unshare(CLONE_NEWTIME) != 0)
		nbtest_skip_now("this kernel has no time namespaces");
	ck_assert_int_eq(nbtest_write_text("/proc/self/timens_offsets", text), 0);
}

static int read_with_deadline(void *arg)
{
	struct nbread_enter e = { .min_complete = 1,
				  .flags = NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS };
	struct held *h = arg;
	struct nbread_cqe *cqe;
	uint64_t at;

	if (nbread_queue_init(8, &h->ring, 0) != 0)
		return 1;
	at = in_ms(200);
	prep(h, 0, at, 0);
	if (nbread_submit(&h->ring) != 1 || nbread_cq_ready(&h->ring) != 0)
		return 2;
	if (nbread_wait_cqe(&h->ring, &cqe) != 0 || cqe->res != -ETIME || nbtest_now_ns() < at)
		return 3;
	nbread_cqe_seen(&h->ring, cqe);
	e.timeout_ns = at = in_ms(100);
	if (ioctl(nbread_ring_fd(&h->ring), NBREAD_IOC_ENTER, &e) == 0 || errno != ETIME)
		return 4;
	return nbtest_now_ns() >= at ? 0 : 5;
}

START_TEST(a_deadline_goes_by_the_clock_of_the_time_namespace)
{
	struct held h;

	begin(&h, 0, 0);
	/* An hour ahead, or an hour back: the wrong clock would be at once, or never. */
	set_offset(_i ? "monotonic 3600 0" : "monotonic -1 0");
	ck_assert_int_eq(nbtest_in_child(read_with_deadline, &h), 0);
	end(&h);
}
END_TEST

Suite *check_deadline_suite(void)
{
	Suite *s = suite_create("deadline");

	nbtest_add(s, a_parked_read_ends_at_its_deadline);
	nbtest_add(s, a_parked_read_ends_at_its_deadline_without_a_call);
	nbtest_add(s, the_timeout_of_the_ring_is_for_reads_without_a_deadline);
	nbtest_add_loop(s, a_timeout_beyond_all_time_is_none, 2);
	nbtest_add(s, a_miss_whose_time_is_over_does_not_begin);
	nbtest_add(s, a_hit_whose_time_is_over_is_a_hit);
	nbtest_add(s, deadlines_come_in_their_order_whatever_the_order_of_submission);
	nbtest_add(s, a_read_that_was_cancelled_has_no_deadline_any_more);
	nbtest_add(s, a_cancelled_read_that_is_gone_is_not_remembered_for_its_deadline);
	nbtest_add(s, a_read_that_is_ready_but_not_run_ends_at_its_deadline);
	nbtest_add(s, a_queued_read_ends_at_its_deadline_and_a_begun_one_does_not);
	nbtest_add(s, a_ring_with_deadlines_to_come_can_be_closed);
	nbtest_add_loop(s, a_deadline_goes_by_the_clock_of_the_time_namespace, 2);
	return s;
}
