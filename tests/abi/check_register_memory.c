// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER of buffers and of an eventfd, by way of the ioctls, and READ_FIXED: once right,
 * and with one member that does not suit it. See check_register.c.
 */
#include <sys/eventfd.h>

#include "abi.h"

Suite *check_register_memory_suite(void);

/* What the ring has before. */
enum { NONE, BUFS, EVENTFD };

/* What addr names. */
enum {
	NOTHING,
	GOOD,
	EMPTY_AT_1,
	ADDR_0_AT_2,
	LEN_0_AT_2,
	TOO_LONG_AT_2,
	WRAPS_AT_2,
	KERNEL_AT_2,
	UNMAPPED_AT_2,
	UNMAPPED,
	CUT_AFTER_2,
	KERNEL,
	FD,
	FD_CLOSED,
	FD_FILE,
};

#define SLOTS 4

struct row {
	const char *name;
	int have;
	uint32_t op, flags, nr, off;
	int addr;
	int want;
};

#define NEW NBREAD_REGISTER_BUFFERS
#define UPD NBREAD_REGISTER_BUFFERS_UPDATE
#define DEL NBREAD_UNREGISTER_BUFFERS
#define SPARSE NBREAD_REGISTER_SPARSE
#define EV NBREAD_REGISTER_EVENTFD
#define EV_DEL NBREAD_UNREGISTER_EVENTFD
#define ASYNC NBREAD_REGISTER_EVENTFD_ASYNC

