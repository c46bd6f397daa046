// SPDX-License-Identifier: GPL-2.0-only
/*
 * main() of every runner: all suites of a tier, each test in a process of its
 * own.
 *
 *   nbread-TIER [--part I/N] [--list]
 *
 *   --part I/N   only every Nth test, from the Ith on: N of these make the whole
 *   --list       only the names of the tests
 *
 * A tier may know more options: runner_option() in runner.h.
 *
 * Environment: CK_RUN_CASE=name runs one test; CK_TAP_LOG_FILE_NAME=F writes the
 * results to F as they come, how many there will be to F.plan (so that a runner
 * that dies is found out), and the skipped ones to F.skip.
 * Exit status: 0 all passed, 1 not, 2 wrong use or no such test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nbtest.h"
#include "runner.h"

static bool list_only;
static unsigned int part = 1, parts = 1;

bool runner_list_only(void)
{
	return list_only;
}

bool runner_mine(void)
{
	static unsigned int n;

	return n++ % parts == part - 1;
}

static int write_plan(const char *tap)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s.skip", tap);
	unlink(path);
	snprintf(path, sizeof(path), "%s.plan", tap);
	f = fopen(path, "w");
	if (!f) {
		perror(path);
		return -1;
	}
	fprintf(f, "%u\n", runner_planned());
	return fclose(f);
}

int main(int argc, char **argv)
{
	const char *tap = getenv("CK_TAP_LOG_FILE_NAME");
	SRunner *sr = srunner_create(NULL);
	int failed;

	for (int i = 1; i < argc; i++) {
		if (runner_option && runner_option(argv[i], argv[i + 1], &i))
			continue;
		if (strcmp(argv[i], "--list") == 0) {
			list_only = true;
		} else if (strcmp(argv[i], "--part") != 0 || ++i == argc ||
			   sscanf(argv[i], "%u/%u", &part, &parts) != 2 || part < 1 ||
			   part > parts) {
			fprintf(stderr, "usage: %s [--part I/N] [--list]\n", argv[0]);
			return 2;
		}
	}

	for (size_t i = 0; runner_suites[i]; i++)
		srunner_add_suite(sr, runner_suites[i]());
	if (runner_suites_made && runner_suites_made()) {
		srunner_free(sr);
		return 0;
	}
	if (list_only) {
		srunner_free(sr);
		return 0;
	}
	if (runner_planned() == 0) {
		fprintf(stderr, "%s: no test here%s%s\n", argv[0],
			getenv("CK_RUN_CASE") ? " is named " : "",
			getenv("CK_RUN_CASE") ? getenv("CK_RUN_CASE") : "");
		return 2;
	}
	if (tap && write_plan(tap) != 0)
		return 2;

	setvbuf(stdout, NULL, _IOLBF, 0);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	if (srunner_ntests_run(sr) != (int)runner_planned()) {
		fprintf(stderr, "%s: %d tests ran of %u\n", argv[0], srunner_ntests_run(sr),
			runner_planned());
		failed++;
	}
	srunner_free(sr);
	return failed ? 1 : 0;
}
