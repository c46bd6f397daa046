// SPDX-License-Identifier: GPL-2.0-only
/* ENTER: what is taken off the SQ, and what each entry ends with. */
#include <sys/uio.h>

#include "abi.h"

Suite *check_enter_suite(void);

static void queue_nops(struct raw *r, unsigned int n, uint64_t first)
{
	for (unsigned int i = 0; i < n; i++) {
		struct nbread_sqe *sqe = raw_sqe(r);

		ck_assert_ptr_nonnull(sqe);
		sqe->user_data = first + i;
	}
	raw_publish(r);
}

START_TEST(enter_with_nothing_to_do_returns_0)
{
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(raw_enter(&a.r, 0, 0), 0);
	ck_assert_int_eq(raw_enter(&a.r, 8, 0), 0);
	ck_assert_int_eq(raw_enter(&a.r, UINT32_MAX, 0), 0);
	abi_end(&a);
}
END_TEST

START_TEST(a_nop_completes_with_0_and_its_user_data)
{
	struct abi a;
	struct nbread_cqe cqe;

	abi_begin(&a);
	cqe = abi_submit(&a, &(struct nbread_sqe){ .user_data = UINT64_MAX });
	ck_assert_int_eq(cqe.res, 0);
	ck_assert_uint_eq(cqe.user_data, UINT64_MAX);
	ck_assert_uint_eq(cqe.flags, 0);
	abi_end(&a);
}
END_TEST

START_TEST(entries_stay_in_the_sq_until_enter_takes_them)
{
	struct abi a;

	abi_begin(&a);
	queue_nops(&a.r, 3, 1);
	ck_assert_uint_eq(*a.r.sq_head, 0);
	ck_assert_uint_eq(raw_cq_ready(&a.r), 0);
	ck_assert_int_eq(raw_enter(&a.r, 0, 0), 0);
	ck_assert_uint_eq(*a.r.sq_head, 0);
	ck_assert_int_eq(raw_enter(&a.r, 3, 0), 3);
	ck_assert_uint_eq(*a.r.sq_head, 3);
	for (unsigned int i = 1; i <= 3; i++)
		ck_assert_uint_eq(abi_next(&a.r).user_data, i);
	abi_end(&a);
}
END_TEST

START_TEST(enter_takes_no_more_than_it_is_asked_for)
{
	struct abi a;

	abi_begin(&a);
	queue_nops(&a.r, 8, 0);
	ck_assert_int_eq(raw_enter(&a.r, 5, 0), 5);
	ck_assert_uint_eq(*a.r.sq_head, 5);
	ck_assert_uint_eq(raw_cq_ready(&a.r), 5);
	ck_assert_int_eq(raw_enter(&a.r, 5, 0), 3);
	ck_assert_uint_eq(raw_cq_ready(&a.r), 8);
	for (unsigned int i = 0; i < 8; i++)
		abi_next(&a.r);
	abi_end(&a);
}
END_TEST

START_TEST(a_full_cq_makes_enter_take_fewer_and_lose_nothing)
{
	struct nbread_cqe cqe;
	struct raw r;

	abi_ring(&r, 8, 8);
	queue_nops(&r, 6, 0);
	ck_assert_int_eq(raw_enter(&r, 6, 0), 6);
	queue_nops(&r, 8, 6);
	ck_assert_int_eq(raw_enter(&r, 8, 0), 2);
	ck_assert_uint_eq(*r.sq_head, 8);
	ck_assert_int_eq(raw_enter(&r, 8, 0), 0);
	ck_assert_uint_eq(raw_cq_ready(&r), 8);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(abi_next(&r).user_data, i);
	ck_assert_int_eq(raw_enter(&r, 8, 0), 3);
	for (unsigned int i = 3; raw_reap(&r, &cqe); i++) {
		ck_assert_uint_eq(cqe.user_data, i);
		ck_assert_int_eq(cqe.res, 0);
	}
	ck_assert_int_eq(raw_enter(&r, 8, 0), 3);
	raw_close(&r);
}
END_TEST

START_TEST(the_rings_wrap_around_many_times)
{
	struct nbread_cqe cqe;
	uint64_t sent = 0, seen = 0;
	struct raw r;

	abi_ring(&r, 4, 4);
	while (seen < 1000) {
		unsigned int n = 1 + (unsigned int)(sent % 4);

		queue_nops(&r, n, sent);
		sent += n;
		ck_assert_int_eq(raw_enter(&r, n, n), (int)n);
		while (raw_reap(&r, &cqe))
			ck_assert_uint_eq(cqe.user_data, seen++);
		ck_assert_uint_eq(seen, sent);
	}
	ck_assert_uint_eq(*r.sq_head, sent);
	ck_assert_uint_eq(*r.cq_tail, sent);
	raw_close(&r);
}
END_TEST

