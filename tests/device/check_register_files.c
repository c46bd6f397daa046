// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registered files: an index reads as its fd does, in each way there is; what a slot
 * holds may be changed at any time, and a read in flight goes on with the file that it
 * began with.
 */
#include <sys/resource.h>
#include "device.h"
#include "raw.h"

#define SIZE KB(64)
#define FIXED NBREAD_SQE_FIXED_FILE

static int reg(struct nbread *ring, uint32_t op, uint32_t flags, const int *fds, unsigned int nr,
	       unsigned int off)
{
	return raw_register(nbread_ring_fd(ring), op, flags, fds, nr, off);
}

static void register_files(struct nbread *ring, const int *fds, unsigned int nr)
{
	dev_must(reg(ring, NBREAD_REGISTER_FILES, 0, fds, nr, 0) == 0, "REGISTER_FILES failed");
}

static void sparse(struct nbread *ring, unsigned int nr)
{
	dev_must(reg(ring, NBREAD_REGISTER_FILES, NBREAD_REGISTER_SPARSE, NULL, nr, 0) == 0,
		 "REGISTER_FILES, sparse, failed");
}

static int set(struct nbread *ring, unsigned int index, int fd)
{
	return reg(ring, NBREAD_REGISTER_FILES_UPDATE, 0, &fd, 1, index);
}

static int unregister(struct nbread *ring)
{
	return reg(ring, NBREAD_UNREGISTER_FILES, 0, NULL, 0, 0);
}

/* Whether no other open file of the inode can write: a read lease is given then. */
static bool is_let_go(int ro)
{
	bool given = fcntl(ro, F_SETLEASE, F_RDLCK) == 0;

	if (given)
		fcntl(ro, F_SETLEASE, F_UNLCK);
	return given;
}

START_TEST(an_index_reads_as_its_fd_does)
{
	int fd = dev_cold_file(dev_fs(_i), SIZE, 31);
	unsigned char *buf = dev_buf(SIZE);
	struct iovec iov[2] = { { buf, PG + 5 }, { buf + PG + 5, SIZE - PG - 5 } };
	struct nbread ring;
	struct nbread_cqe cqe;

	dev_ring(&ring, 8);
	register_files(&ring, (int[]){ -1, fd }, 2);
	ck_assert_int_eq(dev_try(&ring, 1, buf, SIZE, 0, FIXED | NBREAD_SQE_NOIO).res, -EAGAIN);
	cqe = dev_read(&ring, 1, buf, SIZE, 0, FIXED);
	ck_assert_int_eq(cqe.res, SIZE);
	ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, 0);
	dev_check(buf, SIZE, 0, 31);
	nbtest_warm(fd);
	for (unsigned int i = 0; i < 4; i++) {
		static const unsigned int flags[] = { 0, NBREAD_SQE_CACHED,
						      NBREAD_SQE_CACHED | NBREAD_SQE_NOIO,
						      NBREAD_SQE_ASYNC };

		memset(buf, 0xa5, SIZE);
		cqe = dev_read(&ring, 1, buf, SIZE - 3, 3, FIXED | flags[i]);
		ck_assert_int_eq(cqe.res, SIZE - 3);
		ck_assert_uint_eq(cqe.flags, flags[i] == NBREAD_SQE_ASYNC ? NBREAD_CQE_PUNTED :
									    NBREAD_CQE_HIT);
		dev_check(buf, SIZE - 3, 3, 31);
	}
	memset(buf, 0xa5, SIZE);
	ck_assert_int_eq(dev_readv(&ring, 1, iov, 2, 0, FIXED).res, SIZE);
	dev_check(buf, SIZE, 0, 31);
	memset(buf, 0xa5, SIZE);
	ck_assert_int_eq(dev_try(&ring, 1, buf, SIZE, 0, FIXED | NBREAD_SQE_NOIO).res, SIZE);
	dev_check(buf, SIZE, 0, 31);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_registered_file_is_read_after_its_fd_was_closed)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_file(fs, SIZE, 32), ro = dev_reopen(fd, O_RDONLY);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;

	dev_ring(&ring, 8);
	register_files(&ring, &fd, 1);
	close(fd);
	ck_assert_int_eq(dev_read(&ring, 0, buf, SIZE, 0, FIXED).res, SIZE);
	dev_check(buf, SIZE, 0, 32);
	nbtest_evict(ro);
	memset(buf, 0xa5, SIZE);
	ck_assert_int_eq(dev_read(&ring, 0, buf, SIZE, 0, FIXED).res, SIZE);
	dev_check(buf, SIZE, 0, 32);
	ck_assert(!is_let_go(ro));
	/* close() of the ring alone lets go of it, at once. */
	nbread_queue_exit(&ring);
	ck_assert(is_let_go(ro));
}
END_TEST

