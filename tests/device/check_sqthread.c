// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread of an SQTHREAD ring takes entries without a call, sleeps when there are
 * none, says so, and loses nothing when the CQ is full or the program errs.
 */
#include "sq.h"

#define SIZE KB(64)
#define ID 41
#define BATCH 64
#define READS (32 * BATCH)

static unsigned char *buf;

static void check_read(struct raw *r, int fd, off_t off)
{
	struct nbread_cqe cqe = sq_read(r, fd, buf, 512, off, 0);

	dev_must(cqe.res == 512, "res %d", cqe.res);
	dev_check(buf, 512, off, ID);
}

START_TEST(while_it_polls_reads_take_no_call)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	unsigned int calls = 0;
	struct nbread_cqe cqe;
	struct raw r;

	buf = dev_buf(SIZE);
	dev_warm(fd, 0, SIZE);
	sq_ring(&r, BATCH, NBREAD_SETUP_SQTHREAD, SQ_ALWAYS);
	for (unsigned int i = 0; i < READS; i++) {
		sq_prep(&r, fd, buf + i % BATCH * 512, 512, (off_t)(i * 512 % SIZE), 0, i);
		if (i % BATCH < BATCH - 1)
			continue;
		calls += (unsigned int)raw_hand_over(&r);
		for (unsigned int n = i - (BATCH - 1); n <= i; n++) {
			cqe = sq_next(&r);
			dev_must(cqe.user_data == n && cqe.res == 512, "res %d", cqe.res);
			dev_must(cqe.flags == NBREAD_CQE_HIT, "flags %#x", cqe.flags);
			dev_check(buf + n % BATCH * 512, 512, (off_t)(n * 512 % SIZE), ID);
		}
		dev_await(__atomic_load_n(r.sq_head, __ATOMIC_ACQUIRE) == r.next);
	}
	ck_assert_uint_eq(calls, 0);
	ck_assert_int_eq(sq_info(&r, "nbread-completed"), READS);
	raw_close(&r);
}
END_TEST

START_TEST(it_sleeps_when_idle_and_is_woken_by_enter)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	struct raw r;

	buf = dev_buf(SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, _i ? NBREAD_SQ_IDLE_NONE : 20);
	for (int i = 0; i < 20; i++) {
		dev_await(raw_asleep(&r));
		sq_prep(&r, fd, buf, 512, 512 * i, 0, 7);
		ck_assert_int_eq(raw_hand_over(&r), 1);
		ck_assert_int_eq(sq_next(&r).res, 512);
		dev_check(buf, 512, 512 * i, ID);
	}
	raw_close(&r);
}
END_TEST

/* utime and stime of a thread, in clock ticks */
static unsigned long long cpu_of(pid_t pid)
{
	unsigned long long utime = 0, stime = 0;
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	ck_assert_int_gt(nbtest_read_text(path, line, sizeof(line)), 0);
	ck_assert_int_eq(sscanf(strrchr(line, ')') + 1,
				" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &utime,
				&stime),
			 2);
	return utime + stime;
}

START_TEST(asleep_it_uses_no_cpu)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	unsigned long long cpu = 0;
	struct nbread other;
	long switches = 0;
	struct raw r;
	pid_t pid;

	buf = dev_buf(SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, 10);
	pid = sq_thread(&r);
	check_read(&r, fd, 0);
	dev_await(raw_asleep(&r) && sq_state(pid) == 'S');
	/* A span in which much happens: reads of the disk, by another ring */
	dev_ring(&other, 8);
	for (int i = 0; i < 110; i++) {
		/* 'S' it is a moment before it has left its CPU. */
		if (i == 10) {
			cpu = cpu_of(pid);
			switches = sq_status(pid, "voluntary_ctxt_switches");
			ck_assert_int_gt(switches, 0);
		}
		nbtest_evict(fd);
		ck_assert_int_eq(dev_read(&other, fd, buf, 512, 0, 0).res, 512);
	}
	nbread_queue_exit(&other);
	ck_assert_uint_eq(cpu_of(pid), cpu);
	ck_assert_int_eq(sq_status(pid, "voluntary_ctxt_switches"), switches);
	ck_assert(raw_asleep(&r));
	check_read(&r, fd, 512);
	raw_close(&r);
}
END_TEST

