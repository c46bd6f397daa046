// SPDX-License-Identifier: GPL-2.0-only
/* What a ring keeps: files and buffers that reads name by an index. */
#include <sys/mman.h>
#include "behave.h"

static struct nbread ring;

START_TEST(registered_files_are_read_by_index_also_when_they_are_closed)
{
	int files[3] = { behave_warm_file(PG, 3), -1, behave_cold_file(PG, 4) };
	unsigned char *buf = behave_buf(PG);
	int other = behave_warm_file(PG, 5);

	behave_need_register(NBREAD_REGISTER_FILES);
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_unregister_files(&ring), -ENXIO);
	ck_assert_int_eq(nbread_register_files(&ring, files, 3), 0);
	ck_assert_int_eq(nbread_register_files(&ring, files, 3), -EBUSY);
	close(files[0]);
	close(files[2]);
	ck_assert_int_eq(behave_read(&ring, 0, buf, PG, 0, NBREAD_SQE_FIXED_FILE).res, PG);
	behave_check(buf, PG, 0, 3);
	ck_assert_int_eq(behave_read(&ring, 2, buf, PG, 0, NBREAD_SQE_FIXED_FILE).res, PG);
	behave_check(buf, PG, 0, 4);
	ck_assert_int_eq(behave_read(&ring, 1, buf, PG, 0, NBREAD_SQE_FIXED_FILE).res, -EBADF);
	ck_assert_int_eq(behave_read(&ring, 3, buf, PG, 0, NBREAD_SQE_FIXED_FILE).res, -EBADF);
	ck_assert_int_ge(nbread_register_files_update(&ring, 1, &other, 1), 0);
	ck_assert_int_eq(behave_read(&ring, 1, buf, PG, 0, NBREAD_SQE_FIXED_FILE).res, PG);
	behave_check(buf, PG, 0, 5);
	ck_assert_int_eq(nbread_unregister_files(&ring), 0);
	ck_assert_int_eq(behave_read(&ring, 1, buf, PG, 0, NBREAD_SQE_FIXED_FILE).res, -EBADF);
}
END_TEST

START_TEST(what_a_read_refuses_cannot_be_registered)
{
	int dir = open("/", O_RDONLY), ends[2];

	behave_need_register(NBREAD_REGISTER_FILES);
	behave_ring(&ring, 8);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(nbread_register_files(&ring, &dir, 1), -EISDIR);
	ck_assert_int_eq(nbread_register_files(&ring, ends, 1), -ESPIPE);
	ck_assert_int_eq(nbread_register_files(&ring, ends, 0), -EINVAL);
}
END_TEST

START_TEST(a_table_is_asked_for_before_what_is_to_be_in_it)
{
	struct iovec none = { NULL, 1 };
	int wrong = 1 << 20;

	behave_need_register(NBREAD_REGISTER_FILES_UPDATE);
	behave_need_register(NBREAD_REGISTER_BUFFERS_UPDATE);
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_register_files_update(&ring, 0, &wrong, 1), -ENXIO);
	ck_assert_int_eq(nbread_register_buffers_update(&ring, 0, &none, 1), -ENXIO);
	ck_assert_int_eq(nbread_register_files_sparse(&ring, 2), 0);
	ck_assert_int_eq(nbread_register_buffers_sparse(&ring, 2), 0);
	ck_assert_int_eq(nbread_register_files(&ring, &wrong, 1), -EBUSY);
	ck_assert_int_eq(nbread_register_buffers(&ring, &none, 1), -EBUSY);
	ck_assert_int_eq(nbread_register_files_update(&ring, 2, &wrong, 1), -EINVAL);
	ck_assert_int_eq(nbread_register_files_update(&ring, 1, &wrong, 1), -EBADF);
}
END_TEST

START_TEST(reads_into_a_registered_buffer_stay_within_it)
{
	int fd = behave_warm_file(KB(16), 3);
	unsigned char *buf = behave_buf(KB(16));
	struct iovec iov = { buf, KB(8) };
	struct nbread_sqe *sqe;
	static const struct {
		size_t at, len;
		int index, want;
	} reads[] = { { 0, KB(8), 0, KB(8) },
		      { 4096, PG, 0, PG },
		      { 4096, PG + 1, 0, -EFAULT },
		      { KB(9), 1, 0, -EFAULT },
		      { 0, 1, 1, -EFAULT } };

	behave_need_opcode(NBREAD_OP_READ_FIXED);
	behave_need_register(NBREAD_REGISTER_BUFFERS);
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_register_buffers(&ring, &iov, 1), 0);
	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(reads); i++) {
		sqe = nbread_get_sqe(&ring);
		nbread_prep_read_fixed(sqe, fd, buf + reads[i].at, (unsigned)reads[i].len, 0,
				       reads[i].index);
		behave_submit(&ring, 1);
		ck_assert_int_eq(behave_next(&ring).res, reads[i].want);
	}
	ck_assert_int_eq(nbread_unregister_buffers(&ring), 0);
	ck_assert_int_eq(nbread_unregister_buffers(&ring), -ENXIO);
}
END_TEST

static const struct behave_differs moved = {
	.what = "Memory that is mapped at the address of a registered buffer since",
	.module =
		"is not written to: reads go to the memory that was registered, which stays pinned",
	.threads = "is what reads go to: a buffer is a name for addresses, nothing is pinned",
	.module_value = POISON,
	.threads_value = 0,
};

START_TEST(memory_mapped_over_a_registered_buffer)
{
	unsigned char *buf = behave_buf(PG);
	struct iovec iov = { buf, PG };
	int fd = behave_warm_file(PG, 3);

	behave_need_opcode(NBREAD_OP_READ_FIXED);
	behave_need_register(NBREAD_REGISTER_BUFFERS);
	behave_ring(&ring, 8);
	ck_assert_int_eq(nbread_register_buffers(&ring, &iov, 1), 0);
	ck_assert_ptr_eq(mmap(buf, PG, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 buf);
	memset(buf, POISON, PG);
	nbread_prep_read_fixed(nbread_get_sqe(&ring), fd, buf, PG, 0, 0);
	behave_submit(&ring, 1);
	ck_assert_int_eq(behave_next(&ring).res, PG);
	if (behave_value(&moved))
		behave_untouched(buf, PG);
	else
		behave_check(buf, PG, 0, 3);
}
END_TEST

static const struct behave_differs memlock = {
	.what = "Registered buffers and RLIMIT_MEMLOCK",
	.module =
		"count for the user, who has CAP_IPC_LOCK or is told -ENOMEM; memory of a file, or that is not there, is -EFAULT",
	.threads = "are not counted; whether they are there is seen by the reads",
};

static const struct behave_differs locks = {
	.what = "fcntl(2) record locks of the process on a registered file, when it is unregistered",
	.module = "stay",
	.threads = "are lost: close(2) of any descriptor of a file drops them",
};

Suite *check_registered_suite(void)
{
	Suite *s = behave_promise("registered", "The calls: registered files and buffers");

	behave_add(s, registered_files_are_read_by_index_also_when_they_are_closed);
	behave_add(s, what_a_read_refuses_cannot_be_registered);
	behave_add(s, a_table_is_asked_for_before_what_is_to_be_in_it);
	behave_add(s, reads_into_a_registered_buffer_stay_within_it);
	behave_add_differs(s, memory_mapped_over_a_registered_buffer, &moved);
	behave_untested(s, &memlock, "the device tests hold the module to it");
	behave_untested(s, &locks, "it is what close(2) does");
	return s;
}
