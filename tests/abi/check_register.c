// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER, by way of the ioctl: each operation once right and then with one member
 * that does not suit it. What is refused changes nothing: what was registered still is,
 * and what was not is not; abi_end() sees to it that no file is kept.
 */
#include "abi.h"

Suite *check_register_suite(void);

/* What the ring has before. */
#define FILES 1U

/* What addr names. */
enum { NOTHING, FDS, FDS_BAD_AT_2, UNMAPPED, CUT_AFTER_2, KERNEL, NON_CANONICAL };

/* Of the tables below; update tests use a table of so many. */
#define SLOTS 4

struct row {
	const char *name;
	unsigned int have;
	uint32_t op, flags, nr, off;
	int addr;
	int want;
};

#define NEW NBREAD_REGISTER_FILES
#define UPD NBREAD_REGISTER_FILES_UPDATE
#define DEL NBREAD_UNREGISTER_FILES
#define SPARSE NBREAD_REGISTER_SPARSE

static const struct row files[] = {
	{ "files_are_registered", 0, NEW, 0, SLOTS, 0, FDS, 0 },
	{ "one_file_is_registered", 0, NEW, 0, 1, 0, FDS, 0 },
	{ "files_sparse_is_registered", 0, NEW, SPARSE, SLOTS, 0, NOTHING, 0 },
	{ "files_sparse_of_max_files_is_registered", 0, NEW, SPARSE, 32768, 0, NOTHING, 0 },
	{ "files_none_is_einval", 0, NEW, 0, 0, 0, FDS, -EINVAL },
	{ "files_sparse_of_none_is_einval", 0, NEW, SPARSE, 0, 0, NOTHING, -EINVAL },
	{ "files_one_above_the_limit_is_einval", 0, NEW, 0, 32769, 0, FDS, -EINVAL },
	{ "files_sparse_above_the_limit_is_einval", 0, NEW, SPARSE, 32769, 0, NOTHING, -EINVAL },
	{ "files_uint32_max_is_einval", 0, NEW, 0, UINT32_MAX, 0, FDS, -EINVAL },
	{ "files_with_an_offset_is_einval", 0, NEW, 0, SLOTS, 1, FDS, -EINVAL },
	{ "files_sparse_with_an_address_is_einval", 0, NEW, SPARSE, SLOTS, 0, FDS, -EINVAL },
	{ "files_with_the_flag_of_eventfd_is_einval", 0, NEW, NBREAD_REGISTER_EVENTFD_ASYNC, SLOTS,
	  0, FDS, -EINVAL },
	{ "files_with_flag_2_is_einval", 0, NEW, 1U << 2, SLOTS, 0, FDS, -EINVAL },
	{ "files_at_null_is_efault", 0, NEW, 0, SLOTS, 0, NOTHING, -EFAULT },
	{ "files_at_an_unmapped_address_is_efault", 0, NEW, 0, SLOTS, 0, UNMAPPED, -EFAULT },
	{ "files_in_the_kernel_is_efault", 0, NEW, 0, SLOTS, 0, KERNEL, -EFAULT },
	{ "files_at_no_canonical_address_is_efault", 0, NEW, 0, SLOTS, 0, NON_CANONICAL, -EFAULT },
	{ "files_that_end_too_early_is_efault", 0, NEW, 0, SLOTS, 0, CUT_AFTER_2, -EFAULT },
	{ "files_with_a_bad_fd_is_ebadf", 0, NEW, 0, SLOTS, 0, FDS_BAD_AT_2, -EBADF },
	{ "files_a_second_time_is_ebusy", FILES, NEW, 0, SLOTS, 0, FDS, -EBUSY },
	{ "files_sparse_a_second_time_is_ebusy", FILES, NEW, SPARSE, SLOTS, 0, NOTHING, -EBUSY },

	{ "update_of_all_says_how_many", FILES, UPD, 0, SLOTS, 0, FDS, SLOTS },
	{ "update_of_the_last_says_1", FILES, UPD, 0, 1, SLOTS - 1, FDS, 1 },
	{ "update_without_a_table_is_enxio", 0, UPD, 0, 1, 0, FDS, -ENXIO },
	{ "update_of_none_is_einval", FILES, UPD, 0, 0, 0, FDS, -EINVAL },
	{ "update_behind_the_table_is_einval", FILES, UPD, 0, 1, SLOTS, FDS, -EINVAL },
	{ "update_over_the_end_is_einval", FILES, UPD, 0, 2, SLOTS - 1, FDS, -EINVAL },
	{ "update_whose_end_wraps_is_einval", FILES, UPD, 0, 2, UINT32_MAX, FDS, -EINVAL },
	{ "update_of_uint32_max_is_einval", FILES, UPD, 0, UINT32_MAX, 1, FDS, -EINVAL },
	{ "update_with_sparse_is_einval", FILES, UPD, SPARSE, 1, 0, NOTHING, -EINVAL },
	{ "update_at_null_is_efault", FILES, UPD, 0, 1, 0, NOTHING, -EFAULT },
	{ "update_at_an_unmapped_address_is_efault", FILES, UPD, 0, 1, 0, UNMAPPED, -EFAULT },
	{ "update_in_the_kernel_is_efault", FILES, UPD, 0, 1, 0, KERNEL, -EFAULT },
	{ "update_says_how_many_came_before_a_bad_fd", FILES, UPD, 0, SLOTS, 0, FDS_BAD_AT_2, 2 },
	{ "update_says_how_many_came_before_a_fault", FILES, UPD, 0, SLOTS, 0, CUT_AFTER_2, 2 },

	{ "unregister_takes_the_table", FILES, DEL, 0, 0, 0, NOTHING, 0 },
	{ "unregister_without_a_table_is_enxio", 0, DEL, 0, 0, 0, NOTHING, -ENXIO },
	{ "unregister_with_an_address_is_einval", FILES, DEL, 0, 0, 0, FDS, -EINVAL },
	{ "unregister_with_a_number_is_einval", FILES, DEL, 0, 1, 0, NOTHING, -EINVAL },
	{ "unregister_with_an_offset_is_einval", FILES, DEL, 0, 0, 1, NOTHING, -EINVAL },
	{ "unregister_with_sparse_is_einval", FILES, DEL, SPARSE, 0, 0, NOTHING, -EINVAL },
};

