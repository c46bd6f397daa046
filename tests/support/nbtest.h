/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nbtest: what every test suite and stress program shares.
 *
 * A test is a START_TEST function with a sentence as its name, added with
 * nbtest_add(); its TCase has the same name, so CK_RUN_CASE=name and 'make check
 * CASE=name' run it alone. Helpers never return an error a test would forget:
 * what they cannot do ends the test (nbtest_fatal), unless said otherwise. They
 * may be called from any thread of the test's process.
 */
#ifndef NBTEST_H
#define NBTEST_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

/*
 * Suites (suite.c)
 */

/** NBTEST_TIMEOUT - seconds a test may take; an emulated CPU is slow */
#define NBTEST_TIMEOUT 120

/** nbtest_before_each - what each test's process does first; to be told before the tests are added */
void nbtest_before_each(SFun fn);

/** nbtest_add_tcase - the general form: iterations from..to - 1 arrive as _i */
void nbtest_add_tcase(Suite *suite, const char *name, const TTest *fn, SFun setup, SFun teardown,
		      int from, int to, unsigned int seconds);

/** nbtest_add - one test */
#define nbtest_add(suite, fn) nbtest_add_tcase(suite, #fn, fn, NULL, NULL, 0, 1, NBTEST_TIMEOUT)

/** nbtest_add_slow - one test with a time-out of its own */
#define nbtest_add_slow(suite, fn, seconds) \
	nbtest_add_tcase(suite, #fn, fn, NULL, NULL, 0, 1, seconds)

/** nbtest_add_fixture - setup and teardown run in the test's process */
#define nbtest_add_fixture(suite, fn, setup, teardown) \
	nbtest_add_tcase(suite, #fn, fn, setup, teardown, 0, 1, NBTEST_TIMEOUT)

/** nbtest_add_loop - the test runs for _i = 0 .. n - 1; each run counts as a test */
#define nbtest_add_loop(suite, fn, n) \
	nbtest_add_tcase(suite, #fn, fn, NULL, NULL, 0, n, NBTEST_TIMEOUT)

/** nbtest_add_loop_fixture - both */
#define nbtest_add_loop_fixture(suite, fn, setup, teardown, n) \
	nbtest_add_tcase(suite, #fn, fn, setup, teardown, 0, n, NBTEST_TIMEOUT)

/**
 * nbtest_add_table - a test for each row of an array whose rows have a member
 * 'name'; fn finds its row with _i. Each row can be run by its name.
 */
#define nbtest_add_table(suite, fn, table)                                                     \
	do {                                                                                   \
		for (size_t nb_i = 0; nb_i < NBTEST_ARRAY_SIZE(table); nb_i++)                 \
			nbtest_add_tcase(suite, (table)[nb_i].name, fn, NULL, NULL, (int)nb_i, \
					 (int)nb_i + 1, NBTEST_TIMEOUT);                       \
	} while (0)

#define NBTEST_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * nbtest_skip - ends the test here, as skipped: the machine lacks something.
 * A missing /dev/nbread is a failure, never a skip.
 */
#define nbtest_skip(...)                       \
	do {                                   \
		nbtest_note_skip(__VA_ARGS__); \
		return;                        \
	} while (0)

/** nbtest_skip_now - the same from a helper or setup; no teardown will run */
#define nbtest_skip_now(...)                   \
	do {                                   \
		nbtest_note_skip(__VA_ARGS__); \
		exit(0);                       \
	} while (0)

void nbtest_note_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** nbtest_row - what the running row of a table is called, for a skip's report */
void nbtest_row(const char *name);

/** nbtest_fatal - fails the test; in a program without libcheck: exit(1) */
void nbtest_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Files whose bytes say where they come from (file.c)
 *
 * Each aligned 8-byte word is: file id (8 bits, not 0), generation (16 bits),
 * offset / 8 (40 bits). So a torn, stale, misplaced or foreign byte is seen, and
 * so is a hole.
 */

/** struct nbtest_file - a temporary file, open for reading and writing */
struct nbtest_file {
	char path[256];
	int fd;
	unsigned int id;
	uint64_t size;
};

uint64_t nbtest_word(unsigned int id, unsigned int generation, uint64_t off);

/** nbtest_fill - the bytes that belong at @off; any alignment, any length */
void nbtest_fill(void *buf, size_t len, uint64_t off, unsigned int id, unsigned int generation);

/** nbtest_mismatch - index of the first wrong byte, or -1 when all are right */
ssize_t nbtest_mismatch(const void *buf, size_t len, uint64_t off, unsigned int id,
			unsigned int generation);

/** nbtest_check_bytes - fails the test at the first wrong byte and says what it was */
void nbtest_check_bytes(const void *buf, size_t len, uint64_t off, unsigned int id,
			unsigned int generation);

/** nbtest_dir - $NBREAD_MNT, or where temporary files go */
const char *nbtest_dir(void);

/** nbtest_file_new - a file in nbtest_dir(), filled with generation 1 and fsynced */
void nbtest_file_new(struct nbtest_file *f, unsigned int id, uint64_t size);
void nbtest_file_new_in(struct nbtest_file *f, const char *dir, unsigned int id, uint64_t size);

/** nbtest_file_free - closes and unlinks it */
void nbtest_file_free(struct nbtest_file *f);

/** nbtest_write_pattern - writes bytes of @generation; the file may grow */
void nbtest_write_pattern(int fd, uint64_t off, size_t len, unsigned int id,
			  unsigned int generation);

/** nbtest_warm - reads the whole file (or device), so that it is resident */
void nbtest_warm(int fd);

/** nbtest_evict - writes back, drops every page and makes sure of it by mincore(2) */
void nbtest_evict(int fd);

/** nbtest_resident - how many pages of the range are resident, by mincore(2) */
size_t nbtest_resident(int fd, uint64_t off, size_t len);

/** nbtest_page_resident - whether the page at @off is */
bool nbtest_page_resident(int fd, uint64_t off);

/** nbtest_size - of a file or a block device */
uint64_t nbtest_size(int fd);

/** nbtest_drop_caches - the kernel's clean page cache (root; all file systems) */
void nbtest_drop_caches(void);

/*
 * Processes, the system (proc.c)
 */

/** nbtest_write_text - replaces the content; 0 or -errno */
int nbtest_write_text(const char *path, const char *text);

/** nbtest_fdinfo - a number from /proc/self/fdinfo/FD */
uint64_t nbtest_fdinfo(int fd, const char *name);

/** nbtest_read_text - first line, without its newline; its length or -errno */
ssize_t nbtest_read_text(const char *path, char *buf, size_t size);

/** nbtest_sysctl - writes /proc/sys/NAME (with slashes); the old value into @old if not NULL */
void nbtest_sysctl(const char *name, const char *value, char *old, size_t old_size);

/** nbtest_disk_reads - read requests that a block device ('/dev/…') has completed */
uint64_t nbtest_disk_reads(const char *dev);

/** nbtest_disk_reads_fd - the same for the device that holds this file (not btrfs) */
uint64_t nbtest_disk_reads_fd(int fd);

/** nbtest_disk_read_sectors - sectors read so far */
uint64_t nbtest_disk_read_sectors(const char *dev);

/**
 * nbtest_run - runs a program by PATH and waits for it
 * @argv:	NULL-terminated
 * @out:	NULL, or receives its stdout and stderr; free(3) it
 *
 * Returns its exit status, or 128 + the signal that ended it.
 */
int nbtest_run(const char *const argv[], char **out);

/** nbtest_sh - the same with a command for /bin/sh; its output goes to ours */
int nbtest_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** nbtest_must_sh - fails the test, with the output, when the command fails */
void nbtest_must_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** nbtest_have_command - whether PATH has it */
bool nbtest_have_command(const char *name);

/**
 * nbtest_as_nobody - runs fn(arg) in a child without any privilege
 *
 * Returns what fn returned (0 to 255); a signal fails the test. Open files are
 * inherited. No ck_assert in fn: what it finds goes into its return value.
 */
int nbtest_as_nobody(int (*fn)(void *), void *arg);

/** nbtest_in_child - the same with all privileges */
int nbtest_in_child(int (*fn)(void *), void *arg);

/** nbtest_open_fds - how many file descriptors this process has */
unsigned int nbtest_open_fds(void);

/** nbtest_threads - threads of this process */
unsigned int nbtest_threads(void);

/** nbtest_pinned_kib - memory of this process that is pinned (VmPin) */
unsigned long nbtest_pinned_kib(void);

/** nbtest_slow - 1, or how many times slower this kernel is, as tests/vm/run reckons it */
unsigned int nbtest_slow(void);

/** nbtest_now_ns - CLOCK_MONOTONIC */
uint64_t nbtest_now_ns(void);

/**
 * nbtest_sleep_tick - the pace of a loop: of nbtest_wait_until(), of one that repeats something
 * until another thread has seen it. Never in place of a condition
 */
void nbtest_sleep_tick(void);

/**
 * nbtest_wait_until - waits for a condition, with a bound in milliseconds
 *
 * Whether it came true. Be generous: only a failing test waits for the bound, which is
 * nbtest_slow() times as long on a kernel that is as much slower.
 */
#define nbtest_wait_until(cond, ms)                                           \
	({                                                                    \
		uint64_t nb_bound = (uint64_t)(ms)*UINT64_C(1000000);         \
		uint64_t nb_end = nbtest_now_ns() + nb_bound * nbtest_slow(); \
		bool nb_true = !!(cond);                                      \
		while (!nb_true && nbtest_now_ns() < nb_end) {                \
			nbtest_sleep_tick();                                  \
			nb_true = !!(cond);                                   \
		}                                                             \
		nb_true;                                                      \
	})

#endif /* NBTEST_H */
