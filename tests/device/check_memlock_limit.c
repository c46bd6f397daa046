// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory an unprivileged user may register: as much as he may lock, in all his
 * rings, and huge pages as what a pin of a part of them holds.
 */
#include <sys/resource.h>
#include "fixed.h"
#include "sq.h"

#define LIMIT KB(64)

/* A ring on an open device, with one empty slot; and the limit. */
static int one_slot(int dev, unsigned int flags)
{
	struct rlimit few = { LIMIT, LIMIT };
	struct nbread_setup p = { .sq_entries = 16, .flags = flags };

	FIXED_WANT(setrlimit(RLIMIT_MEMLOCK, &few) == 0);
	FIXED_WANT(raw_ioctl(dev, NBREAD_IOC_SETUP, &p) == 0);
	FIXED_WANT(raw_register(dev, NBREAD_REGISTER_BUFFERS, NBREAD_REGISTER_SPARSE, NULL, 1, 0) ==
		   0);
	return 0;
}

static int within_the_limit(void *arg)
{
	unsigned char *buf = fixed_buf(4 * LIMIT);
	const int *dev = arg;
	long before = (long)nbtest_pinned_kib();

	if (one_slot(dev[0], 0) || one_slot(dev[1], 0))
		return 1;
	FIXED_WANT(fixed_set_slot(dev[0], buf, LIMIT + 1) == -ENOMEM);
	FIXED_WANT(fixed_set_slot(dev[0], buf + 1, LIMIT) == -ENOMEM);
	FIXED_WANT((long)nbtest_pinned_kib() == before);
	FIXED_WANT(fixed_set_slot(dev[0], buf, LIMIT) == 1);
	FIXED_WANT((long)nbtest_pinned_kib() == before + (long)(LIMIT >> 10));
	/* All rings of the user count together. */
	FIXED_WANT(fixed_set_slot(dev[1], buf, 1) == -ENOMEM);
	FIXED_WANT(fixed_set_slot(dev[0], NULL, 0) == 1);
	FIXED_WANT(fixed_set_slot(dev[0], buf, LIMIT / 2) == 1);
	FIXED_WANT(fixed_set_slot(dev[1], buf, LIMIT / 2 + 1) == -ENOMEM);
	FIXED_WANT(fixed_set_slot(dev[1], buf, LIMIT / 2) == 1);
	/* The new one is there before the old one goes. */
	FIXED_WANT(fixed_set_slot(dev[1], buf, 1) == -ENOMEM);
	FIXED_WANT(raw_register(dev[0], NBREAD_UNREGISTER_BUFFERS, 0, NULL, 0, 0) == 0);
	FIXED_WANT(fixed_set_slot(dev[1], buf, 1) == 1);
	FIXED_WANT((long)nbtest_pinned_kib() == before + 4);
	FIXED_WANT(fixed_set_slot(dev[1], buf, LIMIT - PG) == 1);
	return 0;
}

START_TEST(an_unprivileged_user_registers_as_much_as_he_may_lock)
{
	int dev[2] = { raw_open_fd(), raw_open_fd() };

	ck_assert(dev[0] >= 0 && dev[1] >= 0);
	ck_assert_int_eq(nbtest_as_nobody(within_the_limit, dev), 0);
	close(dev[0]);
	close(dev[1]);
}
END_TEST

#define HUGE MB(2)

/* Three huge pages, or NULL: there are none of them. */
static unsigned char *huge_pages(void)
{
	unsigned char *map =
		mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *buf = (unsigned char *)(((uintptr_t)map + HUGE - 1) & ~(HUGE - 1));
	unsigned long kib = 0;
	char line[128];
	FILE *f;

	if (map == MAP_FAILED || madvise(buf, 3 * HUGE, MADV_HUGEPAGE))
		return NULL;
	memset(buf, 0xa5, 3 * HUGE);
	f = fopen("/proc/self/smaps_rollup", "re");
	while (f && !kib && fgets(line, sizeof(line), f))
		sscanf(line, "AnonHugePages: %lu kB", &kib);
	if (f)
		fclose(f);
	return kib >= 3 * HUGE >> 10 ? buf : NULL;
}