START_TEST(parked_reads_are_finished_without_a_call)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, MB(1), ID);
	struct nbread_cqe cqe;
	uint32_t seen = 0;
	struct raw r;

	buf = dev_buf(32 * PG);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	sq_ring(&r, 32, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE);
	/* What the file system needs to know of the file, with its last page */
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, (off_t)(MB(1) - PG), 0).res, PG);
	dev_hold(fs);
	for (unsigned int i = 0; i < 32; i++)
		sq_prep(&r, fd, buf + i * PG, PG, (off_t)(i * 2 * PG), 0, i);
	ck_assert_int_ge(raw_hand_over(&r), 0);
	/* All are taken, and the thread sleeps over them. */
	dev_await(__atomic_load_n(r.sq_head, __ATOMIC_ACQUIRE) == r.next && raw_asleep(&r));
	ck_assert_uint_eq(raw_cq_ready(&r), 0);
	dev_check_same(buf + PG, 31 * PG, 0xa5);
	dev_release(fs);
	for (int i = 0; i < 32; i++) {
		cqe = sq_next(&r);
		dev_must(cqe.res == (int)PG && cqe.user_data < 32, "res %d", cqe.res);
		dev_must(cqe.flags & NBREAD_CQE_WAITED, "flags %#x", cqe.flags);
		dev_check(buf + cqe.user_data * PG, PG, (off_t)(cqe.user_data * 2 * PG), ID);
		seen |= 1U << cqe.user_data;
	}
	ck_assert_uint_eq(seen, UINT32_MAX);
	raw_close(&r);
}
END_TEST

START_TEST(enter_takes_nothing_itself_but_waits_for_the_thread)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	struct raw r;

	buf = dev_buf(SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE);
	for (int round = 0; round < 40; round++) {
		for (unsigned int i = 0; i < 3; i++)
			sq_prep(&r, fd, buf + i * PG, PG, (off_t)(i * PG), 0, i);
		raw_publish(&r);
		/* Without SQ_WAKEUP too: there are entries. */
		ck_assert_int_eq(raw_enter_flags(&r, 3, 3, round & 1 ? NBREAD_ENTER_SQ_WAKEUP : 0,
						 60000 * MS),
				 3);
		ck_assert_uint_eq(raw_cq_ready(&r), 3);
		for (unsigned int i = 0; i < 3; i++)
			ck_assert_int_eq(sq_next(&r).res, PG);
	}
	/* What cannot be in the SQ was not taken, whatever the program says. */
	ck_assert_int_eq(raw_enter(&r, UINT32_MAX, 0), 8);
	ck_assert_int_eq(raw_enter(&r, 0, 0), 0);
	ck_assert_int_eq(raw_enter_ns(&r, 0, 1, 1), -ETIME);
	raw_close(&r);
}
END_TEST

START_TEST(sq_wait_returns_when_the_thread_has_made_room)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	struct raw r;

	buf = dev_buf(SIZE);
	sq_ring(&r, 4, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE);
	for (unsigned int round = 0; round < 50; round++) {
		while (raw_sqe(&r))
			raw_prep_read(&r.sqes[(r.next - 1) & r.sq_mask], fd, buf, 512, 0, round);
		raw_publish(&r);
		ck_assert_int_eq(raw_enter_flags(&r, 4, 0, NBREAD_ENTER_SQ_WAIT, 60000 * MS), 4);
		ck_assert_uint_lt(r.next - __atomic_load_n(r.sq_head, __ATOMIC_ACQUIRE), 4);
		for (int i = 0; i < 4; i++)
			ck_assert_int_eq(sq_next(&r).res, 512);
	}
	raw_close(&r);
}
END_TEST

