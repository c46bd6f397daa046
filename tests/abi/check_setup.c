// SPDX-License-Identifier: GPL-2.0-only
/* SETUP and mmap: sizes, where things lie, whose the ring is. */
#include "abi.h"

Suite *check_setup_suite(void);

static int setup(int fd, struct nbread_setup *p, uint32_t sq, uint32_t cq)
{
	memset(p, 0, sizeof(*p));
	p->sq_entries = sq;
	p->cq_entries = cq;
	return raw_ioctl(fd, NBREAD_IOC_SETUP, p);
}

static const struct {
	uint32_t sq, cq, sq_out, cq_out;
} sizes[] = {
	{ 1, 0, 1, 2 },		{ 1, 1, 1, 1 },
	{ 2, 0, 2, 4 },		{ 3, 0, 4, 8 },
	{ 5, 9, 8, 16 },	{ 7, 7, 8, 8 },
	{ 8, 16, 8, 16 },	{ 100, 0, 128, 256 },
	{ 128, 129, 128, 256 }, { 1000, 4000, 1024, 4096 },
};

START_TEST(setup_rounds_the_sizes_up_to_powers_of_two)
{
	struct nbread_setup p;
	int fd = raw_open_fd();

	ck_assert_int_eq(setup(fd, &p, sizes[_i].sq, sizes[_i].cq), 0);
	ck_assert_uint_eq(p.sq_entries, sizes[_i].sq_out);
	ck_assert_uint_eq(p.cq_entries, sizes[_i].cq_out);
	close(fd);
}
END_TEST

START_TEST(setup_serves_the_largest_rings_that_query_reports)
{
	struct nbread_query q = abi_query();
	struct raw r;

	abi_ring(&r, q.max_sq_entries, q.max_cq_entries);
	ck_assert_uint_eq(r.p.sq_entries, q.max_sq_entries);
	ck_assert_uint_eq(r.p.cq_entries, q.max_cq_entries);
	/* Touches the last slot of each. */
	r.sqes[r.sq_mask].user_data = 1;
	r.cqes[r.cq_mask].user_data = 1;
	raw_close(&r);
}
END_TEST

struct span {
	uint32_t from, size;
};

START_TEST(setup_reports_offsets_inside_the_ring_that_do_not_overlap)
{
	struct nbread_setup p;
	int fd = raw_open_fd();

	ck_assert_int_eq(setup(fd, &p, sizes[_i].sq, sizes[_i].cq), 0);
	struct span spans[] = {
		{ p.sq_off.head, 4 },  { p.sq_off.tail, 4 },
		{ p.sq_off.mask, 4 },  { p.sq_off.entries, 4 },
		{ p.sq_off.flags, 4 }, { p.sq_off.sqes, p.sq_entries * 64 },
		{ p.cq_off.head, 4 },  { p.cq_off.tail, 4 },
		{ p.cq_off.mask, 4 },  { p.cq_off.entries, 4 },
		{ p.cq_off.flags, 4 }, { p.cq_off.cqes, p.cq_entries * 16 },
	};

	for (size_t i = 0; i < NBTEST_ARRAY_SIZE(spans); i++) {
		ck_assert_msg((uint64_t)spans[i].from + spans[i].size <= p.ring_size,
			      "span %zu ends behind ring_size", i);
		ck_assert_uint_eq(spans[i].from % (spans[i].size == 4 ? 4 : 8), 0);
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(spans[i].from >= spans[j].from + spans[j].size ||
					      spans[j].from >= spans[i].from + spans[i].size,
				      "spans %zu and %zu overlap", i, j);
	}
	/* A slot is a cache line. */
	ck_assert_uint_eq(p.sq_off.sqes % 64, 0);
	close(fd);
}
END_TEST

START_TEST(the_mapped_ring_starts_empty_and_tells_its_sizes)
{
	struct raw r;

	abi_ring(&r, 8, 32);
	ck_assert_uint_eq(*r.sq_head, *r.sq_tail);
	ck_assert_uint_eq(*r.cq_head, *r.cq_tail);
	ck_assert_uint_eq(*r.sq_flags, 0);
	ck_assert_uint_eq(*r.cq_flags, 0);
	ck_assert_uint_eq(r.sq_mask, 7);
	ck_assert_uint_eq(r.cq_mask, 31);
	ck_assert_uint_eq(*(uint32_t *)(r.ring + r.p.sq_off.entries), 8);
	ck_assert_uint_eq(*(uint32_t *)(r.ring + r.p.cq_off.entries), 32);
	for (size_t i = 0; i < 8 * sizeof(struct nbread_sqe); i++)
		ck_assert_uint_eq(((uint8_t *)r.sqes)[i], 0);
	raw_close(&r);
}
END_TEST

