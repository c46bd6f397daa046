// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries, vectors and arguments that another thread changes while the module reads them: each is
 * one read of what it was at one moment, has one completion, and writes nowhere else.
 */
#include <pthread.h>
#include <sys/uio.h>

#include "abi.h"

Suite *check_flipping_suite(void);

#define ROUNDS 1000

static struct abi a;
static struct iovec *iov; /* four, with room behind them for what is read to there */
static struct nbread_try tries[ABI_SQ];
static uint64_t none;
static bool stop, flips;

static const uint8_t opcodes[] = { NBREAD_OP_READ, NBREAD_OP_READV, NBREAD_OP_NOP, 255 };
static const uint16_t flags[] = { 0, NBREAD_SQE_CACHED, NBREAD_SQE_ASYNC, NBREAD_SQE_FIXED_FILE,
				  0x8000 };
static const uint32_t lens[] = { 1, 512, 4096, 4, UINT32_MAX, ABI_FILE_SIZE };
static const uint64_t offs[] = { 0, 4096, ABI_FILE_SIZE, UINT64_MAX, INT64_MAX - 4096 };

#define ONE_OF(array, n) ((array)[(n) % NBTEST_ARRAY_SIZE(array)])

/* Half of them are good, so that the others come in their middle. */
static uint64_t some_address(unsigned int n)
{
	const uint64_t all[] = { (uintptr_t)a.buf,   (uintptr_t)a.buf,	(uintptr_t)iov,
				 ABI_KERNEL_ADDRESS, ABI_NON_CANONICAL, none };

	return ONE_OF(all, n);
}

#define set(member, value) __atomic_store_n(&(member), value, __ATOMIC_RELAXED)

static void *flip(void *arg)
{
	uint32_t x = 1;

	(void)arg;
	__atomic_store_n(&flips, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct nbread_sqe *sqe = &a.r.sqes[x >> 8 & (ABI_SQ - 1)];
		struct nbread_try *try = &tries[x >> 8 & (ABI_SQ - 1)];
		unsigned int n;

		x = x * 1664525 + 1013904223;
		n = x >> 16;
		switch (x >> 12 & 7) {
		case 0:
			set(sqe->opcode, ONE_OF(opcodes, n));
			break;
		case 1:
			set(sqe->flags, ONE_OF(flags, n));
			set(try->flags, ONE_OF(flags, n));
			break;
		case 2:
			set(sqe->fd, n & 1 ? a.file.fd : -(int)(n & 3));
			set(try->fd, n & 1 ? a.file.fd : -(int)(n & 3));
			break;
		case 3:
			set(sqe->addr, some_address(n));
			set(try->addr, some_address(n));
			break;
		case 4:
			set(sqe->len, ONE_OF(lens, n));
			set(try->len, ONE_OF(lens, n));
			break;
		case 5:
			set(sqe->off, ONE_OF(offs, n));
			set(try->off, ONE_OF(offs, n));
			break;
		case 6:
			set(iov[n & 3].iov_base, (void *)(uintptr_t)some_address(n >> 2));
			break;
		default:
			set(iov[n & 3].iov_len, n & 4 ? 4096 : SIZE_MAX >> (n & 31));
		}
	}
	return NULL;
}

static pthread_t begin(void)
{
	pthread_t thread;

	abi_begin(&a);
	none = abi_unmapped();
	iov = mmap(NULL, 2 * ABI_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	ck_assert_ptr_ne(iov, MAP_FAILED);
	for (int i = 0; i < 4; i++)
		iov[i] = (struct iovec){ a.buf, 4096 };
	for (unsigned int i = 0; i < ABI_SQ; i++) {
		raw_prep_read(&a.r.sqes[i], a.file.fd, a.buf, 4096, 0, i);
		tries[i] = (struct nbread_try){ .fd = a.file.fd,
						.addr = (uintptr_t)a.buf,
						.len = 4096 };
	}
	ck_assert_int_eq(pthread_create(&thread, NULL, flip, NULL), 0);
	abi_await(__atomic_load_n(&flips, __ATOMIC_ACQUIRE));
	return thread;
}

static void end(pthread_t thread)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	/*
	 * No read is longer than the file, or begins behind the buffer's first 256 bytes: what is read
	 * over the vectors may change the last byte of an address.
	 */
	abi_check_canary(&a, ABI_FILE_SIZE + 256);
	memset(a.buf, ABI_CANARY, ABI_FILE_SIZE + 256);
	abi_end(&a);
}

START_TEST(entries_that_change_while_they_are_read_have_one_completion_each)
{
	pthread_t thread = begin();
	unsigned int taken = 0, done = 0, read = 0;
	struct nbread_cqe cqe;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned int seen = 0;
		int ret;

		/* As they are: what raw_sqe() would zero is not for us alone. */
		a.r.next += ABI_SQ;
		raw_publish(&a.r);
		ret = raw_enter(&a.r, ABI_SQ, 0);
		ck_assert_int_eq(ret, ABI_SQ);
		taken += (unsigned int)ret;
		while (done < taken) {
			if (!raw_cq_ready(&a.r))
				ck_assert_int_ge(raw_enter_ns(&a.r, 0, 1, UINT64_C(60000000000)),
						 0);
			ck_assert(raw_reap(&a.r, &cqe));
			ck_assert_int_le(cqe.res, (int)ABI_FILE_SIZE);
			read += cqe.res > 0;
			ck_assert_uint_lt(cqe.user_data, ABI_SQ);
			seen |= 1U << cqe.user_data;
			done++;
		}
		ck_assert_uint_eq(seen, (1U << ABI_SQ) - 1);
		ck_assert_uint_eq(raw_cq_ready(&a.r), 0);
	}
	/* Not all were refused. */
	ck_assert_uint_gt(read, 0);
	ck_assert_uint_eq(nbtest_fdinfo(a.r.fd, "nbread-inflight"), 0);
	end(thread);
}
END_TEST

START_TEST(tries_that_change_while_they_are_read_write_nowhere_else)
{
	struct nbread_try_batch b = { .reqs = (uintptr_t)tries, .nr = ABI_SQ };
	pthread_t thread = begin();
	unsigned int hits = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int ret = raw_ioctl(a.r.fd, NBREAD_IOC_TRY, &b);

		ck_assert_int_ge(ret, 0);
		ck_assert_int_le(ret, ABI_SQ);
		hits += (unsigned int)ret;
		for (int i = 0; i < ABI_SQ; i++)
			ck_assert_int_le(tries[i].res, (int)ABI_FILE_SIZE);
	}
	ck_assert_uint_gt(hits, 0);
	end(thread);
}
END_TEST

Suite *check_flipping_suite(void)
{
	Suite *s = suite_create("flipping");

	nbtest_add(s, entries_that_change_while_they_are_read_have_one_completion_each);
	nbtest_add(s, tries_that_change_while_they_are_read_write_nowhere_else);
	return s;
}
