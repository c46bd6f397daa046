// SPDX-License-Identifier: GPL-2.0-only
/* CANCEL: reads that wait end at once, exactly once, and leave the buffer alone. */
#include <pthread.h>

#include "abi.h"

Suite *check_cancel_suite(void);

#define N 6

static int held;
static struct raw ring;
static uint8_t buf[N][4096] __attribute__((aligned(4096)));

static void hold(void)
{
	held = abi_hold_begin();
	abi_ring(&ring, 8, 16);
	memset(buf, ABI_CANARY, sizeof(buf));
}

static void let_go(void)
{
	close(held);
	raw_close(&ring);
	abi_hold_release();
}

/* Reads with user_data 100, 101, 102, 100, 101, 102 and so on. */
static void park(int fd, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		raw_prep_read(raw_sqe(&ring), fd, buf[i], 4096, i * UINT64_C(1048576), 100 + i % 3);
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter(&ring, n, 0), (int)n);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
}

static int cancel(uint64_t user_data, int fd, uint32_t flags)
{
	struct nbread_cancel c = { .user_data = user_data, .fd = fd, .flags = flags };

	return raw_ioctl(ring.fd, NBREAD_IOC_CANCEL, &c);
}

/* @n completions with -ECANCELED, nothing else; the device answers; still nothing else. */
static void check_cancelled(unsigned int n)
{
	ck_assert_uint_eq(raw_cq_ready(&ring), n);
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(abi_next(&ring).res, -ECANCELED);
	ck_assert_int_eq(raw_enter(&ring, 0, 0), 0);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
}

static void check_buffers_untouched(void)
{
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_uint_eq(((uint8_t *)buf)[i], ABI_CANARY);
}

START_TEST(nothing_to_cancel_is_enoent)
{
	ck_assert_int_eq(cancel(1, 0, 0), -ENOENT);
	ck_assert_int_eq(cancel(1, 0, NBREAD_CANCEL_ALL), -ENOENT);
	ck_assert_int_eq(cancel(0, 0, NBREAD_CANCEL_ANY), -ENOENT);
	ck_assert_int_eq(cancel(0, held, NBREAD_CANCEL_FD), -ENOENT);
	park(held, 1);
	ck_assert_int_eq(cancel(1, 0, 0), -ENOENT);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
}
END_TEST

START_TEST(a_parked_read_is_cancelled_by_its_user_data)
{
	park(held, 3);
	ck_assert_int_eq(cancel(101, 0, 0), 1);
	ck_assert_uint_eq(raw_cq_ready(&ring), 1);
	struct nbread_cqe cqe = abi_next(&ring);

	ck_assert_uint_eq(cqe.user_data, 101);
	ck_assert_int_eq(cqe.res, -ECANCELED);
	ck_assert_int_eq(cancel(101, 0, 0), -ENOENT);
	abi_hold_release();
	ck_assert_int_eq(raw_enter(&ring, 0, 2), 0);
	ck_assert_int_eq(abi_next(&ring).res, 4096);
	ck_assert_int_eq(abi_next(&ring).res, 4096);
	ck_assert_uint_eq(buf[1][0], ABI_CANARY);
	ck_assert_uint_eq(buf[1][4095], ABI_CANARY);
}
END_TEST

START_TEST(without_all_only_the_oldest_match_is_cancelled)
{
	park(held, N);
	ck_assert_int_eq(cancel(100, 0, 0), 1);
	check_cancelled(1);
	abi_hold_release();
	ck_assert_int_eq(raw_enter(&ring, 0, N - 1), 0);
	/* The oldest: its buffer is the one that stays as it was. */
	ck_assert_uint_eq(buf[0][0], ABI_CANARY);
	ck_assert_uint_ne(buf[3][0], ABI_CANARY);
}
END_TEST

START_TEST(all_cancels_every_read_with_the_user_data)
{
	park(held, N);
	ck_assert_int_eq(cancel(100, 0, NBREAD_CANCEL_ALL), 2);
	check_cancelled(2);
}
END_TEST

START_TEST(any_and_all_cancel_everything)
{
	park(held, N);
	ck_assert_int_eq(cancel(0, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL), N);
	check_cancelled(N);
	abi_hold_release();
	ck_assert_int_eq(raw_enter(&ring, 0, 0), 0);
	ck_assert_uint_eq(raw_cq_ready(&ring), 0);
	check_buffers_untouched();
}
END_TEST

START_TEST(any_alone_cancels_one)
{
	park(held, N);
	ck_assert_int_eq(cancel(0, 0, NBREAD_CANCEL_ANY), 1);
	check_cancelled(1);
}
END_TEST