static const struct row rows[] = {
	{ "buffers_are_registered", NONE, NEW, 0, SLOTS, 0, GOOD, 0 },
	{ "buffers_with_an_empty_slot_are_registered", NONE, NEW, 0, SLOTS, 0, EMPTY_AT_1, 0 },
	{ "buffers_sparse_of_max_buffers_is_registered", NONE, NEW, SPARSE, 16384, 0, NOTHING, 0 },
	{ "buffers_none_is_einval", NONE, NEW, 0, 0, 0, GOOD, -EINVAL },
	{ "buffers_one_above_the_limit_is_einval", NONE, NEW, 0, 16385, 0, GOOD, -EINVAL },
	{ "buffers_sparse_above_the_limit_is_einval", NONE, NEW, SPARSE, 16385, 0, NOTHING,
	  -EINVAL },
	{ "buffers_sparse_with_an_address_is_einval", NONE, NEW, SPARSE, SLOTS, 0, GOOD, -EINVAL },
	{ "buffers_with_an_offset_is_einval", NONE, NEW, 0, SLOTS, 1, GOOD, -EINVAL },
	{ "buffers_with_the_flag_of_eventfd_is_einval", NONE, NEW, ASYNC, SLOTS, 0, GOOD, -EINVAL },
	{ "buffers_at_null_is_efault", NONE, NEW, 0, SLOTS, 0, NOTHING, -EFAULT },
	{ "buffers_at_an_unmapped_address_is_efault", NONE, NEW, 0, SLOTS, 0, UNMAPPED, -EFAULT },
	{ "buffers_in_the_kernel_is_efault", NONE, NEW, 0, SLOTS, 0, KERNEL, -EFAULT },
	{ "buffers_that_end_too_early_is_efault", NONE, NEW, 0, SLOTS, 0, CUT_AFTER_2, -EFAULT },
	{ "buffer_at_0_with_a_length_is_einval", NONE, NEW, 0, SLOTS, 0, ADDR_0_AT_2, -EINVAL },
	{ "buffer_of_no_length_is_einval", NONE, NEW, 0, SLOTS, 0, LEN_0_AT_2, -EINVAL },
	{ "buffer_above_1_gib_is_einval", NONE, NEW, 0, SLOTS, 0, TOO_LONG_AT_2, -EINVAL },
	{ "buffer_that_wraps_is_efault", NONE, NEW, 0, SLOTS, 0, WRAPS_AT_2, -EFAULT },
	{ "buffer_in_the_kernel_is_efault", NONE, NEW, 0, SLOTS, 0, KERNEL_AT_2, -EFAULT },
	{ "buffer_that_is_not_mapped_is_efault", NONE, NEW, 0, SLOTS, 0, UNMAPPED_AT_2, -EFAULT },
	{ "buffers_a_second_time_is_ebusy", BUFS, NEW, 0, SLOTS, 0, GOOD, -EBUSY },

	{ "buffers_update_of_all_says_how_many", BUFS, UPD, 0, SLOTS, 0, GOOD, SLOTS },
	{ "buffers_update_of_the_last_says_1", BUFS, UPD, 0, 1, SLOTS - 1, GOOD, 1 },
	{ "buffers_update_without_a_table_is_enxio", NONE, UPD, 0, 1, 0, GOOD, -ENXIO },
	{ "buffers_update_of_none_is_einval", BUFS, UPD, 0, 0, 0, GOOD, -EINVAL },
	{ "buffers_update_behind_the_table_is_einval", BUFS, UPD, 0, 1, SLOTS, GOOD, -EINVAL },
	{ "buffers_update_over_the_end_is_einval", BUFS, UPD, 0, 2, SLOTS - 1, GOOD, -EINVAL },
	{ "buffers_update_whose_end_wraps_is_einval", BUFS, UPD, 0, 2, UINT32_MAX, GOOD, -EINVAL },
	{ "buffers_update_with_sparse_is_einval", BUFS, UPD, SPARSE, 1, 0, NOTHING, -EINVAL },
	{ "buffers_update_at_null_is_efault", BUFS, UPD, 0, 1, 0, NOTHING, -EFAULT },
	{ "buffers_update_says_how_many_came_before_a_bad_one", BUFS, UPD, 0, SLOTS, 0, LEN_0_AT_2,
	  2 },
	{ "buffers_update_says_how_many_came_before_a_fault", BUFS, UPD, 0, SLOTS, 0, CUT_AFTER_2,
	  2 },

	{ "unregister_takes_the_buffers", BUFS, DEL, 0, 0, 0, NOTHING, 0 },
	{ "unregister_without_buffers_is_enxio", NONE, DEL, 0, 0, 0, NOTHING, -ENXIO },
	{ "unregister_of_buffers_with_an_address_is_einval", BUFS, DEL, 0, 0, 0, GOOD, -EINVAL },
	{ "unregister_of_buffers_with_a_number_is_einval", BUFS, DEL, 0, 1, 0, NOTHING, -EINVAL },

	{ "eventfd_is_registered", NONE, EV, 0, 1, 0, FD, 0 },
	{ "eventfd_async_is_registered", NONE, EV, ASYNC, 1, 0, FD, 0 },
	{ "eventfd_of_none_is_einval", NONE, EV, 0, 0, 0, FD, -EINVAL },
	{ "eventfd_of_two_is_einval", NONE, EV, 0, 2, 0, FD, -EINVAL },
	{ "eventfd_with_an_offset_is_einval", NONE, EV, 0, 1, 1, FD, -EINVAL },
	{ "eventfd_with_sparse_is_einval", NONE, EV, SPARSE, 1, 0, FD, -EINVAL },
	{ "eventfd_at_null_is_efault", NONE, EV, 0, 1, 0, NOTHING, -EFAULT },
	{ "eventfd_at_an_unmapped_address_is_efault", NONE, EV, 0, 1, 0, UNMAPPED, -EFAULT },
	{ "eventfd_in_the_kernel_is_efault", NONE, EV, 0, 1, 0, KERNEL, -EFAULT },
	{ "eventfd_that_is_closed_is_ebadf", NONE, EV, 0, 1, 0, FD_CLOSED, -EBADF },
	{ "eventfd_that_is_a_file_is_einval", NONE, EV, 0, 1, 0, FD_FILE, -EINVAL },
	{ "eventfd_a_second_time_is_ebusy", EVENTFD, EV, 0, 1, 0, FD, -EBUSY },
	{ "unregister_takes_the_eventfd", EVENTFD, EV_DEL, 0, 0, 0, NOTHING, 0 },
	{ "unregister_without_an_eventfd_is_enxio", NONE, EV_DEL, 0, 0, 0, NOTHING, -ENXIO },
	{ "unregister_of_an_eventfd_with_async_is_einval", EVENTFD, EV_DEL, ASYNC, 0, 0, NOTHING,
	  -EINVAL },
};

