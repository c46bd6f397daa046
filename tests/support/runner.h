/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What main.c and suite.c of a runner share. The Makefile generates
 * runner_suites for each tier from the names of its check_*.c.
 */
#ifndef NBTEST_RUNNER_H
#define NBTEST_RUNNER_H

#include <check.h>
#include <stdbool.h>

/* NULL-terminated */
extern Suite *(*const runner_suites[])(void);

/** runner_list_only - '--list' was given */
bool runner_list_only(void);

/** runner_mine - whether the next test belongs to this part ('--part') */
bool runner_mine(void);

/** runner_planned - how many tests were added that CK_RUN_CASE lets run */
unsigned int runner_planned(void);

/*
 * A tier may have these: an option of its own (true: it was one; *at moves on when @next is
 * its value), and a look at the suites before anything runs (true: run nothing).
 */
bool runner_option(const char *option, const char *next, int *at) __attribute__((weak));
bool runner_suites_made(void) __attribute__((weak));

#endif /* NBTEST_RUNNER_H */
