/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings with a kernel side, by tests/support/raw.h: what the tests of SQTHREAD and SQWQ share. */
#ifndef NBREAD_TESTS_DEVICE_SQ_H
#define NBREAD_TESTS_DEVICE_SQ_H

#include "device.h"
#include "raw.h"

/* It never sleeps while a test looks: one that fails takes longer. */
#define SQ_ALWAYS 60000

/** sq_ring - a ring of @entries; idle_ms: as nbread_setup.sq_thread_idle_ms */
void sq_ring(struct raw *r, unsigned int entries, unsigned int flags, unsigned int idle_ms);

/** sq_prep - fills the next submission entry */
struct nbread_sqe *sq_prep(struct raw *r, int fd, void *buf, size_t len, off_t off,
			   unsigned int flags, uint64_t user_data);

/** sq_next - the next completion, which has to come without any call */
struct nbread_cqe sq_next(struct raw *r);

/** sq_read - one READ: handed over, the thread woken if it sleeps, its completion */
struct nbread_cqe sq_read(struct raw *r, int fd, void *buf, size_t len, off_t off,
			  unsigned int flags);

/** sq_info - a number from the ring's fdinfo */
long sq_info(const struct raw *r, const char *name);

/** sq_thread - pid of the ring's thread */
pid_t sq_thread(const struct raw *r);

/** sq_status - a number of /proc/PID/status */
long sq_status(pid_t pid, const char *name);

/** sq_state - its letter in /proc/PID/status, 0 if it is gone */
char sq_state(pid_t pid);

/** sq_cpus - where it may run, as a list */
void sq_cpus(pid_t pid, char *list, size_t size);

/** sq_ended - the thread is gone */
bool sq_ended(pid_t pid);

#endif /* NBREAD_TESTS_DEVICE_SQ_H */