START_TEST(fd_cancels_the_reads_of_that_open_file_only)
{
	char path[64];
	int other, alias;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
	other = open(path, O_RDONLY | O_CLOEXEC);
	alias = dup(held);
	posix_fadvise(other, 0, 0, POSIX_FADV_RANDOM);
	park(held, 3);
	ck_assert_int_eq(cancel(0, other, NBREAD_CANCEL_FD | NBREAD_CANCEL_ALL), -ENOENT);
	/* A dup is the same open file. */
	ck_assert_int_eq(cancel(0, alias, NBREAD_CANCEL_FD | NBREAD_CANCEL_ALL), 3);
	check_cancelled(3);
	close(other);
	close(alias);
}
END_TEST

START_TEST(fd_without_all_cancels_one)
{
	park(held, 3);
	ck_assert_int_eq(cancel(0, held, NBREAD_CANCEL_FD), 1);
	check_cancelled(1);
}
END_TEST

START_TEST(cancelling_a_finished_read_is_enoent)
{
	struct abi a;

	abi_begin(&a);
	raw_prep_read(raw_sqe(&ring), a.file.fd, buf[0], 4096, 0, 7);
	raw_publish(&ring);
	ck_assert_int_eq(raw_enter(&ring, 1, 1), 1);
	ck_assert_int_eq(cancel(7, 0, 0), -ENOENT);
	ck_assert_int_eq(abi_next(&ring).res, 4096);
	abi_end(&a);
}
END_TEST

START_TEST(cancelled_reads_give_their_cq_slots_back)
{
	struct raw r;
	struct nbread_cancel c = { .flags = NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL };

	abi_ring(&r, 4, 4);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 4; i++)
			raw_prep_read(raw_sqe(&r), held, buf[i], 4096, i * UINT64_C(1048576), i);
		raw_publish(&r);
		ck_assert_int_eq(raw_enter(&r, 4, 0), 4);
		/* All four slots are spoken for. */
		raw_sqe(&r);
		raw_publish(&r);
		ck_assert_int_eq(raw_enter(&r, 1, 0), 0);
		ck_assert_int_eq(raw_ioctl(r.fd, NBREAD_IOC_CANCEL, &c), 4);
		for (unsigned int i = 0; i < 4; i++)
			ck_assert_int_eq(abi_next(&r).res, -ECANCELED);
		ck_assert_int_eq(raw_enter(&r, 1, 1), 1);
		ck_assert_int_eq(abi_next(&r).res, 0);
	}
	raw_close(&r);
}
END_TEST

static void *wait_for_one(void *ret)
{
	*(int *)ret = raw_enter(&ring, 0, 1);
	return NULL;
}

START_TEST(a_cancelled_read_wakes_the_thread_that_waits)
{
	pthread_t thread;
	int ret = -1;

	ck_assert_int_eq(raw_enter_ns(&ring, 0, 0, 0), 0);
	park(held, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_one, &ret), 0);
	abi_await(nbtest_fdinfo(ring.fd, "nbread-sleepers") == 1);
	ck_assert_int_eq(cancel(100, 0, 0), 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(abi_next(&ring).res, -ECANCELED);
}
END_TEST

START_TEST(cancel_before_setup_is_enxio)
{
	struct nbread_cancel c = { .flags = NBREAD_CANCEL_ANY };
	int fd = raw_open_fd();

	ck_assert_int_eq(raw_ioctl(fd, NBREAD_IOC_CANCEL, &c), -ENXIO);
	close(fd);
}
END_TEST

#define held_test(s, fn) nbtest_add_fixture(s, fn, hold, let_go)

Suite *check_cancel_suite(void)
{
	Suite *s = suite_create("cancel");

	held_test(s, nothing_to_cancel_is_enoent);
	held_test(s, a_parked_read_is_cancelled_by_its_user_data);
	held_test(s, without_all_only_the_oldest_match_is_cancelled);
	held_test(s, all_cancels_every_read_with_the_user_data);
	held_test(s, any_and_all_cancel_everything);
	held_test(s, any_alone_cancels_one);
	held_test(s, fd_cancels_the_reads_of_that_open_file_only);
	held_test(s, fd_without_all_cancels_one);
	held_test(s, cancelling_a_finished_read_is_enoent);
	held_test(s, cancelled_reads_give_their_cq_slots_back);
	held_test(s, a_cancelled_read_wakes_the_thread_that_waits);
	nbtest_add(s, cancel_before_setup_is_enxio);
	return s;
}
