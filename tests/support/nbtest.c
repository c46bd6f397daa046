// SPDX-License-Identifier: GPL-2.0-only
/*
 * Skipping, and failing without libcheck. Part of every test program; the
 * runners' suite.c replaces both.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "nbtest.h"

__attribute__((weak)) void nbtest_note_skip(const char *fmt, ...)
{
	va_list ap;

	fputs("skipped: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

__attribute__((weak)) void nbtest_fatal(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	printf("Bail out!\n");
	exit(1);
}