#define NO_HUGE_PAGES 77

/* Two huge pages may be locked. */
static int within_huge_pages(void *arg)
{
	struct rlimit two = { 2 * HUGE, 2 * HUGE };
	long before = (long)nbtest_pinned_kib(), huge = HUGE >> 10;
	struct nbread_setup p = { .sq_entries = 16 };
	unsigned char *buf = huge_pages();
	int dev = *(int *)arg;

	if (!buf)
		return NO_HUGE_PAGES;
	FIXED_WANT(setrlimit(RLIMIT_MEMLOCK, &two) == 0);
	FIXED_WANT(raw_ioctl(dev, NBREAD_IOC_SETUP, &p) == 0);
	FIXED_WANT(raw_register(dev, NBREAD_REGISTER_BUFFERS, NBREAD_REGISTER_SPARSE, NULL, 64,
				0) == 0);
	/* Many buffers of one count once, and as all of it. */
	for (unsigned int i = 0; i < 64; i++) {
		struct nbread_buffer b = { .addr = (uintptr_t)buf + i * 2 * PG, .len = PG };

		FIXED_WANT(raw_register(dev, NBREAD_REGISTER_BUFFERS_UPDATE, 0, &b, 1, i) == 1);
		FIXED_WANT((long)nbtest_pinned_kib() == before + huge);
	}
	FIXED_WANT(fixed_set_slot(dev, buf + HUGE, PG) == 1);
	FIXED_WANT((long)nbtest_pinned_kib() == before + 2 * huge);
	FIXED_WANT(fixed_set_slot(dev, buf + 2 * HUGE, PG) == -ENOMEM);
	FIXED_WANT(fixed_set_slot(dev, buf + HUGE - PG, HUGE + 2 * PG) == -ENOMEM);
	FIXED_WANT((long)nbtest_pinned_kib() == before + 2 * huge);
	/* Over the edge: the second one is given back, and is there again. */
	FIXED_WANT(fixed_set_slot(dev, NULL, 0) == 1);
	FIXED_WANT((long)nbtest_pinned_kib() == before + huge);
	FIXED_WANT(fixed_set_slot(dev, buf + HUGE - PG, 2 * PG) == 1);
	FIXED_WANT((long)nbtest_pinned_kib() == before + 2 * huge);
	FIXED_WANT(raw_register(dev, NBREAD_UNREGISTER_BUFFERS, 0, NULL, 0, 0) == 0);
	FIXED_WANT((long)nbtest_pinned_kib() == before);
	FIXED_WANT(raw_register(dev, NBREAD_REGISTER_BUFFERS, NBREAD_REGISTER_SPARSE, NULL, 1, 0) ==
		   0);
	FIXED_WANT(fixed_set_slot(dev, buf, 2 * HUGE) == 1);
	FIXED_WANT(fixed_set_slot(dev, NULL, 0) == 1);
	FIXED_WANT(fixed_set_slot(dev, buf + PG, 2 * HUGE) == -ENOMEM);
	FIXED_WANT((long)nbtest_pinned_kib() == before);
	return 0;
}

START_TEST(a_huge_page_counts_whole_and_once)
{
	int dev = raw_open_fd(), ret;

	ck_assert_int_ge(dev, 0);
	ret = nbtest_as_nobody(within_huge_pages, &dev);
	close(dev);
	if (ret == NO_HUGE_PAGES)
		nbtest_skip("no transparent huge pages");
	ck_assert_int_eq(ret, 0);
}
END_TEST

Suite *check_memlock_limit_suite(void);

Suite *check_memlock_limit_suite(void)
{
	Suite *s = suite_create("memlock_limit");

	nbtest_add(s, an_unprivileged_user_registers_as_much_as_he_may_lock);
	nbtest_add(s, a_huge_page_counts_whole_and_once);
	return s;
}