START_TEST(an_index_and_an_fd_of_the_same_number_are_two_files)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int a = dev_file(fs, SIZE, 33), b = dev_file(fs, SIZE, 34);
	unsigned char *buf = dev_buf(16 * PG);
	struct nbread ring;

	dev_ring(&ring, 16);
	sparse(&ring, 1024);
	ck_assert_int_eq(set(&ring, (unsigned int)a, b), 1);
	for (int i = 0; i < 16; i++)
		dev_prep(&ring, a, buf + i * PG, PG, i * PG, i & 1 ? FIXED : 0, i);
	dev_submit(&ring, 16);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(dev_next(&ring).res, PG);
	for (int i = 0; i < 16; i++)
		dev_check(buf + i * PG, PG, i * PG, i & 1 ? 34 : 33);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(tries_of_an_index_and_of_an_fd_of_the_same_number_are_two_files)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int a = dev_file(fs, SIZE, 33), b = dev_file(fs, SIZE, 34);
	unsigned char *buf = dev_buf(16 * PG);
	struct nbread_try reqs[16];
	struct nbread ring;

	dev_ring(&ring, 16);
	sparse(&ring, 1024);
	ck_assert_int_eq(set(&ring, (unsigned int)a, b), 1);
	for (unsigned int i = 0; i < 16; i++)
		reqs[i] = (struct nbread_try){ .fd = a,
					       .flags = i & 1 ? FIXED : 0,
					       .addr = (uintptr_t)buf + i * PG,
					       .off = i * PG,
					       .len = PG };
	ck_assert_int_eq(nbread_try_many(&ring, reqs, 16), 16);
	for (int i = 0; i < 16; i++)
		dev_check(buf + i * PG, PG, i * PG, i & 1 ? 34 : 33);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(an_index_without_a_file_is_ebadf)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 35);
	static const int index[] = { 0, 2, 3, 1 << 20, INT32_MAX, -1, INT32_MIN };
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;

	dev_ring(&ring, 8);
	register_files(&ring, (int[]){ -1, fd, -1 }, 3);
	for (unsigned int i = 0; i < NBTEST_ARRAY_SIZE(index); i++) {
		ck_assert_int_eq(dev_read(&ring, index[i], buf, PG, 0, FIXED).res, -EBADF);
		ck_assert_int_eq(dev_try(&ring, index[i], buf, PG, 0, FIXED).res, -EBADF);
	}
	ck_assert_int_eq(dev_read(&ring, 1, buf, PG, 0, FIXED).res, PG);
	ck_assert_int_eq(unregister(&ring), 0);
	ck_assert_int_eq(dev_read(&ring, 1, buf, PG, 0, FIXED).res, -EBADF);
	ck_assert_int_eq(dev_try(&ring, 1, buf, PG, 0, FIXED).res, -EBADF);
	ck_assert_int_eq(unregister(&ring), -ENXIO);
	register_files(&ring, &fd, 1);
	ck_assert_int_eq(dev_read(&ring, 0, buf, PG, 0, FIXED).res, PG);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_slot_can_be_filled_changed_and_emptied)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int a = dev_file(fs, SIZE, 36), b = dev_file(fs, SIZE, 37), ro = dev_reopen(a, O_RDONLY);
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;

	dev_ring(&ring, 8);
	sparse(&ring, 3);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-files"), 0);
	ck_assert_int_eq(reg(&ring, NBREAD_REGISTER_FILES_UPDATE, 0, (int[]){ a, b }, 2, 1), 2);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-files"), 2);
	ck_assert_int_eq(dev_read(&ring, 1, buf, PG, PG, FIXED).res, PG);
	dev_check(buf, PG, PG, 36);
	ck_assert_int_eq(dev_read(&ring, 2, buf, PG, PG, FIXED).res, PG);
	dev_check(buf, PG, PG, 37);
	close(a);
	ck_assert(!is_let_go(ro));
	ck_assert_int_eq(set(&ring, 1, b), 1);
	ck_assert(is_let_go(ro));
	ck_assert_int_eq(dev_read(&ring, 1, buf, PG, 0, FIXED).res, PG);
	dev_check(buf, PG, 0, 37);
	ck_assert_int_eq(set(&ring, 1, -1), 1);
	ck_assert_int_eq(set(&ring, 1, -1), 1);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-files"), 1);
	ck_assert_int_eq(dev_read(&ring, 1, buf, PG, 0, FIXED).res, -EBADF);
	/* Up to the bad one, which leaves its slot as it was. */
	ck_assert_int_eq(reg(&ring, NBREAD_REGISTER_FILES_UPDATE, 0, (int[]){ b, b, -2 }, 3, 0), 2);
	ck_assert_int_eq(dev_read(&ring, 2, buf, PG, 0, FIXED).res, PG);
	ck_assert_int_eq(reg(&ring, NBREAD_REGISTER_FILES_UPDATE, 0, (int[]){ -2, b }, 2, 0),
			 -EBADF);
	nbread_queue_exit(&ring);
}
END_TEST

