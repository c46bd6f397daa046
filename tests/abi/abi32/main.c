// SPDX-License-Identifier: GPL-2.0-only
/*
 * The core of the ABI from a 32-bit program: one layout serves both, so every
 * call has to work as it does for 64 bit. There is no 32-bit libcheck, so this
 * counts by itself.
 *
 *   nbread-abi32 [--list]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "raw.h"

#define SIZE 65536

static const char *failed; /* why the test of this moment failed */
static struct raw ring;
static uint8_t content[SIZE], buf[SIZE];
static int file;
static char path[256];

#define CHECK(cond)                     \
	do {                            \
		if (!(cond)) {          \
			failed = #cond; \
			return;         \
		}                       \
	} while (0)

static void this_program_has_32_bits(void)
{
	CHECK(sizeof(void *) == 4);
	CHECK(sizeof(struct iovec) == 8);
	CHECK(sizeof(struct nbread_setup) == 128);
	CHECK(sizeof(struct nbread_query) == 104);
}

static void query_from_32_bit(void)
{
	struct nbread_query q = {};

	CHECK(raw_ioctl(ring.fd, NBREAD_IOC_QUERY, &q) == 0);
	CHECK(q.abi_version == NBREAD_ABI_VERSION);
	CHECK(q.max_iov == 1024);
}

static void setup_and_nop_from_32_bit(void)
{
	struct nbread_sqe *sqe = raw_sqe(&ring);
	struct nbread_cqe cqe;

	CHECK(sqe);
	sqe->user_data = UINT64_C(0x123456789abcdef0);
	raw_publish(&ring);
	CHECK(raw_enter(&ring, 1, 1) == 1);
	CHECK(raw_reap(&ring, &cqe));
	CHECK(cqe.user_data == UINT64_C(0x123456789abcdef0) && cqe.res == 0);
}

static void read_from_32_bit(void)
{
	memset(buf, 0xa5, sizeof(buf));
	CHECK(raw_read(&ring, file, buf, 10000, 1234, 0, NULL) == 10000);
	CHECK(memcmp(buf, content + 1234, 10000) == 0);
	CHECK(buf[10000] == 0xa5);
}

static void read_behind_4_gib_from_32_bit(void)
{
	CHECK(pwrite(file, "far away", 8, INT64_C(5) << 32) == 8);
	CHECK(raw_read(&ring, file, buf, 100, UINT64_C(5) << 32, 0, NULL) == 8);
	CHECK(memcmp(buf, "far away", 8) == 0);
	CHECK(ftruncate(file, SIZE) == 0);
}

/* The one struct whose layout differs is the kernel's: struct iovec. */
static void readv_from_32_bit(void)
{
	struct iovec iov[3] = { { buf, 100 }, { buf + 4096, 5000 }, { buf + 20000, 1 } };
	struct nbread_sqe *sqe = raw_sqe(&ring);
	struct nbread_cqe cqe;

	CHECK(sqe);
	raw_prep_read(sqe, file, iov, 3, 77, 5);
	sqe->opcode = NBREAD_OP_READV;
	memset(buf, 0xa5, sizeof(buf));
	raw_publish(&ring);
	CHECK(raw_enter(&ring, 1, 1) == 1);
	CHECK(raw_reap(&ring, &cqe));
	CHECK(cqe.res == 5101);
	CHECK(memcmp(buf, content + 77, 100) == 0);
	CHECK(memcmp(buf + 4096, content + 177, 5000) == 0);
	CHECK(buf[20000] == content[5177] && buf[100] == 0xa5 && buf[20001] == 0xa5);
}

static void async_read_from_32_bit(void)
{
	struct iovec iov[2] = { { buf, 4096 }, { buf + 8192, 4096 } };
	struct nbread_sqe *sqe = raw_sqe(&ring);
	struct nbread_cqe cqe;

	CHECK(sqe);
	raw_prep_read(sqe, file, iov, 2, 0, 6);
	sqe->opcode = NBREAD_OP_READV;
	sqe->flags = NBREAD_SQE_ASYNC;
	raw_publish(&ring);
	CHECK(raw_enter(&ring, 1, 1) == 1);
	CHECK(raw_reap(&ring, &cqe));
	CHECK(cqe.res == 8192 && (cqe.flags & NBREAD_CQE_PUNTED));
	CHECK(memcmp(buf, content, 4096) == 0);
	CHECK(memcmp(buf + 8192, content + 4096, 4096) == 0);
}

