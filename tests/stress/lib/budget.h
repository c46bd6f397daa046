/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many instructions a path may cost: what it cost when the figure was last set, and
 * 3 % more. A change that makes a path dearer has to say so, by a change of the figure; one
 * that makes it cheaper lowers it, so that the gain is kept. The figures stand in the
 * programs, next to the names of their tests.
 */
#ifndef BUDGET_H
#define BUDGET_H

/* Prints the TAP line of the test @name. Return: 1 if it failed, else 0. */
int budget_judge(const char *name, unsigned int budget, double instructions);

/* Prints it as failed, with the reason. Return: 1. */
int budget_broken(const char *name, const char *why);

#endif /* BUDGET_H */