enum { CHANGE, EMPTY, UNREGISTER, NR_HOWS };

/* Parked reads of an index; then the slot is taken from under them. */
START_TEST(parked_reads_keep_the_file_they_began_with)
{
	const struct dev_fs *fs = dev_fs(_i / NR_HOWS);
	int fd = dev_cold_file(fs, MB(1), 38), ro = dev_reopen(fd, O_RDONLY);
	int other = dev_file(dev_fs(DEV_EXT4), MB(1), 39);
	unsigned char *buf = dev_buf(8 * PG);
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	register_files(&ring, &fd, 1);
	close(fd);
	dev_hold(fs);
	for (int i = 0; i < 8; i++)
		dev_prep(&ring, 0, buf + i * PG, PG, i * 2 * PG, FIXED, i);
	dev_submit(&ring, 8);
	dev_check_none(&ring);
	switch (_i % NR_HOWS) {
	case CHANGE:
		ck_assert_int_eq(set(&ring, 0, other), 1);
		break;
	case EMPTY:
		ck_assert_int_eq(set(&ring, 0, -1), 1);
		break;
	default:
		ck_assert_int_eq(unregister(&ring), 0);
	}
	dev_check_none(&ring);
	dev_release(fs);
	for (int i = 0; i < 8; i++) {
		cqe = dev_next(&ring);
		ck_assert_int_eq(cqe.res, PG);
		dev_check(buf + cqe.user_data * PG, PG, cqe.user_data * 2 * PG, 38);
	}
	/* Each gave its reference back. */
	if (_i / NR_HOWS != DEV_BDEV)
		dev_await(is_let_go(ro));
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_file_that_became_direct_is_refused_from_the_next_call_on)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 39);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;

	dev_ring(&ring, 8);
	register_files(&ring, &fd, 1);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_DIRECT), 0);
	ck_assert_int_eq(dev_read(&ring, 0, buf, SIZE, 0, FIXED).res, -EOPNOTSUPP);
	ck_assert_int_eq(dev_try(&ring, 0, buf, SIZE, 0, FIXED).res, -EOPNOTSUPP);
	ck_assert_int_eq(reg(&ring, NBREAD_REGISTER_FILES_UPDATE, 0, &fd, 1, 0), -EOPNOTSUPP);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	ck_assert_int_eq(dev_read(&ring, 0, buf, SIZE, 0, FIXED).res, SIZE);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(the_oracle_of_a_registered_file_is_given_by_who_asks)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 40), ro = dev_reopen(fd, O_RDONLY);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;
	struct nbread_cqe cqe;

	ck_assert_int_eq(fchmod(fd, 0644), 0);
	dev_ring(&ring, 8);
	register_files(&ring, &ro, 1);
	dev_nobody();
	cqe = dev_read(&ring, 0, buf, SIZE, 0, FIXED | NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
	ck_assert_int_eq(cqe.res, -EPERM);
	ck_assert_int_eq(dev_try(&ring, 0, buf, SIZE, 0, FIXED | NBREAD_SQE_NOIO).res, -EPERM);
	cqe = dev_read(&ring, 0, buf, SIZE, 0, FIXED);
	ck_assert_int_eq(cqe.res, SIZE);
	ck_assert_uint_eq(cqe.flags, 0);
	dev_root();
	cqe = dev_read(&ring, 0, buf, SIZE, 0, FIXED | NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
	ck_assert_int_eq(cqe.res, SIZE);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_ring_keeps_no_more_files_than_the_process_may_have_descriptors)
{
	int fds[8], fd = dev_file(dev_fs(DEV_EXT4), PG, 41);
	struct rlimit old, few = { .rlim_cur = 6, .rlim_max = 6 };
	struct nbread ring;

	for (int i = 0; i < 8; i++)
		fds[i] = fd;
	dev_ring(&ring, 8);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(reg(&ring, NBREAD_REGISTER_FILES, 0, fds, 8, 0), -EMFILE);
	/* Empty slots are none. */
	sparse(&ring, 100);
	ck_assert_int_eq(reg(&ring, NBREAD_REGISTER_FILES_UPDATE, 0, fds, 8, 50), 6);
	ck_assert_int_eq(set(&ring, 0, fd), -EMFILE);
	ck_assert_int_eq(set(&ring, 50, fd), 1);
	ck_assert_int_eq(set(&ring, 50, -1), 1);
	ck_assert_int_eq(set(&ring, 0, fd), 1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_ring_closed_with_its_files_lets_the_file_system_go)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 42), ro = dev_reopen(fd, O_RDONLY);
	long refs = dev_module_idle();
	unsigned char *buf = dev_buf(PG);
	struct nbread ring;
	int fds[64];

	for (int i = 0; i < 64; i++)
		fds[i] = fd;
	dev_ring(&ring, 8);
	register_files(&ring, fds, 64);
	close(fd);
	dev_hold(fs);
	dev_prep(&ring, 7, buf, PG, 0, FIXED, 1);
	dev_submit(&ring, 1);
	nbread_queue_exit(&ring);
	/* The parked one has a reference of its own until the disk answers. */
	ck_assert(!is_let_go(ro));
	dev_release(fs);
	dev_await(is_let_go(ro));
	dev_await(dev_module_refs() == refs);
	dev_check_same(buf, PG, 0xa5);
}
END_TEST

Suite *check_register_files_suite(void);

Suite *check_register_files_suite(void)
{
	Suite *s = suite_create("register_files");

	dev_add_each(s, an_index_reads_as_its_fd_does);
	nbtest_add(s, a_registered_file_is_read_after_its_fd_was_closed);
	nbtest_add(s, an_index_and_an_fd_of_the_same_number_are_two_files);
	nbtest_add(s, tries_of_an_index_and_of_an_fd_of_the_same_number_are_two_files);
	nbtest_add(s, an_index_without_a_file_is_ebadf);
	nbtest_add(s, a_slot_can_be_filled_changed_and_emptied);
	nbtest_add_loop(s, parked_reads_keep_the_file_they_began_with, DEV_NR_FS * NR_HOWS);
	nbtest_add(s, a_file_that_became_direct_is_refused_from_the_next_call_on);
	nbtest_add(s, the_oracle_of_a_registered_file_is_given_by_who_asks);
	nbtest_add(s, a_ring_keeps_no_more_files_than_the_process_may_have_descriptors);
	nbtest_add(s, a_ring_closed_with_its_files_lets_the_file_system_go);
	return s;
}
