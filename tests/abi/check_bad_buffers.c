// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers that cannot be written to, or not as a whole, and vectors that are
 * wrong: what was delivered before the fault counts, else -errno; as preadv(2)
 * has it, which is asked the same on the same file each time.
 */
#include <sys/uio.h>

#include "abi.h"

Suite *check_bad_buffers_suite(void);

#define LEN 8192

/* What a case reads into: at most three vectors, the array itself, or where it is. */
struct plan {
	struct iovec iov[3];
	uint64_t addr; /* of the array; 0: of iov above */
	uint32_t nr;
};

static void *page_then_nothing(size_t before_end)
{
	return abi_page() + 4096 - before_end;
}

static void *read_only_page(void)
{
	void *p = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

static void one(struct plan *p, void *base, size_t len)
{
	p->iov[0] = (struct iovec){ base, len };
	p->nr = 1;
}

static void unmapped(struct plan *p, struct abi *a)
{
	(void)a;
	one(p, page_then_nothing(0), LEN);
}

static void read_only(struct plan *p, struct abi *a)
{
	(void)a;
	one(p, read_only_page(), LEN);
}

static void tail_unmapped(struct plan *p, struct abi *a)
{
	(void)a;
	one(p, page_then_nothing(4096), LEN);
}

static void tail_unmapped_after_8(struct plan *p, struct abi *a)
{
	(void)a;
	one(p, page_then_nothing(8), LEN);
}

static void no_access(struct plan *p, struct abi *a)
{
	void *page = mmap(NULL, LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)a;
	one(p, page, LEN);
}

static void array_null(struct plan *p, struct abi *a)
{
	one(p, a->buf, LEN);
	p->addr = 1;
}

static void array_unmapped(struct plan *p, struct abi *a)
{
	one(p, a->buf, LEN);
	p->addr = abi_unmapped();
}

static void array_in_the_kernel(struct plan *p, struct abi *a)
{
	one(p, a->buf, LEN);
	p->addr = ABI_KERNEL_ADDRESS;
}

/* The second vector lies on a page that is not there. */
static void array_tail_unmapped(struct plan *p, struct abi *a)
{
	struct iovec *iov = page_then_nothing(sizeof(*iov));

	*iov = (struct iovec){ a->buf, 4096 };
	p->addr = (uintptr_t)iov;
	p->nr = 2;
}

static void base_null(struct plan *p, struct abi *a)
{
	(void)a;
	one(p, NULL, LEN);
}

static void base_in_the_kernel(struct plan *p, struct abi *a)
{
	(void)a;
	one(p, (void *)ABI_KERNEL_ADDRESS, LEN);
}

static void second_base_null(struct plan *p, struct abi *a)
{
	p->iov[0] = (struct iovec){ a->buf, 4096 };
	p->iov[1] = (struct iovec){ NULL, 4096 };
	p->nr = 2;
}

static void second_base_in_the_kernel(struct plan *p, struct abi *a)
{
	p->iov[0] = (struct iovec){ a->buf, 4096 };
	p->iov[1] = (struct iovec){ (void *)ABI_KERNEL_ADDRESS, 4096 };
	p->nr = 2;
}

static void second_base_unmapped(struct plan *p, struct abi *a)
{
	p->iov[0] = (struct iovec){ a->buf, 4096 };
	p->iov[1] = (struct iovec){ (void *)(uintptr_t)abi_unmapped(), 4096 };
	p->nr = 2;
}

static void length_negative(struct plan *p, struct abi *a)
{
	one(p, a->buf, (size_t)-1);
}

static void length_ssize_min(struct plan *p, struct abi *a)
{
	one(p, a->buf, SIZE_MAX / 2 + 1);
}

static void lengths_overflow(struct plan *p, struct abi *a)
{
	p->iov[0] = (struct iovec){ a->buf, SIZE_MAX / 2 };
	p->iov[1] = (struct iovec){ a->buf, SIZE_MAX / 2 };
	p->iov[2] = (struct iovec){ a->buf, 2 };
	p->nr = 3;
}

static void too_many(struct plan *p, struct abi *a)
{
	uint32_t n = abi_query().max_iov + 1;
	struct iovec *iov = calloc(n, sizeof(*iov));

	for (uint32_t i = 0; i < n; i++)
		iov[i] = (struct iovec){ a->buf, 1 };
	p->addr = (uintptr_t)iov;
	p->nr = n;
}

static void far_too_many(struct plan *p, struct abi *a)
{
	one(p, a->buf, LEN);
	p->nr = UINT32_MAX;
}

static void rest_unmapped(struct plan *p, struct abi *a)
{
	p->iov[0] = (struct iovec){ a->buf, 1000 };
	p->iov[1] = (struct iovec){ page_then_nothing(96), 4096 };
	p->iov[2] = (struct iovec){ a->buf + 4096, 4096 };
	p->nr = 3;
}

static const struct {
	const char *name;
	void (*make)(struct plan *p, struct abi *a);
	bool vectors;
	int want;
} cases[] = {
	{ "buffer_unmapped_is_efault", unmapped, false, -EFAULT },
	{ "buffer_read_only_is_efault", read_only, false, -EFAULT },
	{ "buffer_without_access_is_efault", no_access, false, -EFAULT },
	{ "buffer_tail_unmapped_is_a_short_count", tail_unmapped, false, 4096 },
	{ "buffer_tail_unmapped_after_8_is_8", tail_unmapped_after_8, false, 8 },
	{ "vectors_at_1_are_efault", array_null, true, -EFAULT },
	{ "vectors_unmapped_are_efault", array_unmapped, true, -EFAULT },
	{ "vectors_in_the_kernel_are_efault", array_in_the_kernel, true, -EFAULT },
	{ "vectors_tail_unmapped_are_efault", array_tail_unmapped, true, -EFAULT },
	{ "vector_base_null_is_efault", base_null, true, -EFAULT },
	{ "vector_base_in_the_kernel_is_efault", base_in_the_kernel, true, -EFAULT },
	{ "second_vector_null_is_a_short_count", second_base_null, true, 4096 },
	{ "second_vector_in_the_kernel_is_efault", second_base_in_the_kernel, true, -EFAULT },
	{ "second_vector_unmapped_is_a_short_count", second_base_unmapped, true, 4096 },
	{ "vector_length_minus_1_is_refused", length_negative, true, 0 },
	{ "vector_length_ssize_min_is_refused", length_ssize_min, true, 0 },
	{ "vector_lengths_that_overflow_are_refused", lengths_overflow, true, 0 },
	{ "one_vector_too_many_is_einval", too_many, true, -EINVAL },
	{ "far_too_many_vectors_are_einval", far_too_many, true, -EINVAL },
	{ "middle_vector_unmapped_is_a_short_count", rest_unmapped, true, 1096 },
};

#define NR_CASES ((int)NBTEST_ARRAY_SIZE(cases))

/* Resident, cold, by a worker: the answer must be the same. */
static const struct {
	const char *prefix;
	uint16_t flags;
	bool cold;
} ways[] = {
	{ "", 0, false },
	{ "cached_", NBREAD_SQE_CACHED, false },
	{ "async_", NBREAD_SQE_ASYNC, false },
	{ "cold_", 0, true },
};

static char names[NBTEST_ARRAY_SIZE(ways) * NBTEST_ARRAY_SIZE(cases)][96];

static int like_preadv(const struct plan *p, int fd)
{
	const struct iovec *iov = p->addr ? (const struct iovec *)(uintptr_t)p->addr : p->iov;
	ssize_t n = preadv(fd, iov, (int)p->nr, 4096);

	return n < 0 ? -errno : (int)n;
}

/* To the kernel, which has 64 bits, these are an address and a sum like any other. */
static bool beyond_32_bit(void (*make)(struct plan *p, struct abi *a))
{
	return make == second_base_in_the_kernel || make == lengths_overflow;
}

START_TEST(a_bad_buffer)
{
	int c = _i % NR_CASES, way = _i / NR_CASES, want;
	struct plan p = {};
	struct nbread_sqe sqe;
	struct nbread_cqe cqe;
	struct abi a;

	nbtest_row(names[_i]);
	if (sizeof(void *) == 4 && beyond_32_bit(cases[c].make))
		nbtest_skip("no vector of a 32-bit program can say this");
	abi_begin(&a);
	cases[c].make(&p, &a);
	want = like_preadv(&p, a.file.fd);
	if (cases[c].want)
		ck_assert_msg(want == cases[c].want, "preadv itself gives %d", want);
	ck_assert_int_ne(want, 0);
	memset(a.buf, ABI_CANARY, ABI_BUF_SIZE);
	if (ways[way].cold)
		nbtest_evict(a.file.fd);

	sqe = abi_valid(&a);
	sqe.flags = ways[way].flags;
	if (cases[c].vectors) {
		sqe.opcode = NBREAD_OP_READV;
		sqe.addr = p.addr ? p.addr : (uintptr_t)p.iov;
		sqe.len = p.nr;
	} else {
		sqe.addr = (uintptr_t)p.iov[0].iov_base;
		sqe.len = (uint32_t)p.iov[0].iov_len;
	}
	cqe = abi_submit(&a, &sqe);
	ck_assert_int_eq(cqe.res, want);
	ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
	if (want > 0)
		nbtest_check_bytes(p.iov[0].iov_base && p.nr ? p.iov[0].iov_base : a.buf,
				   p.iov[0].iov_len < (size_t)want ? p.iov[0].iov_len :
								     (size_t)want,
				   4096, ABI_FILE_ID, 1);
	else
		abi_check_canary(&a, 0);
	abi_check_canary(&a, 4096);
	abi_end(&a);
}
END_TEST

Suite *check_bad_buffers_suite(void)
{
	Suite *s = suite_create("bad_buffers");

	for (int i = 0; i < (int)NBTEST_ARRAY_SIZE(names); i++) {
		snprintf(names[i], sizeof(names[i]), "%s%s", ways[i / NR_CASES].prefix,
			 cases[i % NR_CASES].name);
		nbtest_add_tcase(s, names[i], a_bad_buffer, NULL, NULL, i, i + 1, NBTEST_TIMEOUT);
	}
	return s;
}
