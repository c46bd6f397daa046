/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the raw ABI tests share: a ring, a resident file with known bytes, a
 * buffer that shows every byte that was written to it, and the checks that a
 * refused call did nothing.
 */
#ifndef NBREAD_TESTS_ABI_H
#define NBREAD_TESTS_ABI_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nbtest.h"
#include "raw.h"

#define ABI_SQ 8
#define ABI_CQ 16
#define ABI_FILE_ID 0x5a
#define ABI_FILE_SIZE ((uint64_t)64 << 10)
#define ABI_BUF_SIZE ((size_t)128 << 10)
#define ABI_CANARY 0xa5
#define ABI_USER_DATA UINT64_C(0x1122334455667788)

/* An address no user space has, and one in the kernel's half. */
#define ABI_NON_CANONICAL UINT64_C(0x0000900000000000)
#define ABI_KERNEL_ADDRESS UINT64_C(0xffff888000001000)

/** struct abi - one test's things; see abi_begin() */
struct abi {
	struct raw r;
	struct nbtest_file file;
	uint8_t *buf; /* ABI_BUF_SIZE bytes, then a page that is not mapped */
	unsigned int fds;
};

/** abi_begin - a ring of ABI_SQ and ABI_CQ entries, a warm file, the buffer */
void abi_begin(struct abi *a);

/**
 * abi_end - what must be true after any call, refused or not: the ring still
 * answers a valid read, no file descriptor came to be, and nobody keeps the file
 * open once we closed it
 */
void abi_end(struct abi *a);

/** abi_ring - a ring, or the test fails; for tests that need nothing else */
void abi_ring(struct raw *r, uint32_t sq_entries, uint32_t cq_entries);

/** abi_await - until @cond holds, or the test fails */
#define abi_await(cond) ck_assert_msg(nbtest_wait_until(cond, 60000), "not in time: %s", #cond)

/** abi_query - what the module can do */
struct nbread_query abi_query(void);

/** abi_page - an anonymous page followed by one that is not mapped */
uint8_t *abi_page(void);

/** abi_unmapped - the address of a page that is not mapped */
uint64_t abi_unmapped(void);

/** abi_check_canary - bytes from @from on in a->buf were never written to */
void abi_check_canary(const struct abi *a, size_t from);

/** abi_valid - a read of 4096 bytes at 4096 that would be a hit */
struct nbread_sqe abi_valid(const struct abi *a);

/** abi_submit - one SQE through the ring; waits for its completion and takes it */
struct nbread_cqe abi_submit(struct abi *a, const struct nbread_sqe *sqe);

/** abi_next - the next completion; fails the test when there is none */
struct nbread_cqe abi_next(struct raw *r);

/*
 * Reads that do not end by themselves: of a block device that holds them until
 * abi_hold_release(). Release before the test ends, or the module stays in use.
 */

/** abi_hold_begin - the open device; its size is 4 GiB, nothing of it is resident */
int abi_hold_begin(void);

/** abi_hold_release - all reads held now end; later ones are held again */
void abi_hold_release(void);

#endif /* NBREAD_TESTS_ABI_H */