START_TEST(a_read_of_a_resident_file_is_answered_in_the_call)
{
	struct abi a;
	struct nbread_sqe sqe;
	struct nbread_cqe cqe;

	abi_begin(&a);
	for (uint32_t len = 1; len <= 65536; len *= 4) {
		sqe = abi_valid(&a);
		sqe.len = len;
		sqe.off = 0;
		memset(a.buf, ABI_CANARY, ABI_BUF_SIZE);
		*raw_sqe(&a.r) = sqe;
		raw_publish(&a.r);
		ck_assert_int_eq(raw_enter(&a.r, 1, 0), 1);
		cqe = abi_next(&a.r);
		ck_assert_int_eq(cqe.res, (int)len);
		ck_assert_uint_eq(cqe.user_data, ABI_USER_DATA);
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
		nbtest_check_bytes(a.buf, len, 0, ABI_FILE_ID, 1);
		abi_check_canary(&a, len);
	}
	abi_end(&a);
}
END_TEST

static const struct {
	uint64_t off;
	uint32_t len;
	int want;
} ends[] = {
	{ ABI_FILE_SIZE - 1, 1, 1 },
	{ ABI_FILE_SIZE - 1, 4096, 1 },
	{ ABI_FILE_SIZE - 5000, 65536, 5000 },
	{ ABI_FILE_SIZE, 1, 0 },
	{ ABI_FILE_SIZE + 1, 4096, 0 },
	{ UINT64_C(1) << 40, 4096, 0 },
	{ 12345, 0, 0 },
};

START_TEST(a_read_ends_at_the_end_of_the_file)
{
	struct abi a;
	struct nbread_sqe sqe;
	struct nbread_cqe cqe;

	abi_begin(&a);
	sqe = abi_valid(&a);
	sqe.off = ends[_i].off;
	sqe.len = ends[_i].len;
	cqe = abi_submit(&a, &sqe);
	ck_assert_int_eq(cqe.res, ends[_i].want);
	nbtest_check_bytes(a.buf, (size_t)ends[_i].want, ends[_i].off, ABI_FILE_ID, 1);
	abi_check_canary(&a, (size_t)ends[_i].want);
	abi_end(&a);
}
END_TEST

START_TEST(a_read_of_a_cold_file_delivers_all_of_it)
{
	struct abi a;
	uint32_t flags;

	abi_begin(&a);
	nbtest_evict(a.file.fd);
	ck_assert_int_eq(raw_read(&a.r, a.file.fd, a.buf, 65536, 0, 0, &flags), 65536);
	nbtest_check_bytes(a.buf, 65536, 0, ABI_FILE_ID, 1);
	ck_assert_uint_eq(flags & NBREAD_CQE_HIT, 0);
	abi_end(&a);
}
END_TEST

START_TEST(a_readv_fills_its_vectors_in_order)
{
	struct abi a;
	struct nbread_sqe sqe;
	struct nbread_cqe cqe;
	struct iovec iov[5];

	abi_begin(&a);
	iov[0] = (struct iovec){ a.buf + 100, 1 };
	iov[1] = (struct iovec){ a.buf + 200, 0 };
	iov[2] = (struct iovec){ a.buf + 300, 4097 };
	iov[3] = (struct iovec){ NULL, 0 };
	iov[4] = (struct iovec){ a.buf + 8192, 10000 };
	sqe = abi_valid(&a);
	sqe.opcode = NBREAD_OP_READV;
	sqe.off = 777;
	sqe.addr = (uintptr_t)iov;
	sqe.len = 5;
	cqe = abi_submit(&a, &sqe);
	ck_assert_int_eq(cqe.res, 1 + 4097 + 10000);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	nbtest_check_bytes(a.buf + 100, 1, 777, ABI_FILE_ID, 1);
	nbtest_check_bytes(a.buf + 300, 4097, 778, ABI_FILE_ID, 1);
	nbtest_check_bytes(a.buf + 8192, 10000, 778 + 4097, ABI_FILE_ID, 1);
	ck_assert_uint_eq(a.buf[99], ABI_CANARY);
	ck_assert_uint_eq(a.buf[101], ABI_CANARY);
	ck_assert_uint_eq(a.buf[200], ABI_CANARY);
	ck_assert_uint_eq(a.buf[299], ABI_CANARY);
	ck_assert_uint_eq(a.buf[300 + 4097], ABI_CANARY);
	abi_check_canary(&a, 8192 + 10000);
	abi_end(&a);
}
END_TEST

START_TEST(a_readv_takes_as_many_vectors_as_query_says)
{
	uint32_t n = abi_query().max_iov;
	struct iovec *iov = calloc(n, sizeof(*iov));
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	for (uint32_t i = 0; i < n; i++)
		iov[i] = (struct iovec){ a.buf + i * 40, 40 };
	sqe = abi_valid(&a);
	sqe.opcode = NBREAD_OP_READV;
	sqe.off = 8;
	sqe.addr = (uintptr_t)iov;
	sqe.len = n;
	ck_assert_int_eq(abi_submit(&a, &sqe).res, (int)n * 40);
	nbtest_check_bytes(a.buf, (size_t)n * 40, 8, ABI_FILE_ID, 1);
	free(iov);
	abi_end(&a);
}
END_TEST

