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

#endif /* NBTEST_RUNNER_H */
