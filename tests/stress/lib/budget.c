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

static bool right_kernel(void)
{
	struct utsname u;

	return !uname(&u) && !strncmp(u.release, KERNEL, strlen(KERNEL));
}

int budget_judge(const char *name, unsigned int budget, double instructions)
{
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
		printf("# %s: the budget can be lowered to %.0f\n", name, instructions);
	return dear;
}

int budget_broken(const char *name, const char *why)
{
	printf("not ok %s: %s\n", name, why);
	return 1;
}
