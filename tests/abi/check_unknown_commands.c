// SPDX-License-Identifier: GPL-2.0-only
/* Commands that the device does not have are -ENOTTY, with or without a ring. */
#include <sys/ioctl.h>
#include <termios.h>

#include "abi.h"

Suite *check_unknown_commands_suite(void);

#define SIZE sizeof(struct nbread_query)

static const struct {
	const char *name;
	unsigned long cmd;
} unknown[] = {
	{ "the_first_unknown_number_is_enotty",
	  _IOC(_IOC_READ | _IOC_WRITE, NBREAD_IOC_MAGIC, 0x07, SIZE) },
	{ "the_last_number_is_enotty", _IOC(_IOC_READ | _IOC_WRITE, NBREAD_IOC_MAGIC, 0xff, SIZE) },
	{ "another_type_is_enotty", _IOC(_IOC_READ | _IOC_WRITE, NBREAD_IOC_MAGIC + 1, 0, SIZE) },
	{ "type_0_is_enotty", _IOC(_IOC_READ | _IOC_WRITE, 0, 0, SIZE) },
	{ "query_as_ior_is_enotty", _IOC(_IOC_READ, NBREAD_IOC_MAGIC, 0, SIZE) },
	{ "query_as_iow_is_enotty", _IOC(_IOC_WRITE, NBREAD_IOC_MAGIC, 0, SIZE) },
	{ "query_as_io_is_enotty", _IOC(_IOC_NONE, NBREAD_IOC_MAGIC, 0, SIZE) },
	{ "query_as_io_without_a_size_is_enotty", _IO(NBREAD_IOC_MAGIC, 0) },
	{ "enter_as_ior_is_enotty",
	  _IOC(_IOC_READ, NBREAD_IOC_MAGIC, 2, sizeof(struct nbread_enter)) },
	{ "enter_as_iow_is_enotty",
	  _IOC(_IOC_WRITE, NBREAD_IOC_MAGIC, 2, sizeof(struct nbread_enter)) },
	{ "a_terminal_command_is_enotty", TCGETS },
	{ "command_0_is_enotty", 0 },
	{ "command_all_ones_is_enotty", UINT32_MAX },
};

START_TEST(an_unknown_command)
{
	uint64_t arg[SIZE / 8 + 1], before[SIZE / 8 + 1];
	struct nbread_sqe *sqe;
	struct abi a;
	int fd = raw_open_fd();

	memset(arg, 0, sizeof(arg));
	memset(before, 0, sizeof(before));
	ck_assert_int_eq(raw_ioctl(fd, unknown[_i].cmd, arg), -ENOTTY);
	close(fd);
	abi_begin(&a);
	sqe = raw_sqe(&a.r);
	sqe->user_data = 5;
	raw_publish(&a.r);
	ck_assert_int_eq(raw_ioctl(a.r.fd, unknown[_i].cmd, arg), -ENOTTY);
	/* Not even looked at. */
	ck_assert_int_eq(raw_ioctl(a.r.fd, unknown[_i].cmd, NULL), -ENOTTY);
	ck_assert_mem_eq(arg, before, sizeof(arg));
	ck_assert_uint_eq(*a.r.sq_head, 0);
	ck_assert_int_eq(raw_enter(&a.r, 1, 1), 1);
	ck_assert_uint_eq(abi_next(&a.r).user_data, 5);
	abi_end(&a);
}
END_TEST

Suite *check_unknown_commands_suite(void)
{
	Suite *s = suite_create("unknown_commands");

	nbtest_add_table(s, an_unknown_command, unknown);
	return s;
}
