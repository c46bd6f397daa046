// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adding tests to suites, and failing one: the libcheck side of nbtest. Linked
 * into the runners only; stress programs have what nbtest.c has instead.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nbtest.h"
#include "runner.h"

static unsigned int planned;
static const char *row; /* libcheck tells only the function */
static SFun before_each;

void nbtest_before_each(SFun fn)
{
	before_each = fn;
}

unsigned int runner_planned(void)
{
	return planned;
}

void nbtest_add_tcase(Suite *suite, const char *name, const TTest *fn, SFun setup, SFun teardown,
		      int from, int to, unsigned int seconds)
{
	const char *wanted = getenv("CK_RUN_CASE");
	TCase *tc;

	if (!runner_mine())
		return;
	tc = tcase_create(name);
	tcase_set_timeout(tc, seconds);
	if (before_each)
		tcase_add_checked_fixture(tc, before_each, NULL);
	if (setup || teardown)
		tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, fn, from, to);
	suite_add_tcase(suite, tc);

	if (runner_list_only())
		puts(name);
	if (!wanted || strcmp(wanted, name) == 0)
		planned += (unsigned int)(to - from);
}

void nbtest_row(const char *name)
{
	row = name;
}

/* One write(2): tests in several processes may skip at once. */
void nbtest_note_skip(const char *fmt, ...)
{
	const char *tap = getenv("CK_TAP_LOG_FILE_NAME");
	char line[1024], path[512];
	va_list ap;
	int n, fd;

	n = snprintf(line, sizeof(line), "%s: ", row ? row : tcase_name());
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	line[n] = 0;
	fprintf(stderr, "skipped: %s", line);
	if (!tap)
		return;
	snprintf(path, sizeof(path), "%s.skip", tap);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		nbtest_fatal("cannot note in %s that this test is skipped: %m", path);
	close(fd);
}

void nbtest_fatal(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ck_abort_msg("%s", text);
	/* Only a test that runs without a process of its own comes here. */
	abort();
}
