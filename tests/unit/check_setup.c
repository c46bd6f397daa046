// SPDX-License-Identifier: GPL-2.0-only
/*
 * Setting up a ring and giving it up: what is passed to the device, what its
 * errors become, and that nothing is left behind when it fails halfway.
 */
#include <stdlib.h>
#include <errno.h>
#include "nbtest.h"
#include "fake.h"

static struct nbread ring;

static void assert_nothing_left_behind(void)
{
	ck_assert_uint_eq(fake.opens, fake.closes);
	ck_assert_uint_eq(fake.mmaps, fake.munmaps);
	ck_assert_int_eq(ring.ring_fd, -1);
	nbread_queue_exit(&ring); /* harmless after a failure */
	ck_assert_uint_eq(fake.opens, fake.closes);
}

START_TEST(setup_opens_dev_nbread_and_maps_the_ring_once)
{
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), 0);
	ck_assert_str_eq(fake.path, "/dev/nbread");
	ck_assert_uint_eq(fake.opens, 1);
	ck_assert_uint_eq(fake.mmaps, 1);
	ck_assert_int_eq(nbread_ring_fd(&ring), FAKE_FD);
	ck_assert_int_eq(nbread_backend(&ring), NBREAD_BACKEND_MODULE);
	ck_assert_uint_eq(ring.max_try, fake.query.max_try);
	ck_assert_uint_eq(ring.max_len, fake.query.max_len);
}
END_TEST

START_TEST(entries_are_passed_as_wanted_and_rounded_by_the_device)
{
	fake_ring(&ring, 5);
	ck_assert_uint_eq(fake.setup.sq_entries, 5);
	ck_assert_uint_eq(nbread_sq_space_left(&ring), 8);
	ck_assert_uint_eq(ring.cq.ring_entries, 16);
}
END_TEST

START_TEST(parameters_go_in_and_come_out)
{
	struct nbread_setup p = { .cq_entries = 100 };

	ck_assert_int_eq(nbread_queue_init_params(3, &ring, &p), 0);
	ck_assert_uint_eq(fake.setup.cq_entries, 100);
	ck_assert_uint_eq(p.sq_entries, 4);
	ck_assert_uint_eq(p.cq_entries, 128);
	ck_assert_uint_gt(p.ring_size, 0);
}
END_TEST

START_TEST(parameters_are_as_they_were_after_a_failure)
{
	struct nbread_setup p = { .cq_entries = 100 }, before = p;

	fake.mmap_error = -ENOMEM;
	ck_assert_int_eq(nbread_queue_init_params(3, &ring, &p), -ENOMEM);
	ck_assert_mem_eq(&p, &before, sizeof(p));
}
END_TEST

START_TEST(exit_unmaps_and_closes_once)
{
	fake_ring(&ring, 8);
	nbread_queue_exit(&ring);
	ck_assert_uint_eq(fake.munmaps, 1);
	ck_assert_uint_eq(fake.closes, 1);
	nbread_queue_exit(&ring);
	ck_assert_uint_eq(fake.closes, 1);
}
END_TEST

START_TEST(a_ring_full_of_rubbish_can_be_set_up)
{
	memset(&ring, 0xa5, sizeof(ring));
	fake_ring(&ring, 8);
	ck_assert_uint_eq(nbread_sq_ready(&ring), 0);
	ck_assert_uint_eq(nbread_cq_ready(&ring), 0);
	ck_assert_uint_eq(ring.resv[0], 0);
}
END_TEST

START_TEST(no_entries_are_refused_by_the_device)
{
	ck_assert_int_eq(nbread_queue_init(0, &ring, 0), -EINVAL);
	assert_nothing_left_behind();
}
END_TEST

START_TEST(a_setup_flag_that_is_not_served_is_eopnotsupp)
{
	ck_assert_int_eq(nbread_queue_init(8, &ring, NBREAD_SETUP_SQTHREAD), -EOPNOTSUPP);
	ck_assert_uint_eq(fake.setup.flags, NBREAD_SETUP_SQTHREAD);
	assert_nothing_left_behind();
}
END_TEST

