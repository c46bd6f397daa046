// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registered buffers: READ_FIXED brings the bytes that READ does, on each way a read can
 * go, and into the memory that was registered, whatever is mapped there since.
 */
#include <sys/wait.h>
#include "device_kind.h"
#include "fixed.h"
#include "raw.h"

#define SIZE KB(64)

/* Two registered buffers of SIZE and of SIZE + 100 bytes, neither of them aligned. */
struct two {
	struct nbread ring;
	unsigned char *mem;
	struct iovec iov[2];
};

static void two(struct two *t)
{
	t->mem = dev_buf(4 * SIZE);
	t->iov[0] = (struct iovec){ t->mem + 100, SIZE };
	t->iov[1] = (struct iovec){ t->mem + 2 * SIZE + 7, SIZE + 100 };
	dev_ring(&t->ring, 16);
	fixed_register(&t->ring, t->iov, 2);
}

static void check_read(struct two *t, int fd, size_t at, size_t len, off_t off, unsigned int flags,
		       unsigned int id)
{
	unsigned char *to = (unsigned char *)t->iov[1].iov_base + at;
	struct nbread_cqe cqe;

	memset(t->mem, 0xa5, 4 * SIZE);
	cqe = fixed_read(&t->ring, fd, 1, to, len, off, flags);
	dev_must(cqe.res == (int)len, "%zu bytes at %zu, flags %#x: %d", len, at, flags, cqe.res);
	dev_check(to, len, off, id);
	dev_check_same(t->mem, (size_t)(to - t->mem), 0xa5);
	dev_check_same(to + len, (size_t)(t->mem + 4 * SIZE - to) - len, 0xa5);
}

static void check_ways(struct two *t, int fd, unsigned int id)
{
	/* Parked, or by a worker; then resident; and by a worker in any case. */
	nbtest_evict(fd);
	check_read(t, fd, 50, SIZE, 0, 0, id);
	nbtest_warm(fd);
	check_read(t, fd, 100, SIZE, 0, 0, id);
	check_read(t, fd, 0, PG + 11, PG - 3, 0, id);
	check_read(t, fd, 3 * PG - 8, 1, 5, 0, id);
	check_read(t, fd, 1, SIZE - 1, 1, NBREAD_SQE_ASYNC, id);
	nbtest_evict(fd);
	check_read(t, fd, 9, PG, PG + 1, 0, id);
	nbtest_evict(fd);
	check_read(t, fd, 9, 3 * PG, PG, NBREAD_SQE_ASYNC, id);
}

START_TEST(the_bytes_of_a_fixed_read_are_those_of_a_read)
{
	int fd = dev_cold_file(dev_fs(_i), SIZE, 51);
	struct two t;

	two(&t);
	check_ways(&t, fd, 51);
	nbtest_warm(fd);
	check_read(&t, fd, 77, SIZE, 0, NBREAD_SQE_CACHED, 51);
	check_read(&t, fd, 77, SIZE, 0, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO, 51);
	nbread_queue_exit(&t.ring);
}
END_TEST

START_TEST(the_bytes_of_a_fixed_read_without_the_look_up_are_those_of_a_read)
{
	static const char param[] = "/sys/module/nbread/parameters/filemap";
	int fd = dev_cold_file(dev_fs(_i), SIZE, 52);
	struct two t;
	char was[8];

	ck_assert_int_gt(nbtest_read_text(param, was, sizeof(was)), 0);
	ck_assert_int_eq(nbtest_write_text(param, "N"), 0);
	two(&t);
	check_ways(&t, fd, 52);
	nbread_queue_exit(&t.ring);
	ck_assert_int_eq(nbtest_write_text(param, was), 0);
}
END_TEST

START_TEST(a_fixed_read_of_a_file_that_only_workers_read)
{
	int fd = dev_cold_file(dev_fs(DEV_VFAT), SIZE, 53);
	struct two t;

	two(&t);
	check_ways(&t, fd, 53);
	nbread_queue_exit(&t.ring);
}
END_TEST

START_TEST(a_fixed_read_through_an_overlay)
{
	int fd = dev_lower_file(dev_kind("overlay-ext4"), SIZE, 54);
	struct two t;

	two(&t);
	nbtest_warm(fd);
	check_read(&t, fd, 3, SIZE, 0, 0, 54);
	check_read(&t, fd, 3, SIZE, 0, NBREAD_SQE_ASYNC, 54);
	nbread_queue_exit(&t.ring);
	close(fd);
	dev_kind_done();
}
END_TEST

START_TEST(a_fixed_read_ends_at_the_end_of_the_file)
{
	int fd = dev_file(dev_fs(DEV_EXT4), PG + 100, 55);
	struct two t;

	two(&t);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, t.iov[0].iov_base, SIZE, 0, 0).res, PG + 100);
	dev_check(t.iov[0].iov_base, PG + 100, 0, 55);
	dev_check_same((char *)t.iov[0].iov_base + PG + 100, 2 * PG, 0xa5);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, t.iov[0].iov_base, SIZE, MB(1), 0).res, 0);
	nbread_queue_exit(&t.ring);
}
END_TEST