static void an_address_above_4_gib_is_refused_from_32_bit(void)
{
	struct nbread_sqe *sqe = raw_sqe(&ring);
	struct nbread_cqe cqe;

	CHECK(sqe);
	raw_prep_read(sqe, file, NULL, 16, 0, 8);
	sqe->addr = UINT64_C(0x100000000) + (uintptr_t)buf;
	memset(buf, 0xa5, sizeof(buf));
	raw_publish(&ring);
	CHECK(raw_enter(&ring, 1, 1) == 1);
	CHECK(raw_reap(&ring, &cqe));
	CHECK(cqe.res == -EFAULT);
	CHECK(buf[0] == 0xa5);
}

static void try_from_32_bit(void)
{
	uint32_t flags = 0;

	memset(buf, 0, sizeof(buf));
	CHECK(raw_try(ring.fd, file, buf, 4096, 4000, 0, &flags) == 4096);
	CHECK(flags == NBREAD_CQE_HIT);
	CHECK(memcmp(buf, content + 4000, 4096) == 0);
}

static void cancel_from_32_bit(void)
{
	struct nbread_cancel c = { .user_data = 1 };

	CHECK(raw_ioctl(ring.fd, NBREAD_IOC_CANCEL, &c) == -ENOENT);
	c.flags = 1U << 31;
	CHECK(raw_ioctl(ring.fd, NBREAD_IOC_CANCEL, &c) == -EINVAL);
}

static void file_info_from_32_bit(void)
{
	struct nbread_file_info info = { .fd = file };

	CHECK(raw_ioctl(ring.fd, NBREAD_IOC_FILE_INFO, &info) == 0);
	CHECK(info.path != NBREAD_PATH_REFUSED && info.error == 0);
}

static void timeout_from_32_bit(void)
{
	CHECK(raw_enter_ns(&ring, 0, 1, 1000000) == -ETIME);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define T(name)             \
	{                   \
#name, name \
	}
	T(this_program_has_32_bits),
	T(query_from_32_bit),
	T(setup_and_nop_from_32_bit),
	T(read_from_32_bit),
	T(read_behind_4_gib_from_32_bit),
	T(readv_from_32_bit),
	T(async_read_from_32_bit),
	T(an_address_above_4_gib_is_refused_from_32_bit),
	T(try_from_32_bit),
	T(cancel_from_32_bit),
	T(file_info_from_32_bit),
	T(timeout_from_32_bit),
};

#define NR (sizeof(tests) / sizeof(tests[0]))

static int bail_out(const char *what, int err)
{
	printf("Bail out! %s: %s\n", what, strerror(err));
	return 1;
}

int main(int argc, char **argv)
{
	const char *dir = getenv("NBREAD_MNT");
	int ret, bad = 0;

	if (argc > 1 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < NR; i++)
			puts(tests[i].name);
		return 0;
	}
	snprintf(path, sizeof(path), "%s/abi32-XXXXXX", dir && *dir ? dir : "/tmp");
	file = mkostemp(path, O_CLOEXEC);
	for (size_t i = 0; i < SIZE; i++)
		content[i] = (uint8_t)(i * 7 + i / 256);
	if (file < 0 || write(file, content, SIZE) != SIZE)
		return bail_out(path, errno);
	unlink(path);
	ret = raw_open(&ring, 8, 16);
	if (ret < 0)
		return bail_out(RAW_DEVICE, -ret);

	printf("1..%zu\n", NR);
	for (size_t i = 0; i < NR; i++) {
		failed = NULL;
		tests[i].run();
		printf("%sok %zu - %s%s%s\n", failed ? "not " : "", i + 1, tests[i].name,
		       failed ? " not true: " : "", failed ? failed : "");
		fflush(stdout);
		bad += failed != NULL;
	}
	return bad ? 1 : 0;
}
