// SPDX-License-Identifier: GPL-2.0-only
#include "budget.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

/* The page cache itself costs more with each kernel, so these are one kernel's. */
#define KERNEL "6.1."
#define SLACK 3 /* hundredths */

static const struct {
	const char *name;
	unsigned int instructions;
} budgets[] = {
	{ "a_cached_read_of_512_bytes_keeps_its_budget", 1028 },
	{ "a_cached_4k_read_keeps_its_budget", 1483 },
	{ "a_cached_read_of_64_kib_keeps_its_budget", 12724 },
	{ "a_cached_read_by_try_keeps_its_budget", 1300 },
	{ "a_cached_read_that_is_alone_keeps_its_budget", 3670 },
	{ "a_try_of_one_keeps_its_budget", 3016 },
	{ "a_cold_read_keeps_its_budget", 14077 },
};

static unsigned int budget_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		if (!strcmp(budgets[i].name, name))
			return budgets[i].instructions;
	}
	return 0;
}

static bool right_kernel(void)
{
	struct utsname u;

	return !uname(&u) && !strncmp(u.release, KERNEL, strlen(KERNEL));
}

int budget_judge(const char *name, double instructions)
{
	unsigned int budget = budget_of(name);
	bool dear = instructions * 100 > budget * (100.0 + SLACK);

	if (!clock_counts_instructions()) {
		printf("ok %s # SKIP the clock does not count instructions: run it under tests/vm/run --icount\n",
		       name);
		return 0;
	}
	if (!right_kernel()) {
		printf("ok %s # SKIP the budgets are those of Linux %sx: %.0f instructions\n", name,
		       KERNEL, instructions);
		return 0;
	}
	printf("%s %s %.0f instructions, %u are allowed and %d %% more\n", dear ? "not ok" : "ok",
	       name, instructions, budget, SLACK);
	if (instructions * 100 < budget * (100.0 - SLACK))
		printf("# %s: the budget can be lowered to %.0f in tests/stress/lib/budget.c\n",
		       name, instructions);
	return dear;
}

int budget_broken(const char *name, const char *why)
{
	printf("not ok %s: %s\n", name, why);
	return 1;
}
