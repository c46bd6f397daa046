// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABI is what uapi_layout.h says: sizes, offsets, numbers; and every struct
 * and ioctl of <linux/nbread.h> is in that table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <linux/nbread.h>
#include "nbtest.h"

START_TEST(every_struct_has_its_size)
{
#define SIZE(type, bytes) \
	ck_assert_msg(sizeof(struct type) == (bytes), #type " has %zu bytes", sizeof(struct type));
#define MEMBER(type, member, offset, bytes)
#define NUMBER(name, value)
#include "uapi_layout.h"
#undef SIZE
#undef MEMBER
#undef NUMBER
}
END_TEST

START_TEST(every_size_is_a_multiple_of_8)
{
#define SIZE(type, bytes) ck_assert_msg(sizeof(struct type) % 8 == 0, #type);
#define MEMBER(type, member, offset, bytes)
#define NUMBER(name, value)
#include "uapi_layout.h"
#undef SIZE
#undef MEMBER
#undef NUMBER
}
END_TEST

START_TEST(every_member_is_at_its_offset)
{
#define SIZE(type, bytes)
#define MEMBER(type, member, offset, bytes)                                                      \
	ck_assert_msg(offsetof(struct type, member) == (offset), #type "." #member " is at %zu", \
		      offsetof(struct type, member));                                            \
	ck_assert_msg(sizeof(((struct type *)0)->member) == (bytes), #type "." #member);
#define NUMBER(name, value)
#include "uapi_layout.h"
#undef SIZE
#undef MEMBER
#undef NUMBER
}
END_TEST

START_TEST(no_struct_has_a_hole)
{
	size_t end = 0, size = 0;

#define SIZE(type, bytes)                                                              \
	ck_assert_msg(end == size, "hole before the end of the struct before " #type); \
	size = sizeof(struct type);                                                    \
	end = 0;
#define MEMBER(type, member, offset, bytes)                                                    \
	ck_assert_msg(offsetof(struct type, member) == end, "hole before " #type "." #member); \
	end += sizeof(((struct type *)0)->member);
#define NUMBER(name, value)
#include "uapi_layout.h"
#undef SIZE
#undef MEMBER
#undef NUMBER
	ck_assert_uint_eq(end, size);
}
END_TEST

START_TEST(every_number_has_its_value)
{
#define SIZE(type, bytes)
#define MEMBER(type, member, offset, bytes)
#define NUMBER(name, value) ck_assert_msg((unsigned int)(name) == (value), #name);
#include "uapi_layout.h"
#undef SIZE
#undef MEMBER
#undef NUMBER
}
END_TEST

Suite *check_uapi_layout_suite(void)
{
	Suite *s = suite_create("uapi_layout");

	nbtest_add(s, every_struct_has_its_size);
	nbtest_add(s, every_size_is_a_multiple_of_8);
	nbtest_add(s, every_member_is_at_its_offset);
	nbtest_add(s, no_struct_has_a_hole);
	nbtest_add(s, every_number_has_its_value);
	return s;
}
