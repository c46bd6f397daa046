/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * raw: /dev/nbread by ioctl and mmap alone, without the library and without
 * libcheck (the 32-bit program has neither). Everything returns -errno.
 */
#ifndef NBTEST_RAW_H
#define NBTEST_RAW_H

#include <linux/nbread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_DEVICE "/dev/nbread"

/** struct raw - a ring of our own */
struct raw {
	int fd;
	struct nbread_setup p;
	uint8_t *ring; /* NULL before raw_map() */
	uint32_t *sq_head, *sq_tail, *sq_flags;
	uint32_t *cq_head, *cq_tail, *cq_flags;
	struct nbread_sqe *sqes;
	struct nbread_cqe *cqes;
	uint32_t sq_mask, cq_mask;
	uint32_t next; /* SQ tail that raw_publish() will store */
};

/** raw_ioctl - the result, or -errno */
int raw_ioctl(int fd, unsigned long cmd, void *arg);

/** raw_open_fd - a new open file of the device */
int raw_open_fd(void);

/** raw_open - raw_open_fd(), SETUP and mmap; cq_entries 0: the default */
int raw_open(struct raw *r, uint32_t sq_entries, uint32_t cq_entries);

/** raw_open_p - the same with what is in r->p: sq_entries, flags and so on */
int raw_open_p(struct raw *r);

/** raw_map - mmap after a SETUP whose result is in r->p */
int raw_map(struct raw *r);

void raw_close(struct raw *r);

/** raw_sqe - the next slot, zeroed; NULL when the SQ is full */
struct nbread_sqe *raw_sqe(struct raw *r);

/** raw_prep_read - and its user_data */
void raw_prep_read(struct nbread_sqe *sqe, int fd, void *buf, uint32_t len, uint64_t off,
		   uint64_t user_data);

/** raw_publish - makes what raw_sqe() gave out visible; returns how many wait in the SQ */
uint32_t raw_publish(struct raw *r);

/** raw_enter - ENTER without flags */
int raw_enter(struct raw *r, uint32_t to_submit, uint32_t min_complete);

/** raw_enter_ns - ENTER with a relative timeout */
int raw_enter_ns(struct raw *r, uint32_t to_submit, uint32_t min_complete, uint64_t timeout_ns);

/** raw_enter_flags - ENTER with flags, and a relative timeout if it is not 0 */
int raw_enter_flags(struct raw *r, uint32_t to_submit, uint32_t min_complete, uint32_t flags,
		    uint64_t timeout_ns);

/** raw_asleep - whether the thread of an SQTHREAD ring says that it sleeps */
bool raw_asleep(const struct raw *r);

/**
 * raw_hand_over - raw_publish(), and ENTER if the thread of an SQTHREAD ring sleeps
 *
 * How many calls that took, 0 or 1, or -errno.
 */
int raw_hand_over(struct raw *r);

/** raw_cq_ready - completions that wait in the CQ */
uint32_t raw_cq_ready(const struct raw *r);

/** raw_reap - takes the oldest completion; false when there is none */
bool raw_reap(struct raw *r, struct nbread_cqe *cqe);

/**
 * raw_read - one read through the ring, waited for; the CQ must be empty
 *
 * Its result, or the error of ENTER. @flags: SQE flags; @cqe_flags may be NULL.
 */
int raw_read(struct raw *r, int fd, void *buf, uint32_t len, uint64_t off, uint16_t flags,
	     uint32_t *cqe_flags);

/** raw_try - one entry of TRY; its res, or the error of the call */
int raw_try(int dev_fd, int fd, void *buf, uint32_t len, uint64_t off, uint32_t flags,
	    uint32_t *cqe_flags);

/** raw_register - REGISTER; what it returns */
int raw_register(int dev_fd, uint32_t op, uint32_t flags, const void *addr, uint32_t nr,
		 uint32_t off);

#endif /* NBTEST_RAW_H */