START_TEST(a_second_setup_is_ebusy_and_leaves_the_ring_alone)
{
	struct nbread_setup p;
	struct abi a;

	abi_begin(&a);
	ck_assert_int_eq(setup(a.r.fd, &p, 16, 0), -EBUSY);
	ck_assert_uint_eq(p.ring_size, 0);
	abi_end(&a);
}
END_TEST

START_TEST(a_refused_setup_can_be_tried_again)
{
	struct nbread_setup p;
	int fd = raw_open_fd();

	ck_assert_int_eq(setup(fd, &p, 0, 0), -EINVAL);
	ck_assert_int_eq(setup(fd, &p, 8, 0), 0);
	close(fd);
}
END_TEST

START_TEST(each_open_file_has_a_ring_of_its_own)
{
	struct raw a, b;
	struct nbread_sqe *sqe;

	abi_ring(&a, 4, 0);
	abi_ring(&b, 8, 0);
	sqe = raw_sqe(&a);
	sqe->user_data = 1;
	raw_publish(&a);
	ck_assert_int_eq(raw_enter(&b, 1, 0), 0);
	ck_assert_int_eq(raw_enter(&a, 1, 1), 1);
	ck_assert_uint_eq(raw_cq_ready(&a), 1);
	ck_assert_uint_eq(raw_cq_ready(&b), 0);
	raw_close(&a);
	raw_close(&b);
}
END_TEST