static const void *address(const struct abi *a, int what, size_t size)
{
	static int fds[SLOTS];
	uint8_t *cut;

	for (int i = 0; i < SLOTS; i++)
		fds[i] = a->file.fd;
	switch (what) {
	case FDS_BAD_AT_2:
		fds[2] = 1 << 20;
		return fds;
	case FDS:
		return fds;
	case UNMAPPED:
		return (void *)(uintptr_t)abi_unmapped();
	case CUT_AFTER_2:
		cut = abi_page() + 4096 - 2 * size;
		memcpy(cut, fds, 2 * size);
		return cut;
	case KERNEL:
		return (void *)(uintptr_t)ABI_KERNEL_ADDRESS;
	case NON_CANONICAL:
		return (void *)(uintptr_t)ABI_NON_CANONICAL;
	default:
		return NULL;
	}
}

static int read_index(struct abi *a, int index)
{
	return raw_read(&a->r, index, a->buf, 4096, 4096, NBREAD_SQE_FIXED_FILE, NULL);
}

/* The files, as they are after the call: 'set' of them, or no table. */
static void check_files(struct abi *a, bool table, unsigned int set)
{
	for (unsigned int i = 0; i <= SLOTS; i++)
		ck_assert_int_eq(read_index(a, (int)i), i < set ? 4096 : -EBADF);
	ck_assert_int_eq(raw_register(a->r.fd, DEL, 0, NULL, 0, 0), table ? 0 : -ENXIO);
	ck_assert_int_eq(read_index(a, 0), -EBADF);
}