START_TEST(what_is_not_within_its_buffer_is_efault)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 56);
	char *a;
	struct two t;

	two(&t);
	a = t.iov[0].iov_base;
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, a - 1, 2, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, a + 1, SIZE, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, a + SIZE, 1, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, NULL, 1, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, (void *)-PG, PG, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, t.iov[1].iov_base, 1, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 2, a, 1, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 65535, a, 1, 0, 0).res, -EFAULT);
	ck_assert_int_eq(fixed_set(&t.ring, 0, NULL, 0), 1);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 0, a, 1, 0, 0).res, -EFAULT);
	dev_check_same(t.mem, 4 * SIZE, 0xa5);
	/* The limits themselves are within. */
	a = t.iov[1].iov_base;
	ck_assert_int_eq(fixed_read(&t.ring, fd, 1, a + SIZE + 100, 0, 0, 0).res, 0);
	ck_assert_int_eq(fixed_read(&t.ring, fd, 1, a + SIZE + 99, 1, 0, 0).res, 1);
	nbread_queue_exit(&t.ring);
}
END_TEST

enum { RESIDENT, PARKED_MISS, BY_WORKER, NR_WAYS };

START_TEST(memory_mapped_at_the_address_since_is_not_written_to)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_file(fs, SIZE, 57), mem = memfd_create("nbread", MFD_CLOEXEC);
	unsigned int flags = _i == BY_WORKER ? NBREAD_SQE_ASYNC : 0;
	unsigned char *a, *seen;
	struct nbread ring;

	ck_assert_int_eq(ftruncate(mem, SIZE), 0);
	a = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	seen = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, mem, 0);
	ck_assert(a != MAP_FAILED && seen != MAP_FAILED);
	dev_ring(&ring, 8);
	fixed_register(&ring, &(struct iovec){ a, SIZE }, 1);
	if (_i == PARKED_MISS) {
		nbtest_evict(fd);
		dev_hold(fs);
		fixed_prep(&ring, fd, 0, a, SIZE, 0, flags, 1);
		dev_submit(&ring, 1);
	}
	ck_assert_ptr_eq(mmap(a, SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 a);
	memset(a, 0x77, SIZE);
	if (_i == PARKED_MISS) {
		dev_release(fs);
	} else {
		fixed_prep(&ring, fd, 0, a, SIZE, 0, flags, 1);
		dev_submit(&ring, 1);
	}
	ck_assert_int_eq(dev_next(&ring).res, SIZE);
	dev_check_same(a, SIZE, 0x77);
	dev_check(seen, SIZE, 0, 57);
	nbread_queue_exit(&ring);
	dev_check(seen, SIZE, 0, 57);
}
END_TEST