static int map(int fd, size_t len, int prot, int flags, off_t off)
{
	void *p = mmap(NULL, len, prot, flags, fd, off);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

#define RW (PROT_READ | PROT_WRITE)

START_TEST(mmap_before_setup_is_enxio)
{
	int fd = raw_open_fd();

	ck_assert_int_eq(map(fd, 4096, RW, MAP_SHARED, 0), -ENXIO);
	close(fd);
}
END_TEST

START_TEST(mmap_at_another_offset_is_einval)
{
	struct raw r;

	abi_ring(&r, 8, 0);
	ck_assert_int_eq(map(r.fd, r.p.ring_size, RW, MAP_SHARED, 4096), -EINVAL);
	ck_assert_int_eq(map(r.fd, 4096, RW, MAP_SHARED, (off_t)1 << 40), -EINVAL);
	raw_close(&r);
}
END_TEST

START_TEST(mmap_of_more_than_the_ring_is_einval)
{
	struct raw r;

	abi_ring(&r, 8, 0);
	ck_assert_int_eq(map(r.fd, r.p.ring_size + 4096, RW, MAP_SHARED, 0), -EINVAL);
	raw_close(&r);
}
END_TEST

START_TEST(a_private_mmap_is_einval)
{
	struct raw r;

	abi_ring(&r, 8, 0);
	ck_assert_int_eq(map(r.fd, r.p.ring_size, RW, MAP_PRIVATE, 0), -EINVAL);
	raw_close(&r);
}
END_TEST

START_TEST(the_ring_can_be_mapped_twice_and_both_show_the_same)
{
	struct raw r;
	uint8_t *again;

	abi_ring(&r, 8, 0);
	again = mmap(NULL, r.p.ring_size, RW, MAP_SHARED, r.fd, 0);
	ck_assert_ptr_ne(again, MAP_FAILED);
	r.sqes[3].user_data = 12345;
	ck_assert_uint_eq(((struct nbread_sqe *)(again + r.p.sq_off.sqes))[3].user_data, 12345);
	munmap(again, r.p.ring_size);
	raw_close(&r);
}
END_TEST

START_TEST(the_mapping_outlives_the_close_of_the_device)
{
	struct raw r;

	abi_ring(&r, 8, 0);
	close(r.fd);
	r.fd = -1;
	r.sqes[7].user_data = 1;
	ck_assert_uint_eq(*r.sq_tail, 0);
	raw_close(&r);
}
END_TEST

static int enter_in_child(void *arg)
{
	struct raw *r = arg;

	return -raw_enter(r, 1, 0);
}

static int cancel_in_child(void *arg)
{
	struct nbread_cancel c = { .flags = NBREAD_CANCEL_ANY };

	return -raw_ioctl(((struct raw *)arg)->fd, NBREAD_IOC_CANCEL, &c);
}

static int map_in_child(void *arg)
{
	struct raw *r = arg;

	return -map(r->fd, r->p.ring_size, RW, MAP_SHARED, 0);
}

START_TEST(a_forked_child_may_not_use_the_ring)
{
	struct abi a;
	struct nbread_sqe *sqe;

	abi_begin(&a);
	sqe = raw_sqe(&a.r);
	sqe->user_data = 1;
	raw_publish(&a.r);
	ck_assert_int_eq(nbtest_in_child(enter_in_child, &a.r), EPERM);
	ck_assert_int_eq(nbtest_in_child(cancel_in_child, &a.r), EPERM);
	ck_assert_int_eq(nbtest_in_child(map_in_child, &a.r), EPERM);
	ck_assert_uint_eq(*a.r.sq_head, 0);
	ck_assert_uint_eq(*a.r.cq_tail, 0);
	ck_assert_int_eq(raw_enter(&a.r, 1, 1), 1);
	ck_assert_uint_eq(abi_next(&a.r).user_data, 1);
	abi_end(&a);
}
END_TEST

static int setup_and_use(void *arg)
{
	struct raw r = { .fd = *(int *)arg };

	r.p.sq_entries = 4;
	if (raw_ioctl(r.fd, NBREAD_IOC_SETUP, &r.p) != 0 || raw_map(&r) != 0)
		return 1;
	raw_sqe(&r);
	raw_publish(&r);
	return raw_enter(&r, 1, 1) == 1 && raw_cq_ready(&r) == 1 ? 0 : 2;
}

START_TEST(the_ring_belongs_to_the_process_that_set_it_up_not_to_the_opener)
{
	struct nbread_enter e = {};
	int fd = raw_open_fd();

	ck_assert_int_eq(nbtest_in_child(setup_and_use, &fd), 0);
	ck_assert_int_eq(raw_ioctl(fd, NBREAD_IOC_ENTER, &e), -EPERM);
	close(fd);
}
END_TEST

START_TEST(read_write_and_lseek_on_the_device_are_refused)
{
	struct abi a;
	char byte = 0;

	abi_begin(&a);
	ck_assert_int_eq(read(a.r.fd, &byte, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(write(a.r.fd, &byte, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(lseek(a.r.fd, 0, SEEK_SET), -1);
	ck_assert_int_eq(errno, ESPIPE);
	abi_end(&a);
}
END_TEST

Suite *check_setup_suite(void)
{
	Suite *s = suite_create("setup");

	nbtest_add_loop(s, setup_rounds_the_sizes_up_to_powers_of_two, NBTEST_ARRAY_SIZE(sizes));
	nbtest_add(s, setup_serves_the_largest_rings_that_query_reports);
	nbtest_add_loop(s, setup_reports_offsets_inside_the_ring_that_do_not_overlap,
			NBTEST_ARRAY_SIZE(sizes));
	nbtest_add(s, the_mapped_ring_starts_empty_and_tells_its_sizes);
	nbtest_add(s, a_second_setup_is_ebusy_and_leaves_the_ring_alone);
	nbtest_add(s, a_refused_setup_can_be_tried_again);
	nbtest_add(s, each_open_file_has_a_ring_of_its_own);
	nbtest_add(s, mmap_before_setup_is_enxio);
	nbtest_add(s, mmap_at_another_offset_is_einval);
	nbtest_add(s, mmap_of_more_than_the_ring_is_einval);
	nbtest_add(s, a_private_mmap_is_einval);
	nbtest_add(s, the_ring_can_be_mapped_twice_and_both_show_the_same);
	nbtest_add(s, the_mapping_outlives_the_close_of_the_device);
	nbtest_add(s, a_forked_child_may_not_use_the_ring);
	nbtest_add(s, the_ring_belongs_to_the_process_that_set_it_up_not_to_the_opener);
	nbtest_add(s, read_write_and_lseek_on_the_device_are_refused);
	return s;
}
