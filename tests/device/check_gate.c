// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may ask what is resident: NOIO and the HIT flag are given to the owner of
 * the file, to who may write it, and to who has it open for writing; everybody
 * else reads the same bytes, but gets -EPERM for NOIO and no flag. The try is
 * whether mincore(2) would tell.
 */
#include "device.h"

#define SIZE KB(64)

struct answer {
	bool noio;
	bool hit;
};

/* Asks in each way there is; all have to agree. */
static struct answer ask(struct nbread *ring, int fd)
{
	unsigned char *buf = dev_buf(SIZE);
	struct nbread_file_info info;
	struct answer a;
	struct nbread_try try, plain_try;
	struct nbread_cqe read, cached, noio;

	nbtest_warm(fd);
	read = dev_read(ring, fd, buf, SIZE, 0, 0);
	ck_assert_int_eq(read.res, SIZE);
	dev_check(buf, SIZE, 0, 4);
	memset(buf, 0xa5, SIZE);
	cached = dev_read(ring, fd, buf, SIZE, 0, NBREAD_SQE_CACHED);
	ck_assert_int_eq(cached.res, SIZE);
	dev_check(buf, SIZE, 0, 4);
	memset(buf, 0xa5, SIZE);
	plain_try = dev_try(ring, fd, buf, SIZE, 0, 0);
	ck_assert_int_eq(plain_try.res, SIZE);
	dev_check(buf, SIZE, 0, 4);
	memset(buf, 0xa5, SIZE);

	a.hit = read.flags & NBREAD_CQE_HIT;
	ck_assert_uint_eq(cached.flags, a.hit ? NBREAD_CQE_HIT : 0);
	ck_assert_uint_eq(plain_try.cqe_flags, a.hit ? NBREAD_CQE_HIT : 0);

	try = dev_try(ring, fd, buf, SIZE, 0, NBREAD_SQE_NOIO);
	noio = dev_read(ring, fd, buf, SIZE, 0, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO);
	ck_assert_int_eq(try.res, noio.res);
	ck_assert_uint_eq(try.cqe_flags, noio.flags);
	a.noio = noio.res == SIZE;
	if (a.noio) {
		ck_assert_uint_eq(noio.flags, NBREAD_CQE_HIT);
	} else {
		ck_assert_int_eq(noio.res, -EPERM);
		ck_assert_uint_eq(noio.flags, 0);
		dev_check_same(buf, SIZE, 0xa5);
	}
	ck_assert_int_eq(nbread_file_info(ring, fd, &info), 0);
	ck_assert_uint_eq(!!(info.flags & NBREAD_FILE_ORACLE), a.noio);
	return a;
}

static const struct {
	const char *name;
	unsigned int uid, mode;
	int open_flags;
	bool open_as_root;
	bool given;
} rows[] = {
	{ "nobody_gets_no_oracle_on_a_root_owned_0644_file", 0, 0644, O_RDONLY, false, false },
	{ "nobody_gets_none_on_a_file_that_root_opened_for_reading", 0, 0600, O_RDONLY, true,
	  false },
	{ "nobody_gets_it_on_a_file_of_his_own", 65534, 0644, O_RDONLY, false, true },
	{ "nobody_gets_it_on_a_file_of_his_own_that_he_may_not_write", 65534, 0444, O_RDONLY, false,
	  true },
	{ "nobody_gets_it_on_a_file_that_all_may_write", 0, 0666, O_RDONLY, false, true },
	{ "nobody_gets_it_on_a_file_open_for_writing", 0, 0644, O_RDWR, true, true },
	{ "nobody_gets_none_on_a_stranger_s_file", 1000, 0644, O_RDONLY, false, false },
};

START_TEST(oracle)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_file(fs, SIZE, 4);
	struct nbread ring;
	struct answer a;

	dev_ring(&ring, 8);
	ck_assert_int_eq(fchown(fd, rows[_i].uid, 0), 0);
	ck_assert_int_eq(fchmod(fd, rows[_i].mode), 0);
	/* The fd of dev_file() can write, so it tells in any case. */
	if (rows[_i].open_as_root)
		fd = dev_reopen(fd, rows[_i].open_flags);
	dev_nobody();
	if (!rows[_i].open_as_root) {
		char path[64];

		snprintf(path, sizeof(path), "%s/file4", fs->mnt);
		fd = open(path, rows[_i].open_flags);
		ck_assert_int_ge(fd, 0);
	}
	a = ask(&ring, fd);
	ck_assert_msg(a.noio == rows[_i].given, "NOIO was %sgiven", a.noio ? "" : "not ");
	ck_assert_msg(a.hit == rows[_i].given, "HIT was %sgiven", a.hit ? "" : "not ");
	dev_root();
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(root_gets_the_oracle_on_any_file)
{
	int fd = dev_file(dev_fs(_i), SIZE, 4), own = dev_reopen(fd, O_RDONLY);
	struct nbread ring;
	struct answer a;

	if (_i != DEV_BDEV)
		ck_assert_int_eq(fchown(fd, 1000, 1000), 0);
	dev_ring(&ring, 8);
	a = ask(&ring, own);
	ck_assert(a.noio && a.hit);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_refused_noio_of_a_cold_file_starts_no_io)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, SIZE, 4), own = dev_reopen(fd, O_RDONLY);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;
	uint64_t reads = dev_reads(fs);

	dev_ring(&ring, 8);
	dev_nobody();
	ck_assert_int_eq(dev_try(&ring, own, buf, SIZE, 0, NBREAD_SQE_NOIO).res, -EPERM);
	ck_assert_int_eq(
		dev_read(&ring, own, buf, SIZE, 0, NBREAD_SQE_CACHED | NBREAD_SQE_NOIO).res,
		-EPERM);
	dev_root();
	ck_assert_uint_eq(dev_reads(fs), reads);
	ck_assert_uint_eq(nbtest_resident(fd, 0, SIZE), 0);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(the_oracle_is_asked_with_the_credentials_of_the_moment)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 4), own = dev_reopen(fd, O_RDONLY);
	struct nbread ring;

	dev_ring(&ring, 8);
	ck_assert(ask(&ring, own).noio);
	dev_nobody();
	ck_assert(!ask(&ring, own).noio);
	dev_root();
	ck_assert(ask(&ring, own).noio);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_gate_suite(void)
{
	Suite *s = suite_create("gate");

	nbtest_add_table(s, oracle, rows);
	dev_add_each(s, root_gets_the_oracle_on_any_file);
	dev_add_each(s, a_refused_noio_of_a_cold_file_starts_no_io);
	nbtest_add(s, the_oracle_is_asked_with_the_credentials_of_the_moment);
	return s;
}