static int efd;

/* Each slot a page of a->buf, the page of its index. */
static const void *address(const struct abi *a, int what, uint32_t first)
{
	static struct nbread_buffer b[SLOTS];
	static int fd;
	uint8_t *cut;

	for (int i = 0; i < SLOTS; i++)
		b[i] = (struct nbread_buffer){ (uintptr_t)a->buf + (first + i) % SLOTS * 4096,
					       4096 };
	fd = what == FD ? efd : what == FD_FILE ? a->file.fd : 1 << 20;
	switch (what) {
	case NOTHING:
		return NULL;
	case EMPTY_AT_1:
		b[1] = (struct nbread_buffer){};
		break;
	case ADDR_0_AT_2:
		b[2].addr = 0;
		break;
	case LEN_0_AT_2:
		b[2].len = 0;
		break;
	case TOO_LONG_AT_2:
		b[2].len = (UINT64_C(1) << 30) + 1;
		break;
	case WRAPS_AT_2:
		b[2].addr = UINT64_MAX - 4094;
		break;
	case KERNEL_AT_2:
		b[2].addr = ABI_KERNEL_ADDRESS;
		break;
	case UNMAPPED_AT_2:
		b[2].addr = abi_unmapped();
		break;
	case UNMAPPED:
		return (void *)(uintptr_t)abi_unmapped();
	case CUT_AFTER_2:
		cut = abi_page() + 4096 - 2 * sizeof(b[0]);
		memcpy(cut, b, 2 * sizeof(b[0]));
		return cut;
	case KERNEL:
		return (void *)(uintptr_t)ABI_KERNEL_ADDRESS;
	case FD:
	case FD_CLOSED:
	case FD_FILE:
		return &fd;
	}
	return b;
}

static int read_fixed(struct abi *a, uint16_t index)
{
	struct nbread_sqe sqe = abi_valid(a);

	sqe.opcode = NBREAD_OP_READ_FIXED;
	sqe.addr = (uintptr_t)a->buf + (index % SLOTS) * 4096;
	sqe.buf_index = index;
	return abi_submit(a, &sqe).res;
}

/* Which buffers there are, by reading into them; then none. */
static void check_buffers(struct abi *a, const struct row *row)
{
	bool table = row->have == BUFS ? row->op != DEL || row->want : row->op == NEW && !row->want;
	bool set = table && (row->have == BUFS || !(row->flags & SPARSE));

	for (uint16_t i = 0; i < SLOTS; i++)
		ck_assert_int_eq(read_fixed(a, i),
				 set && (i != 1 || row->addr != EMPTY_AT_1) ? 4096 : -EFAULT);
	ck_assert_int_eq(read_fixed(a, SLOTS), -EFAULT);
	ck_assert_int_eq(raw_register(a->r.fd, DEL, 0, NULL, 0, 0), table ? 0 : -ENXIO);
	ck_assert_int_eq(read_fixed(a, 0), -EFAULT);
}

static void check_eventfd(struct abi *a, const struct row *row)
{
	bool there = row->have == EVENTFD ? row->op != EV_DEL || row->want :
					    row->op == EV && !row->want;
	bool async = row->have == NONE && row->flags == ASYNC;
	uint64_t n;

	/* It is told of a completion; with ASYNC not of this one. */
	ck_assert_int_eq(raw_read(&a->r, a->file.fd, a->buf, 16, 0, 0, NULL), 16);
	ck_assert_int_eq(read(efd, &n, sizeof(n)), there && !async ? 8 : -1);
	ck_assert_int_eq(raw_register(a->r.fd, EV_DEL, 0, NULL, 0, 0), there ? 0 : -ENXIO);
}

START_TEST(an_operation)
{
	const struct row *row = &rows[_i];
	struct abi a;

	abi_begin(&a);
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (row->have == BUFS)
		ck_assert_int_eq(raw_register(a.r.fd, NEW, 0, address(&a, GOOD, 0), SLOTS, 0), 0);
	if (row->have == EVENTFD)
		ck_assert_int_eq(raw_register(a.r.fd, EV, 0, address(&a, FD, 0), 1, 0), 0);
	ck_assert_int_eq(raw_register(a.r.fd, row->op, row->flags, address(&a, row->addr, row->off),
				      row->nr, row->off),
			 row->want);
	abi_check_canary(&a, 0);
	if (row->op == EV || row->op == EV_DEL)
		check_eventfd(&a, row);
	else
		check_buffers(&a, row);
	close(efd);
	abi_end(&a);
}
END_TEST

