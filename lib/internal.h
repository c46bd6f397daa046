/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the library share. Includes the public header so that
 * exactly what is declared there is visible outside the library, which is
 * otherwise built with -fvisibility=hidden; libnbread.map gives it a version.
 */
#ifndef NBREAD_INTERNAL_H
#define NBREAD_INTERNAL_H

#pragma GCC visibility push(default)
#include <libnbread.h>
#pragma GCC visibility pop

#include <stdbool.h>
#include "backend.h"

/* queue.c */

/* The wait of an ENTER; 0 or -EINVAL. */
int nbread_fill_wait(struct nbread_enter *e, unsigned wait_nr, __s64 timeout_ns,
		     const sigset_t *sigmask);

/* Its time-out becomes a point in time, so that it holds for several calls together. */
void nbread_fix_end(struct nbread_enter *e);

/* ENTER that submits nothing; wakes the ring's thread too, if that is due. */
int nbread_enter_wait(struct nbread *ring, struct nbread_enter *e);

/* Could an ENTER that does not wait bring completions? */
bool nbread_enter_helps(const struct nbread *ring);

/* shared.c: the locks of a ring that was set up; 0 or -ENOMEM. */
int nbread_locks_init(struct nbread *ring);
void nbread_locks_exit(struct nbread *ring);

#endif /* NBREAD_INTERNAL_H */