static const struct {
	const char *name;
	int error, want;
} open_errors[] = {
	{ "without_the_device_node_setup_is_enodev", -ENOENT, -ENODEV },
	{ "a_node_without_its_driver_is_enodev", -ENXIO, -ENODEV },
	{ "enodev_from_open_stays_enodev", -ENODEV, -ENODEV },
	{ "no_permission_passes_through", -EACCES, -EACCES },
	{ "a_device_cgroup_that_forbids_it_passes_through", -EPERM, -EPERM },
	{ "too_many_open_files_pass_through", -EMFILE, -EMFILE },
	{ "an_open_interrupted_by_a_signal_passes_through", -EINTR, -EINTR },
};

START_TEST(open_error)
{
	setenv("NBREAD_BACKEND", "module", 1);
	fake.open_error = open_errors[_i].error;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), open_errors[_i].want);
	ck_assert_uint_eq(fake.closes, 0);
	assert_nothing_left_behind();
}
END_TEST

START_TEST(an_error_of_query_closes_the_device)
{
	fake.query_error = -ENOTTY;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -ENOTTY);
	ck_assert_uint_eq(fake.opens, 1);
	assert_nothing_left_behind();
}
END_TEST

START_TEST(an_error_of_setup_closes_the_device)
{
	fake.setup_error = -ENOMEM;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -ENOMEM);
	ck_assert_uint_eq(fake.opens, 1);
	assert_nothing_left_behind();
}
END_TEST

START_TEST(an_error_of_mmap_closes_the_device)
{
	fake.mmap_error = -EAGAIN;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -EAGAIN);
	ck_assert_uint_eq(fake.opens, 1);
	assert_nothing_left_behind();
}
END_TEST

START_TEST(a_newer_abi_version_is_accepted)
{
	fake.query.abi_version = NBREAD_ABI_VERSION + 7;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), 0);
}
END_TEST

static const struct {
	const char *name;
	void *member;
} needed_limits[] = {
	{ "a_device_without_abi_version_is_eproto", &fake.query.abi_version },
	{ "a_device_that_takes_no_try_is_eproto", &fake.query.max_try },
	{ "a_device_that_reads_no_byte_is_eproto", &fake.query.max_len },
};

START_TEST(needed_limit)
{
	*(__u32 *)needed_limits[_i].member = 0;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -EPROTO);
	assert_nothing_left_behind();
}
END_TEST

static const struct {
	const char *name, *value;
	int want;
} backends[] = {
	{ "backend_module_is_taken_by_name", "module", 0 },
	{ "an_empty_backend_variable_is_as_unset", "", 0 },
	{ "an_unknown_backend_is_einval", "kernel", -EINVAL },
	{ "a_backend_name_is_case_sensitive", "Module", -EINVAL },
	{ "a_longer_backend_name_is_einval", "module2", -EINVAL },
};

START_TEST(backend_variable)
{
	struct nbread_query q;

	setenv("NBREAD_BACKEND", backends[_i].value, 1);
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), backends[_i].want);
	ck_assert_int_eq(nbread_query(NULL, &q), backends[_i].want);
	if (backends[_i].want) {
		ck_assert_uint_eq(fake.opens, 0);
		assert_nothing_left_behind();
	}
}
END_TEST

START_TEST(backend_module_without_the_device_is_enodev)
{
	setenv("NBREAD_BACKEND", "module", 1);
	fake.open_error = -ENOENT;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -ENODEV);
}
END_TEST

static const struct {
	const char *name;
	int *where, error, want;
} instead[] = {
	{ "without_the_device_node_threads_serve", &fake.open_error, -ENOENT, 0 },
	{ "a_node_without_its_driver_lets_threads_serve", &fake.open_error, -ENXIO, 0 },
	{ "without_permission_threads_serve", &fake.open_error, -EACCES, 0 },
	{ "where_a_device_cgroup_forbids_it_threads_serve", &fake.open_error, -EPERM, 0 },
	{ "where_setup_is_forbidden_threads_serve", &fake.setup_error, -EPERM, 0 },
	{ "too_many_open_files_are_told", &fake.open_error, -EMFILE, -EMFILE },
	{ "an_interrupted_open_is_told", &fake.open_error, -EINTR, -EINTR },
	{ "a_module_that_does_not_know_query_is_told", &fake.query_error, -ENOTTY, -ENOTTY },
	{ "no_memory_in_the_module_is_told", &fake.setup_error, -ENOMEM, -ENOMEM },
	{ "a_limit_of_the_module_is_told", &fake.setup_error, -EMFILE, -EMFILE },
};