START_TEST(an_operation_on_files)
{
	const struct row *row = &files[_i];
	struct abi a;

	abi_begin(&a);
	if (row->have & FILES)
		ck_assert_int_eq(
			raw_register(a.r.fd, NEW, 0, address(&a, FDS, sizeof(int)), SLOTS, 0), 0);
	ck_assert_int_eq(raw_register(a.r.fd, row->op, row->flags,
				      address(&a, row->addr, sizeof(int)), row->nr, row->off),
			 row->want);
	abi_check_canary(&a, 0);
	if (row->have & FILES)
		check_files(&a, row->op != DEL || row->want, row->op == DEL && !row->want ? 0 : 4);
	else
		check_files(&a, row->op == NEW && !row->want,
			    row->want || row->flags & SPARSE ? 0 : row->nr);
	abi_end(&a);
}
END_TEST

/* The same for every operation there is or may be. */
START_TEST(an_operation_before_setup_is_enxio_or_not_served)
{
	struct nbread_query q = abi_query();
	struct nbread_register p = { .op = (uint32_t)_i };
	int fd = raw_open_fd();

	ck_assert_int_eq(raw_ioctl(fd, NBREAD_IOC_REGISTER, &p),
			 q.register_ops & UINT64_C(1) << _i ? -ENXIO : -EOPNOTSUPP);
	close(fd);
}
END_TEST

static int register_from_elsewhere(void *arg)
{
	struct abi *a = arg;
	struct nbread_query q = abi_query();
	int bad = 0;

	for (uint32_t op = 0; op < 64; op++) {
		struct nbread_register p = { .op = op };

		if (q.register_ops & UINT64_C(1) << op)
			bad += raw_ioctl(a->r.fd, NBREAD_IOC_REGISTER, &p) != -EPERM;
	}
	return bad;
}

START_TEST(every_operation_from_another_process_is_eperm)
{
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(nbtest_in_child(register_from_elsewhere, &a), 0);
	abi_end(&a);
}
END_TEST

static int try_from_elsewhere(void *arg)
{
	struct abi *a = arg;

	return raw_try(a->r.fd, 0, a->buf, 4096, 4096, NBREAD_SQE_FIXED_FILE, NULL) != -EPERM ||
	       raw_try(a->r.fd, a->file.fd, a->buf, 4096, 4096, 0, NULL) != 4096;
}

START_TEST(a_try_of_an_index_from_another_process_is_eperm)
{
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(raw_register(a.r.fd, NEW, 0, &a.file.fd, 1, 0), 0);
	ck_assert_int_eq(raw_try(a.r.fd, 0, a.buf, 4096, 4096, NBREAD_SQE_FIXED_FILE, NULL), 4096);
	ck_assert_int_eq(nbtest_in_child(try_from_elsewhere, &a), 0);
	ck_assert_int_eq(raw_register(a.r.fd, DEL, 0, NULL, 0, 0), 0);
	abi_end(&a);
}
END_TEST

START_TEST(a_try_of_an_index_without_a_ring_is_ebadf)
{
	static uint8_t buf[16];
	int fd = raw_open_fd();

	ck_assert_int_eq(raw_try(fd, 0, buf, sizeof(buf), 0, NBREAD_SQE_FIXED_FILE, NULL), -EBADF);
	close(fd);
}
END_TEST

START_TEST(query_reports_registration)
{
	struct nbread_query q = abi_query();

	ck_assert_uint_eq(q.register_ops & 0xe, 0xe);
	ck_assert_uint_eq(q.register_flags & NBREAD_REGISTER_SPARSE, NBREAD_REGISTER_SPARSE);
	ck_assert_uint_eq(q.register_flags & ~0x3U, 0);
	ck_assert_uint_eq(q.max_files, 32768);
	ck_assert_uint_ne(q.sqe_flags & NBREAD_SQE_FIXED_FILE, 0);
}
END_TEST

Suite *check_register_suite(void)
{
	Suite *s = suite_create("register");

	nbtest_add_table(s, an_operation_on_files, files);
	nbtest_add_loop(s, an_operation_before_setup_is_enxio_or_not_served, 64);
	nbtest_add(s, every_operation_from_another_process_is_eperm);
	nbtest_add(s, a_try_of_an_index_from_another_process_is_eperm);
	nbtest_add(s, a_try_of_an_index_without_a_ring_is_ebadf);
	nbtest_add(s, query_reports_registration);
	return s;
}