START_TEST(after_a_fork_the_bytes_are_still_the_registering_process_s)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 58), status, go[2];
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;
	pid_t pid;
	char c;

	dev_ring(&ring, 8);
	fixed_register(&ring, &(struct iovec){ buf, SIZE }, 1);
	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(go[1]);
		/* Its copy of the memory is from before the read. */
		if (read(go[0], &c, 1) < 0)
			_exit(2);
		for (size_t i = 0; i < SIZE; i++)
			if (buf[i] != 0xa5)
				_exit(1);
		_exit(0);
	}
	/* A write of ours, which would give us another page if the pinned one were shared. */
	buf[0] = 0xa5;
	ck_assert_int_eq(fixed_read(&ring, fd, 0, buf, SIZE, 0, 0).res, SIZE);
	dev_check(buf, SIZE, 0, 58);
	close(go[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_page_can_be_the_source_and_the_buffer_of_one_read)
{
	int fd = memfd_create("nbread", MFD_CLOEXEC);
	unsigned char *map;
	struct nbread ring;

	nbtest_write_pattern(fd, 0, SIZE, 59, 1);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	dev_ring(&ring, 8);
	fixed_register(&ring, &(struct iovec){ map, SIZE }, 1);
	ck_assert_int_eq(fixed_read(&ring, fd, 0, map, SIZE, 0, 0).res, SIZE);
	dev_check(map, SIZE, 0, 59);
	/* Forward and backward, over themselves. */
	ck_assert_int_eq(fixed_read(&ring, fd, 0, map + PG + 100, 2000, PG, 0).res, 2000);
	dev_check(map + PG + 100, 2000, PG, 59);
	nbtest_write_pattern(fd, 0, SIZE, 59, 1);
	ck_assert_int_eq(fixed_read(&ring, fd, 0, map + PG, 2000, PG + 100, 0).res, 2000);
	dev_check(map + PG, 2000, PG + 100, 59);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(huge_pages_are_registered_and_read_into)
{
	size_t huge = MB(2);
	int fd = dev_file(dev_fs(DEV_EXT4), MB(3), 60);
	unsigned char *mem = mmap(NULL, 3 * huge, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | (_i ? MAP_HUGETLB : 0), -1, 0);
	unsigned char *buf;
	long before = (long)nbtest_pinned_kib();
	struct nbread ring;

	if (mem == MAP_FAILED && _i) {
		nbtest_sysctl("vm/nr_hugepages", "4", NULL, 0);
		mem = mmap(NULL, 3 * huge, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	}
	if (mem == MAP_FAILED)
		nbtest_skip("no huge pages: %s", strerror(errno));
	buf = (void *)(((uintptr_t)mem + huge - 1) / huge * huge);
	if (!_i)
		madvise(buf, 2 * huge, MADV_HUGEPAGE);
	memset(buf, 0xa5, 2 * huge);
	dev_ring(&ring, 8);
	fixed_register(&ring, &(struct iovec){ buf + 1, 2 * huge - 2 }, 1);
	ck_assert_int_eq((long)nbtest_pinned_kib(), before + 4096);
	/* Over the border between the two. */
	ck_assert_int_eq(fixed_read(&ring, fd, 0, buf + MB(1) + 3, MB(3) - 6, 0, 0).res, MB(3) - 6);
	dev_check(buf + MB(1) + 3, MB(3) - 6, 0, 60);
	dev_check_same(buf, MB(1) + 3, 0xa5);
	nbtest_evict(fd);
	ck_assert_int_eq(fixed_read(&ring, fd, 0, buf + 1, MB(3), 0, 0).res, MB(3));
	dev_check(buf + 1, MB(3), 0, 60);
	nbread_queue_exit(&ring);
	ck_assert_int_eq((long)nbtest_pinned_kib(), before);
	munmap(mem, 3 * huge);
	if (_i)
		nbtest_sysctl("vm/nr_hugepages", "0", NULL, 0);
}
END_TEST

START_TEST(memory_of_every_kind_is_taken_or_refused_as_documented)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 61);
	unsigned char *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	unsigned char *constant = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *cut = dev_buf(2 * PG);
	long before = (long)nbtest_pinned_kib();
	struct nbread ring;

	/* Not a hole, which the ring might be mapped into. */
	ck_assert_int_eq(mprotect(cut + PG, PG, PROT_NONE), 0);
	dev_ring(&ring, 8);
	ck_assert_int_eq(nbread_register_buffers_sparse(&ring, 2), 0);
	ck_assert_int_eq(fixed_set(&ring, 0, shared, SIZE), -EFAULT);
	ck_assert_int_eq(fixed_set(&ring, 0, constant, SIZE), -EFAULT);
	ck_assert_int_eq(fixed_set(&ring, 0, cut, 2 * PG), -EFAULT);
	ck_assert_int_eq(fixed_set(&ring, 0, cut + PG, PG), -EFAULT);
	ck_assert_int_eq(fixed_set(&ring, 0, cut, PG + 1), -EFAULT);
	/* Nothing stays pinned or counted of what was begun. */
	ck_assert_int_eq((long)nbtest_pinned_kib(), before);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-buffers"), 0);
	ck_assert_int_eq(fixed_set(&ring, 0, cut, PG), 1);
	ck_assert_int_eq(fixed_set(&ring, 1, private, SIZE), 1);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-buffers"), 2);
	memset(private, 0, SIZE);
	ck_assert_int_eq(fixed_read(&ring, fd, 1, private, SIZE, 0, 0).res, SIZE);
	dev_check(private, SIZE, 0, 61);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_register_buffers_suite(void);

Suite *check_register_buffers_suite(void)
{
	Suite *s = suite_create("register_buffers");

	dev_add_each(s, the_bytes_of_a_fixed_read_are_those_of_a_read);
	dev_add_each(s, the_bytes_of_a_fixed_read_without_the_look_up_are_those_of_a_read);
	nbtest_add(s, a_fixed_read_of_a_file_that_only_workers_read);
	nbtest_add(s, a_fixed_read_through_an_overlay);
	nbtest_add(s, a_fixed_read_ends_at_the_end_of_the_file);
	nbtest_add(s, what_is_not_within_its_buffer_is_efault);
	nbtest_add_loop(s, memory_mapped_at_the_address_since_is_not_written_to, NR_WAYS);
	nbtest_add(s, after_a_fork_the_bytes_are_still_the_registering_process_s);
	nbtest_add(s, a_page_can_be_the_source_and_the_buffer_of_one_read);
	nbtest_add_loop(s, huge_pages_are_registered_and_read_into, 2);
	nbtest_add(s, memory_of_every_kind_is_taken_or_refused_as_documented);
	return s;
}