START_TEST(a_readv_without_vectors_reads_nothing)
{
	struct abi a;
	struct nbread_sqe sqe;

	abi_begin(&a);
	sqe = abi_valid(&a);
	sqe.opcode = NBREAD_OP_READV;
	sqe.len = 0;
	ck_assert_int_eq(abi_submit(&a, &sqe).res, 0);
	abi_check_canary(&a, 0);
	abi_end(&a);
}
END_TEST

START_TEST(an_async_read_is_run_by_a_worker)
{
	struct abi a;
	uint32_t flags;

	abi_begin(&a);
	ck_assert_int_eq(raw_read(&a.r, a.file.fd, a.buf, 4096, 0, NBREAD_SQE_ASYNC, &flags), 4096);
	nbtest_check_bytes(a.buf, 4096, 0, ABI_FILE_ID, 1);
	ck_assert_uint_eq(flags & NBREAD_CQE_PUNTED, NBREAD_CQE_PUNTED);
	abi_end(&a);
}
END_TEST

START_TEST(a_bad_entry_does_not_disturb_its_neighbours)
{
	struct abi a;
	struct nbread_sqe sqe;
	struct nbread_cqe cqe;
	unsigned int seen = 0;

	abi_begin(&a);
	for (unsigned int i = 0; i < 8; i++) {
		sqe = abi_valid(&a);
		sqe.user_data = i;
		sqe.addr += 4096 * i;
		sqe.off = 4096 * i;
		if (i % 2)
			sqe.fd = -1;
		*raw_sqe(&a.r) = sqe;
	}
	raw_publish(&a.r);
	ck_assert_int_eq(raw_enter(&a.r, 8, 8), 8);
	while (raw_reap(&a.r, &cqe)) {
		ck_assert_uint_lt(cqe.user_data, 8);
		ck_assert_uint_eq(seen & 1U << cqe.user_data, 0);
		seen |= 1U << cqe.user_data;
		ck_assert_int_eq(cqe.res, cqe.user_data % 2 ? -EBADF : 4096);
	}
	ck_assert_uint_eq(seen, 0xff);
	for (unsigned int i = 0; i < 8; i += 2)
		nbtest_check_bytes(a.buf + 4096 * i, 4096, 4096 * i, ABI_FILE_ID, 1);
	for (unsigned int i = 1; i < 8; i += 2)
		ck_assert_uint_eq(a.buf[4096 * i], ABI_CANARY);
	abi_end(&a);
}
END_TEST

START_TEST(the_file_may_be_closed_and_the_entry_overwritten_after_enter)
{
	struct abi a;
	struct iovec iov;
	struct nbread_sqe *sqe;
	int fd;

	abi_begin(&a);
	nbtest_evict(a.file.fd);
	fd = open(a.file.path, O_RDONLY | O_CLOEXEC);
	iov = (struct iovec){ a.buf, 8192 };
	sqe = raw_sqe(&a.r);
	raw_prep_read(sqe, fd, &iov, 1, 4096, 1);
	sqe->opcode = NBREAD_OP_READV;
	raw_publish(&a.r);
	ck_assert_int_eq(raw_enter(&a.r, 1, 0), 1);
	close(fd);
	memset(&iov, 0xff, sizeof(iov));
	memset(sqe, 0xff, sizeof(*sqe));
	ck_assert_int_eq(raw_enter(&a.r, 0, 1), 0);
	ck_assert_int_eq(abi_next(&a.r).res, 8192);
	nbtest_check_bytes(a.buf, 8192, 4096, ABI_FILE_ID, 1);
	abi_check_canary(&a, 8192);
	abi_end(&a);
}
END_TEST

Suite *check_enter_suite(void)
{
	Suite *s = suite_create("enter");

	nbtest_add(s, enter_with_nothing_to_do_returns_0);
	nbtest_add(s, a_nop_completes_with_0_and_its_user_data);
	nbtest_add(s, entries_stay_in_the_sq_until_enter_takes_them);
	nbtest_add(s, enter_takes_no_more_than_it_is_asked_for);
	nbtest_add(s, a_full_cq_makes_enter_take_fewer_and_lose_nothing);
	nbtest_add(s, the_rings_wrap_around_many_times);
	nbtest_add(s, a_read_of_a_resident_file_is_answered_in_the_call);
	nbtest_add_loop(s, a_read_ends_at_the_end_of_the_file, NBTEST_ARRAY_SIZE(ends));
	nbtest_add(s, a_read_of_a_cold_file_delivers_all_of_it);
	nbtest_add(s, a_readv_fills_its_vectors_in_order);
	nbtest_add(s, a_readv_takes_as_many_vectors_as_query_says);
	nbtest_add(s, a_readv_without_vectors_reads_nothing);
	nbtest_add(s, an_async_read_is_run_by_a_worker);
	nbtest_add(s, a_bad_entry_does_not_disturb_its_neighbours);
	nbtest_add(s, the_file_may_be_closed_and_the_entry_overwritten_after_enter);
	return s;
}
