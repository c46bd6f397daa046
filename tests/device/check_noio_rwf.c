// SPDX-License-Identifier: GPL-2.0-only
/*
 * What nbread adds to preadv2(RWF_NOWAIT): a cached-only read that starts no I/O.
 *
 * kiocb_set_rw_flags() of include/linux/fs.h adds IOCB_NOIO to RWF_NOWAIT from 5.9 to
 * 6.11 and leaves it out since: there a miss starts readahead (filemap_get_pages() asks
 * for IOCB_NOIO only). So what preadv2 has to do here follows the running kernel, and
 * what NOIO has to do does not. The figures go to the log.
 */
#include <sys/utsname.h>
#include "device.h"

Suite *check_noio_rwf_suite(void);

#define SIZE MB(8)
#define PAGES (SIZE / PG)
#define MISSES 10000
#define BATCH 50

static bool rwf_nowait_starts_io(struct utsname *u)
{
	int major, minor;

	ck_assert_int_eq(uname(u), 0);
	ck_assert_int_eq(sscanf(u->release, "%d.%d", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 12);
}

/* All pages once, in no order that readahead would take for a pattern. */
static size_t nth_page(size_t n)
{
	return (n * 1021 + 77) % PAGES;
}

static uint64_t reads_of_noio(const struct dev_fs *fs, int fd)
{
	unsigned char *buf = dev_buf(PG);
	struct nbread_try reqs[BATCH];
	uint64_t reads = dev_reads(fs);
	struct nbread ring;

	dev_ring(&ring, 64);
	for (size_t n = 0; n < MISSES; n += BATCH) {
		memset(reqs, 0, sizeof(reqs));
		for (size_t i = 0; i < BATCH; i++) {
			reqs[i].fd = fd;
			reqs[i].flags = NBREAD_SQE_NOIO;
			reqs[i].addr = (uintptr_t)buf;
			reqs[i].off = nth_page(n + i) * PG;
			reqs[i].len = PG;
		}
		ck_assert_int_eq(nbread_try_many(&ring, reqs, BATCH), 0);
		for (size_t i = 0; i < BATCH; i++)
			dev_must(reqs[i].res == -EAGAIN, "miss %zu: %d", n + i, reqs[i].res);
	}
	nbread_queue_exit(&ring);
	dev_check_same(buf, PG, 0xa5);
	return dev_reads(fs) - reads;
}

/* @misses: how many pages were not resident when they were asked for. */
static uint64_t reads_of_preadv2(const struct dev_fs *fs, int fd, size_t calls, size_t *misses)
{
	unsigned char *buf = dev_buf(PG);
	struct iovec iov = { buf, PG };
	uint64_t reads = dev_reads(fs);

	*misses = 0;
	for (size_t n = 0; n < calls; n++) {
		off_t off = (off_t)(nth_page(n) * PG);
		ssize_t ret;

		*misses += !nbtest_page_resident(fd, (uint64_t)off);
		ret = preadv2(fd, &iov, 1, off, RWF_NOWAIT);
		if (ret < 0 && errno == EOPNOTSUPP)
			nbtest_skip_now("preadv2(RWF_NOWAIT) on %s: %m", fs->name);
		/* A fast disk may answer the read that a miss has just started. */
		dev_must(ret == (ssize_t)PG || (ret < 0 && errno == EAGAIN), "read %zu: %zd, %m", n,
			 ret);
		if (ret > 0)
			dev_check(buf, PG, (uint64_t)off, 3);
	}
	return dev_reads(fs) - reads;
}

START_TEST(a_noio_miss_starts_no_io_where_preadv2_nowait_does)
{
	const struct dev_fs *fs = dev_fs(_i);
	int fd = dev_cold_file(fs, SIZE, 3);
	size_t misses, resident;
	uint64_t noio, rwf;
	struct utsname u;
	bool starts = rwf_nowait_starts_io(&u);

	noio = reads_of_noio(fs, fd);
	ck_assert_uint_eq(noio, 0);
	ck_assert_uint_eq(nbtest_resident(fd, 0, SIZE), 0);

	/* Where it starts I/O, a second round would find hits. */
	rwf = reads_of_preadv2(fs, fd, starts ? PAGES : MISSES, &misses);
	resident = nbtest_resident(fd, 0, SIZE);
	printf("noio_rwf: %s %s: NOIO %d misses, %llu disk reads; "
	       "preadv2(RWF_NOWAIT) %zu misses, %llu disk reads, %zu of %zu pages then resident\n",
	       u.release, fs->name, MISSES, (unsigned long long)noio, misses,
	       (unsigned long long)rwf, resident, (size_t)PAGES);
	fflush(stdout);
	if (starts) {
		ck_assert_uint_gt(misses, 0);
		ck_assert_uint_gt(rwf, 0);
		ck_assert_uint_gt(resident, 0);
	} else {
		ck_assert_uint_eq(misses, MISSES);
		ck_assert_uint_eq(rwf, 0);
		ck_assert_uint_eq(resident, 0);
	}
}
END_TEST

Suite *check_noio_rwf_suite(void)
{
	Suite *s = suite_create("noio_rwf");

	dev_add_each(s, a_noio_miss_starts_no_io_where_preadv2_nowait_does);
	return s;
}