/* READ_FIXED with one member spoiled; the buffer is the second page of a->buf. */
static const struct {
	const char *name;
	size_t at, size;
	uint64_t value;
	int want;
} reads[] = {
#define SQE(name, member, value, want)                                                    \
	{                                                                                 \
		name, offsetof(struct nbread_sqe, member),                                \
			sizeof(((struct nbread_sqe *)0)->member), (uint64_t)(value), want \
	}
	SQE("fixed_untouched_is_a_hit", opcode, NBREAD_OP_READ_FIXED, 4096),
	SQE("fixed_async_reads_it_all", flags, NBREAD_SQE_ASYNC, 4096),
	SQE("fixed_without_a_length_is_0", len, 0, 0),
	SQE("fixed_buf_index_0_is_efault", buf_index, 0, -EFAULT),
	SQE("fixed_buf_index_4_is_efault", buf_index, 4, -EFAULT),
	SQE("fixed_buf_index_uint16_max_is_efault", buf_index, UINT16_MAX, -EFAULT),
	SQE("fixed_addr_null_is_efault", addr, 0, -EFAULT),
	SQE("fixed_addr_in_the_kernel_is_efault", addr, ABI_KERNEL_ADDRESS, -EFAULT),
	SQE("fixed_addr_all_ones_is_efault", addr, UINT64_MAX, -EFAULT),
	SQE("fixed_len_one_too_many_is_efault", len, 4097, -EFAULT),
	SQE("fixed_len_max_is_efault", len, 0x7ffff000, -EFAULT),
	SQE("fixed_len_above_the_limit_is_einval", len, 0x7ffff001, -EINVAL),
	SQE("fixed_off_minus_1_is_einval", off, -1, -EINVAL),
	SQE("fixed_resv1_is_einval", resv1, 1, -EINVAL),
	SQE("fixed_fd_minus_1_is_ebadf", fd, -1, -EBADF),
	SQE("fixed_of_an_index_without_a_table_is_ebadf", flags, NBREAD_SQE_FIXED_FILE, -EBADF),
};

START_TEST(a_spoiled_fixed_read)
{
	uint64_t value = htole64(reads[_i].value);
	struct nbread_buffer b[3] = {};
	struct nbread_sqe sqe;
	struct abi a;
	int res;

	abi_begin(&a);
	b[2] = (struct nbread_buffer){ (uintptr_t)a.buf, 4096 };
	ck_assert_int_eq(raw_register(a.r.fd, NEW, 0, b, 3, 0), 0);
	sqe = abi_valid(&a);
	sqe.opcode = NBREAD_OP_READ_FIXED;
	sqe.buf_index = 2;
	memcpy((uint8_t *)&sqe + reads[_i].at, &value, reads[_i].size);
	res = abi_submit(&a, &sqe).res;
	ck_assert_int_eq(res, reads[_i].want);
	if (res > 0)
		nbtest_check_bytes(a.buf, (size_t)res, 4096, ABI_FILE_ID, 1);
	abi_check_canary(&a, res > 0 ? (size_t)res : 0);
	abi_end(&a);
}
END_TEST

START_TEST(query_reports_buffers_and_eventfds)
{
	struct nbread_query q = abi_query();

	ck_assert_uint_eq(q.register_ops & 0x1f0, 0x1f0);
	ck_assert_uint_eq(q.register_flags, 0x3);
	ck_assert_uint_eq(q.max_buffers, 16384);
	ck_assert_uint_eq(q.opcodes, 0xf);
}
END_TEST

Suite *check_register_memory_suite(void)
{
	Suite *s = suite_create("register_memory");

	nbtest_add_table(s, an_operation, rows);
	nbtest_add_table(s, a_spoiled_fixed_read, reads);
	nbtest_add(s, query_reports_buffers_and_eventfds);
	return s;
}
