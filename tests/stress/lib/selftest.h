/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef STRESS_SELFTEST_H
#define STRESS_SELFTEST_H

/* The checker against right and deliberately wrong answers; 0 if it tells them apart. */
int selftest(void);

#endif /* STRESS_SELFTEST_H */
