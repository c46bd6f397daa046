// SPDX-License-Identifier: GPL-2.0-only
/* See abi.h. */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "abi.h"
#include "dm.h"

#define HELD "nbread-abi-held"
/* Longer than any test runs. */
#define HELD_MS 600000

void abi_ring(struct raw *r, uint32_t sq_entries, uint32_t cq_entries)
{
	int ret = raw_open(r, sq_entries, cq_entries);

	if (ret < 0)
		nbtest_fatal("no ring of %u and %u entries: %s", sq_entries, cq_entries,
			     strerror(-ret));
}

struct nbread_query abi_query(void)
{
	struct nbread_query q = {};
	int fd = raw_open_fd();
	int ret = fd < 0 ? fd : raw_ioctl(fd, NBREAD_IOC_QUERY, &q);

	if (ret < 0)
		nbtest_fatal("QUERY: %s", strerror(-ret));
	close(fd);
	return q;
}

uint8_t *abi_page(void)
{
	uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p + 4096, 4096) != 0)
		nbtest_fatal("mmap: %m");
	memset(p, ABI_CANARY, 4096);
	return p;
}

uint64_t abi_unmapped(void)
{
	return (uintptr_t)abi_page() + 4096;
}

void abi_begin(struct abi *a)
{
	memset(a, 0, sizeof(*a));
	a->buf = mmap(NULL, ABI_BUF_SIZE + 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->buf == MAP_FAILED || munmap(a->buf + ABI_BUF_SIZE, 4096) != 0)
		nbtest_fatal("mmap: %m");
	memset(a->buf, ABI_CANARY, ABI_BUF_SIZE);
	nbtest_file_new(&a->file, ABI_FILE_ID, ABI_FILE_SIZE);
	abi_ring(&a->r, ABI_SQ, ABI_CQ);
	a->fds = nbtest_open_fds();
}

void abi_check_canary(const struct abi *a, size_t from)
{
	for (size_t i = from; i < ABI_BUF_SIZE; i++)
		if (a->buf[i] != ABI_CANARY)
			nbtest_fatal("byte %zu of the buffer was written to: %#x", i, a->buf[i]);
}

struct nbread_sqe abi_valid(const struct abi *a)
{
	return (struct nbread_sqe){
		.opcode = NBREAD_OP_READ,
		.fd = a->file.fd,
		.off = 4096,
		.addr = (uintptr_t)a->buf,
		.len = 4096,
		.user_data = ABI_USER_DATA,
	};
}

struct nbread_cqe abi_next(struct raw *r)
{
	struct nbread_cqe cqe;

	if (!raw_reap(r, &cqe))
		nbtest_fatal("there is no completion in the CQ");
	return cqe;
}

struct nbread_cqe abi_submit(struct abi *a, const struct nbread_sqe *sqe)
{
	uint32_t sq_head = *a->r.sq_head, cq_tail = *a->r.cq_tail;
	struct nbread_sqe *slot = raw_sqe(&a->r);

	ck_assert_ptr_nonnull(slot);
	*slot = *sqe;
	ck_assert_uint_eq(raw_publish(&a->r), 1);
	ck_assert_int_eq(raw_enter(&a->r, 1, 1), 1);
	ck_assert_uint_eq(*a->r.sq_head, sq_head + 1);
	ck_assert_uint_eq(*a->r.cq_tail, cq_tail + 1);
	return abi_next(&a->r);
}

/*
 * A read lease is refused while any open file of the inode is open for writing,
 * as ours was: a reference that was not given back keeps it so.
 */
static bool lease(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool given;

	if (fd < 0)
		nbtest_fatal("%s: %m", path);
	given = fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
	close(fd);
	return given;
}

void abi_end(struct abi *a)
{
	struct nbread_sqe sqe = abi_valid(a);
	struct nbread_cqe cqe;

	memset(a->buf, ABI_CANARY, ABI_BUF_SIZE);
	cqe = abi_submit(a, &sqe);
	ck_assert_msg(cqe.res == 4096, "a valid read afterwards ended with %d", cqe.res);
	ck_assert_uint_eq(cqe.user_data, ABI_USER_DATA);
	nbtest_check_bytes(a->buf, 4096, 4096, ABI_FILE_ID, 1);
	abi_check_canary(a, 4096);
	ck_assert_uint_eq(nbtest_open_fds(), a->fds);
	close(a->file.fd);
	ck_assert_msg(nbtest_wait_until(lease(a->file.path), 5000),
		      "the file is still open, after its only descriptor was closed");
	nbtest_file_free(&a->file);
	raw_close(&a->r);
}

/*
 * The device stays for the tests that follow, since each command takes its time
 * on an emulated CPU; what is left when a test dies is put right by the next one.
 */
int abi_hold_begin(void)
{
	int fd;

	if (access(dm_path(HELD), F_OK) == 0) {
		abi_hold_release();
	} else {
		if (!dm_have("delay"))
			nbtest_skip_now("this kernel has no dm-delay");
		dm_delay(HELD, dm_scratch(), HELD_MS);
	}
	fd = open(dm_path(HELD), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		nbtest_fatal("%s: %m", dm_path(HELD));
	if (ioctl(fd, BLKFLSBUF, 0) != 0)
		nbtest_fatal("BLKFLSBUF: %m");
	/* No read-ahead: a held page each, nothing more. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

void abi_hold_release(void)
{
	dm_let_go(HELD);
}