START_TEST(a_full_cq_loses_nothing_and_takes_nothing)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	struct raw r = { .p = { .sq_entries = 8,
				.cq_entries = 8,
				.flags = NBREAD_SETUP_SQTHREAD,
				.sq_thread_idle_ms = NBREAD_SQ_IDLE_NONE } };

	buf = dev_buf(SIZE);
	ck_assert_int_eq(raw_open_p(&r), 0);
	for (unsigned int i = 0; i < 16; i++) {
		if (i == 8) {
			ck_assert_int_ge(raw_hand_over(&r), 0);
			dev_await(raw_cq_ready(&r) == 8);
		}
		sq_prep(&r, fd, buf, 512, 512 * i, 0, i);
	}
	ck_assert_int_ge(raw_hand_over(&r), 0);
	dev_await(raw_asleep(&r));
	ck_assert_uint_eq(r.next - __atomic_load_n(r.sq_head, __ATOMIC_ACQUIRE), 8);
	/* There is no room to wait for, before the program reaps. */
	ck_assert_int_eq(raw_enter_flags(&r, 0, 0, NBREAD_ENTER_SQ_WAIT, 0), 0);
	for (unsigned int i = 0; i < 16; i++) {
		ck_assert_uint_eq(sq_next(&r).user_data, i);
		/* As after SQ tail: CQ head, a barrier, the look */
		ck_assert_int_ge(raw_hand_over(&r), 0);
	}
	ck_assert_uint_eq(raw_cq_ready(&r), 0);
	raw_close(&r);
}
END_TEST

START_TEST(a_tail_that_cannot_be_is_einval_and_mended_it_works)
{
	static const uint32_t off[] = { 9, 1U << 31, UINT32_MAX };
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	uint32_t tail;
	struct raw r;

	buf = dev_buf(SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, _i ? SQ_ALWAYS : NBREAD_SQ_IDLE_NONE);
	for (int i = 0; i < 3; i++) {
		check_read(&r, fd, 0);
		tail = *r.sq_tail;
		__atomic_store_n(r.sq_tail, tail + off[i], __ATOMIC_RELEASE);
		dev_await(raw_enter(&r, 1, 0) == -EINVAL);
		/* Nor is it waited for for ever. */
		ck_assert_int_eq(raw_enter(&r, 0, 1), -EINVAL);
		ck_assert_int_eq(raw_enter_flags(&r, 0, 0, NBREAD_ENTER_SQ_WAIT, 0), -EINVAL);
		__atomic_store_n(r.sq_tail, tail, __ATOMIC_RELEASE);
		dev_await(raw_enter_flags(&r, 0, 0, NBREAD_ENTER_SQ_WAKEUP, 0) == 0);
	}
	/* The word of flags is the module's. */
	*r.sq_flags = UINT32_MAX;
	check_read(&r, fd, 512);
	dev_await(_i || *r.sq_flags == NBREAD_SQ_NEED_WAKEUP);
	raw_close(&r);
}
END_TEST

Suite *check_sqthread_suite(void)
{
	Suite *s = suite_create("sqthread");

	nbtest_add(s, while_it_polls_reads_take_no_call);
	nbtest_add_loop(s, it_sleeps_when_idle_and_is_woken_by_enter, 2);
	nbtest_add(s, asleep_it_uses_no_cpu);
	dev_add_each(s, parked_reads_are_finished_without_a_call);
	nbtest_add(s, enter_takes_nothing_itself_but_waits_for_the_thread);
	nbtest_add(s, sq_wait_returns_when_the_thread_has_made_room);
	nbtest_add(s, a_full_cq_loses_nothing_and_takes_nothing);
	nbtest_add_loop(s, a_tail_that_cannot_be_is_einval_and_mended_it_works, 2);
	return s;
}
