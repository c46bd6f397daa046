// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters and requests in /proc/PID/fdinfo agree with what was done.
 */
#include "device.h"

static const char *const names[] = { "submitted", "completed", "hits",	   "waited",
				     "punted",	  "inflight",  "cancelled" };
enum { SUBMITTED, COMPLETED, HITS, WAITED, PUNTED, INFLIGHT, CANCELLED, NR_COUNTERS };

static void check_counters(const struct nbread *ring, const uint64_t want[NR_COUNTERS])
{
	for (int i = 0; i < NR_COUNTERS; i++) {
		char name[32];
		uint64_t is;

		snprintf(name, sizeof(name), "nbread-%s", names[i]);
		is = dev_fdinfo(ring, name);
		ck_assert_msg(is == want[i], "%s: %llu for %llu", name, (unsigned long long)is,
			      (unsigned long long)want[i]);
	}
}

/* Lines of requests; each of them has to be understood. seen: by user_data */
static unsigned int requests(const struct nbread *ring, bool *seen, unsigned int n, size_t len)
{
	char path[64], line[256], state[32];
	unsigned int count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", nbread_ring_fd(ring));
	f = fopen(path, "re");
	ck_assert(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long long user_data, off, l;

		if (strncmp(line, "nbread-req:", 11))
			continue;
		ck_assert_msg(sscanf(line,
				     "nbread-req:\tuser_data=%llu state=%31s off=%llu len=%llu",
				     &user_data, state, &off, &l) == 4,
			      "%s", line);
		ck_assert_uint_lt(user_data, n);
		ck_assert(!seen[user_data]);
		seen[user_data] = true;
		ck_assert_str_eq(state, "parked");
		ck_assert_uint_eq(off, user_data * 2 * PG);
		ck_assert_uint_eq(l, len);
		count++;
	}
	fclose(f);
	return count;
}

START_TEST(counters_agree_with_what_was_done)
{
	uint64_t want[NR_COUNTERS] = { 0 };
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_file(fs, MB(1), 20);
	unsigned char *buf = dev_buf(MB(1));
	struct nbread ring;

	dev_ring(&ring, 16);
	check_counters(&ring, want);
	/* Hits, by entry; then errors and NOPs, which are none. */
	for (int i = 0; i < 5; i++)
		dev_read(&ring, fd, buf, PG, i * PG, i % 2 ? NBREAD_SQE_CACHED : 0);
	want[HITS] += 5;
	want[SUBMITTED] += 5;
	want[COMPLETED] += 5;
	check_counters(&ring, want);
	ck_assert_int_eq(dev_read(&ring, -1, buf, PG, 0, 0).res, -EBADF);
	nbread_prep_nop(nbread_get_sqe(&ring));
	dev_submit(&ring, 1);
	dev_next(&ring);
	want[SUBMITTED] += 2;
	want[COMPLETED] += 2;
	check_counters(&ring, want);
	/* A worker */
	dev_read(&ring, fd, buf, PG, 0, NBREAD_SQE_ASYNC);
	want[SUBMITTED]++;
	want[COMPLETED]++;
	want[PUNTED]++;
	want[HITS] = dev_fdinfo(&ring, "nbread-hits"); /* it may tell or not */
	check_counters(&ring, want);
	/* Parked, cancelled, let go */
	nbtest_evict(fd);
	dev_hold(fs);
	for (int i = 0; i < 4; i++)
		dev_prep(&ring, fd, buf, PG, i * KB(256), 0, i);
	dev_submit(&ring, 4);
	want[SUBMITTED] += 4;
	want[INFLIGHT] += 4;
	check_counters(&ring, want);
	ck_assert_int_eq(nbread_cancel64(&ring, 2, 0), 1);
	want[INFLIGHT]--;
	want[CANCELLED]++;
	want[COMPLETED]++;
	check_counters(&ring, want);
	ck_assert_int_eq(dev_next(&ring).res, -ECANCELED);
	dev_release(fs);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(dev_next(&ring).flags, NBREAD_CQE_WAITED);
	want[INFLIGHT] -= 3;
	want[COMPLETED] += 3;
	want[WAITED] = dev_fdinfo(&ring, "nbread-waited");
	/* The cancelled one had been waiting, too. */
	ck_assert(want[WAITED] == 3 || want[WAITED] == 4);
	check_counters(&ring, want);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(each_request_in_flight_has_a_line)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(2), 20);
	unsigned char *buf = dev_buf(PG);
	bool seen[200] = { false };
	struct nbread ring;

	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	dev_ring(&ring, 256);
	dev_hold(fs);
	for (int i = 0; i < 10; i++)
		dev_prep(&ring, fd, buf, 512, i * 2 * PG, 0, i);
	dev_submit(&ring, 10);
	ck_assert_uint_eq(requests(&ring, seen, 10, 512), 10);
	/* Not more than 64 of them. */
	for (int i = 10; i < 200; i++)
		dev_prep(&ring, fd, buf, 512, i * 2 * PG, 0, i);
	dev_submit(&ring, 190);
	memset(seen, 0, sizeof(seen));
	ck_assert_uint_eq(requests(&ring, seen, 200, 512), 64);
	ck_assert_uint_eq(dev_fdinfo(&ring, "nbread-inflight"), 200);
	dev_release(fs);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(dev_next(&ring).res, 512);
	memset(seen, 0, sizeof(seen));
	ck_assert_uint_eq(requests(&ring, seen, 200, 512), 0);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_fdinfo_suite(void)
{
	Suite *s = suite_create("fdinfo");

	nbtest_add(s, counters_agree_with_what_was_done);
	nbtest_add(s, each_request_in_flight_has_a_line);
	return s;
}
