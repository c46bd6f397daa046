// SPDX-License-Identifier: GPL-2.0-only
/*
 * docs/backends.md out of what the suites say of themselves: 'nbread-behave --differences'.
 * 'make backends-doc' writes it, tests/unit/backends.sh sees that it is not stale.
 */
#include "behave.h"
#include "runner.h"

#define MAX_NOTES 512

static struct {
	const char *promise, *text;
	const char *test, *why;
	const struct behave_differs *differs;
} notes[MAX_NOTES];
static unsigned nr_notes;
static const char *promise, *promise_text;

Suite *behave_promise(const char *name, const char *text)
{
	promise = name;
	promise_text = text;
	return suite_create(name);
}

void behave_note(Suite *suite, const char *test, const struct behave_differs *d, const char *why)
{
	(void)suite; /* the one that behave_promise() made last */
	if (nr_notes == MAX_NOTES)
		abort();
	notes[nr_notes].promise = promise;
	notes[nr_notes].text = promise_text;
	notes[nr_notes].test = test;
	notes[nr_notes].why = why;
	notes[nr_notes++].differs = d;
}

static unsigned end_of_promise(unsigned from)
{
	unsigned to = from;

	while (to < nr_notes && notes[to].promise == notes[from].promise)
		to++;
	return to;
}

static void count(unsigned from, unsigned to, unsigned *same, unsigned *differ)
{
	*same = *differ = 0;
	for (unsigned i = from; i < to; i++) {
		*same += !notes[i].differs;
		*differ += !!notes[i].differs;
	}
}

/* By promise; within one as they were added. */
static void sort_notes(void)
{
	for (unsigned i = 1; i < nr_notes; i++) {
		__typeof__(notes[0]) note = notes[i];
		unsigned at = i;

		for (; at && strcmp(notes[at - 1].text, note.text) > 0; at--)
			notes[at] = notes[at - 1];
		notes[at] = note;
	}
}

static void print_summary(void)
{
	unsigned from, to, same, differ, tests = 0, differences = 0;

	puts("| promise | tests that both pass alike | differences |");
	puts("|---|---|---|");
	for (from = 0; from < nr_notes; from = to) {
		to = end_of_promise(from);
		count(from, to, &same, &differ);
		printf("| %s | %u | %s |\n", notes[from].text, same, differ ? "see below" : "none");
		tests += same;
		differences += differ;
	}
	printf("| all | %u | %u |\n\n", tests, differences);
}

static void print_differences(unsigned from, unsigned to)
{
	unsigned same, differ, i;

	count(from, to, &same, &differ);
	if (!differ)
		return;
	printf("## %s\n\n", notes[from].text);
	puts("| what | module | threads | shown by |");
	puts("|---|---|---|---|");
	for (i = from; i < to; i++) {
		const struct behave_differs *d = notes[i].differs;

		if (!d)
			continue;
		printf("| %s | %s | %s | ", d->what, d->module, d->threads);
		if (notes[i].test)
			printf("`%s` |\n", notes[i].test);
		else
			printf("no test: %s |\n", notes[i].why);
	}
	putchar('\n');
}

static const char head[] =
	"<!-- SPDX-License-Identifier: GPL-2.0-only -->\n"
	"<!-- Made by 'make backends-doc' out of tests/behave; do not edit. -->\n"
	"# The two backends\n"
	"\n"
	"The library serves a ring by the module, or, where `/dev/nbread` is not to be had (no device, no permission, a device cgroup that\n"
	"refuses it), by the portable backend: `preadv2(RWF_NOWAIT)` first, then a bounded pool of threads. `NBREAD_BACKEND=module` or `threads`\n"
	"forces one; `nbread_backend(ring)` and `nbread_query()` tell what a program has got. The portable backend needs Linux 4.14.\n"
	"\n"
	"The same tests (`tests/behave`) hold both to the same promises. This page is printed by them: a difference is a record that a test\n"
	"carries, and asserts on each backend.\n"
	"\n";

static bool wanted;

bool runner_option(const char *option, const char *next, int *at)
{
	if (strcmp(option, "--differences") == 0) {
		wanted = true;
		return true;
	}
	if (strcmp(option, "--backend") || !next)
		return false;
	setenv("NBREAD_BACKEND", next, 1);
	++*at;
	return true;
}

bool runner_suites_made(void)
{
	unsigned from, to;

	if (!wanted)
		return false;
	sort_notes();
	fputs(head, stdout);
	print_summary();
	for (from = 0; from < nr_notes; from = to) {
		to = end_of_promise(from);
		print_differences(from, to);
	}
	return true;
}