START_TEST(threads_instead)
{
	*instead[_i].where = instead[_i].error;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), instead[_i].want);
	ck_assert_uint_eq(fake.opens, fake.closes);
	if (!instead[_i].want)
		ck_assert_int_eq(nbread_backend(&ring), NBREAD_BACKEND_THREADS);
	nbread_queue_exit(&ring);
	ck_assert_uint_eq(fake.portable_maps, 0);
}
END_TEST

START_TEST(a_broken_module_is_not_hidden_by_threads)
{
	fake.query.max_try = 0;
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), -EPROTO);
	assert_nothing_left_behind();
}
END_TEST

START_TEST(backend_threads_opens_no_device)
{
	setenv("NBREAD_BACKEND", "threads", 1);
	ck_assert_int_eq(nbread_queue_init(8, &ring, 0), 0);
	ck_assert_int_eq(nbread_backend(&ring), NBREAD_BACKEND_THREADS);
	ck_assert_uint_eq(fake.opens, 0);
}
END_TEST

START_TEST(attach_to_a_ring_of_another_process_is_eperm_and_not_what_threads_say)
{
	struct nbread_setup p = { .flags = NBREAD_SETUP_SQTHREAD | NBREAD_SETUP_ATTACH };

	fake.setup_error = -EPERM;
	ck_assert_int_eq(nbread_queue_init_params(8, &ring, &p), -EPERM);
	assert_nothing_left_behind();
}
END_TEST

START_TEST(what_threads_do_not_serve_is_eopnotsupp_and_not_the_modules_error)
{
	fake.open_error = -ENOENT;
	ck_assert_int_eq(nbread_queue_init(8, &ring, NBREAD_SETUP_SQTHREAD), -EOPNOTSUPP);
	ck_assert_uint_eq(fake.portable_maps, 0);
}
END_TEST

Suite *check_setup_suite(void)
{
	Suite *s = suite_create("setup");

	nbtest_add(s, setup_opens_dev_nbread_and_maps_the_ring_once);
	nbtest_add(s, entries_are_passed_as_wanted_and_rounded_by_the_device);
	nbtest_add(s, parameters_go_in_and_come_out);
	nbtest_add(s, parameters_are_as_they_were_after_a_failure);
	nbtest_add(s, exit_unmaps_and_closes_once);
	nbtest_add(s, a_ring_full_of_rubbish_can_be_set_up);
	nbtest_add(s, no_entries_are_refused_by_the_device);
	nbtest_add(s, a_setup_flag_that_is_not_served_is_eopnotsupp);
	nbtest_add_table(s, open_error, open_errors);
	nbtest_add(s, an_error_of_query_closes_the_device);
	nbtest_add(s, an_error_of_setup_closes_the_device);
	nbtest_add(s, an_error_of_mmap_closes_the_device);
	nbtest_add(s, a_newer_abi_version_is_accepted);
	nbtest_add_table(s, needed_limit, needed_limits);
	nbtest_add_table(s, backend_variable, backends);
	nbtest_add(s, backend_module_without_the_device_is_enodev);
	nbtest_add_table(s, threads_instead, instead);
	nbtest_add(s, a_broken_module_is_not_hidden_by_threads);
	nbtest_add(s, backend_threads_opens_no_device);
	nbtest_add(s, attach_to_a_ring_of_another_process_is_eperm_and_not_what_threads_say);
	nbtest_add(s, what_threads_do_not_serve_is_eopnotsupp_and_not_the_modules_error);
	return s;
}
