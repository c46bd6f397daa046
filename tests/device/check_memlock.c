// SPDX-License-Identifier: GPL-2.0-only
/*
 * What registered buffers hold: pinned memory, which counts against RLIMIT_MEMLOCK of the
 * user as that of io_uring does, and a reference for each read that may still write to them. All
 * of it is given back, whoever is the last and however he ends.
 *
 * Root may lock what it likes, and counts for nobody; so what is counted is seen by nobody's
 * processes, and by VmPin, which is there for all.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "fixed.h"
#include "sq.h"

#define LIMIT KB(64)

/* A ring on an open device, with one empty slot; and the limit. */
static int one_slot(int dev, unsigned int flags)
{
	struct rlimit few = { LIMIT, LIMIT };
	struct nbread_setup p = { .sq_entries = 16, .flags = flags };

	FIXED_WANT(setrlimit(RLIMIT_MEMLOCK, &few) == 0);
	FIXED_WANT(raw_ioctl(dev, NBREAD_IOC_SETUP, &p) == 0);
	FIXED_WANT(raw_register(dev, NBREAD_REGISTER_BUFFERS, NBREAD_REGISTER_SPARSE, NULL, 1, 0) ==
		   0);
	return 0;
}

static int takes_all(void *arg)
{
	int ret;

	if (one_slot(*(int *)arg, 0))
		return 255;
	ret = fixed_set_slot(*(int *)arg, fixed_buf(LIMIT), LIMIT);
	return ret == 1 ? 0 : -ret;
}

/* Has nobody all that he may lock? */
static bool all_is_free(void)
{
	int dev = raw_open_fd(), ret;

	ck_assert_int_ge(dev, 0);
	ret = nbtest_as_nobody(takes_all, &dev);
	close(dev);
	ck_assert_msg(ret == 0 || ret == ENOMEM, "it ended with %d", ret);
	return ret == 0;
}

START_TEST(what_was_pinned_is_free_again_when_the_call_returns)
{
	unsigned char *buf = fixed_buf(MB(1));
	struct iovec iov[3] = { { buf, KB(64) }, { buf + 1, KB(64) }, { buf + KB(512), KB(512) } };
	/* The second one lies on a page more. */
	long all = 64 + 68 + 512, before = (long)nbtest_pinned_kib();
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int i = 0; i < 3; i++) {
		fixed_register(&ring, iov, 3);
		ck_assert_int_eq((long)nbtest_pinned_kib(), before + all);
		ck_assert_int_eq(fixed_set(&ring, 1, NULL, 0), 1);
		ck_assert_int_eq((long)nbtest_pinned_kib(), before + all - 68);
		ck_assert_int_eq(fixed_set(&ring, 2, buf, PG), 1);
		ck_assert_int_eq((long)nbtest_pinned_kib(), before + 64 + 4);
		ck_assert_int_eq(nbread_unregister_buffers(&ring), 0);
		ck_assert_int_eq((long)nbtest_pinned_kib(), before);
	}
	fixed_register(&ring, iov, 3);
	nbread_queue_exit(&ring);
	ck_assert_int_eq((long)nbtest_pinned_kib(), before);
}
END_TEST

enum { CHANGE, EMPTY, UNREGISTER, CLOSE, NR_HOWS };

/* Parked reads of a buffer; then it is taken from under them. */
START_TEST(reads_in_flight_keep_the_buffer_they_began_with)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 71);
	unsigned char *buf = fixed_buf(8 * PG), *other = fixed_buf(8 * PG);
	long before = (long)nbtest_pinned_kib(), refs = dev_module_idle();
	struct nbread ring;

	dev_ring(&ring, 8);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	fixed_register(&ring, &(struct iovec){ buf, 8 * PG }, 1);
	dev_hold(fs);
	for (int i = 0; i < 8; i++)
		fixed_prep(&ring, fd, 0, buf + i * PG, PG, i * 2 * PG, 0, i);
	dev_submit(&ring, 8);
	switch (_i) {
	case CHANGE:
		ck_assert_int_eq(fixed_set(&ring, 0, other, 8 * PG), 1);
		break;
	case EMPTY:
		ck_assert_int_eq(fixed_set(&ring, 0, NULL, 0), 1);
		break;
	case UNREGISTER:
		ck_assert_int_eq(nbread_unregister_buffers(&ring), 0);
		break;
	default:
		nbread_queue_exit(&ring);
	}
	/* Still pinned, so still counted; but reads that close() ended write no more. */
	if (_i == CLOSE)
		dev_await((long)nbtest_pinned_kib() == before);
	else
		ck_assert_int_eq((long)nbtest_pinned_kib(), before + (_i == CHANGE ? 64 : 32));
	dev_release(fs);
	for (int i = 0; i < 8 && _i != CLOSE; i++) {
		struct nbread_cqe cqe = dev_next(&ring);

		ck_assert_int_eq(cqe.res, PG);
		dev_check(buf + cqe.user_data * PG, PG, cqe.user_data * 2 * PG, 71);
	}
	dev_check_same(other, 8 * PG, 0xa5);
	if (_i == CLOSE)
		dev_check_same(buf, 8 * PG, 0xa5);
	ck_assert_int_eq((long)nbtest_pinned_kib(), before + (_i == CHANGE ? 32 : 0));
	if (_i != CLOSE)
		nbread_queue_exit(&ring);
	ck_assert_int_eq((long)nbtest_pinned_kib(), before);
	dev_await(dev_module_refs() == refs);
}
END_TEST

enum { CANCELLED, LATE, NR_ENDED };

/* A read that was ended does not write: its buffer does not wait for a disk that may hang. */
START_TEST(a_read_that_was_ended_lets_go_of_its_buffer_at_once)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 74);
	unsigned char *buf = fixed_buf(16 * PG);
	long before = (long)nbtest_pinned_kib(), refs = dev_module_idle();
	struct nbread_setup p = { .timeout_ns = _i == LATE ? 100 * MS : 0 };
	struct nbread ring;

	ck_assert_int_eq(nbread_queue_init_params(16, &ring, &p), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	dev_hold(fs);
	fixed_register(&ring, &(struct iovec){ buf, 16 * PG }, 1);
	for (int i = 0; i < 16; i++)
		fixed_prep(&ring, fd, 0, buf + i * PG, PG, i * 2 * PG, 0, i);
	dev_submit(&ring, 16);
	ck_assert_int_eq(nbread_unregister_buffers(&ring), 0);
	if (_i == CANCELLED)
		ck_assert_int_eq(nbread_cancel64(&ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL),
				 16);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(dev_next(&ring).res, _i == LATE ? -ETIME : -ECANCELED);
	ck_assert_uint_gt(dev_held(fs), 0);
	ck_assert_int_eq((long)nbtest_pinned_kib(), before);
	dev_release(fs);
	nbread_queue_exit(&ring);
	dev_await(dev_module_refs() == refs);
	dev_check_same(buf, 16 * PG, 0xa5);
}
END_TEST

/* The buffer's last reference is that of a request which CANCEL ends under a spinlock. */
START_TEST(a_buffer_goes_with_the_last_cancelled_read_of_it)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, MB(1), 72);
	unsigned char *buf = fixed_buf(64 * PG);
	long before = (long)nbtest_pinned_kib();
	struct nbread ring;

	dev_ring(&ring, 64);
	fixed_register(&ring, &(struct iovec){ buf, 64 * PG }, 1);
	dev_hold(fs);
	for (int i = 0; i < 64; i++)
		fixed_prep(&ring, fd, 0, buf + i * PG, PG, i * PG, NBREAD_SQE_ASYNC, i);
	dev_submit(&ring, 64);
	ck_assert_int_eq(nbread_unregister_buffers(&ring), 0);
	/* Those that a worker has begun cannot be ended. */
	ck_assert_int_gt(nbread_cancel64(&ring, 0, NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL), 0);
	dev_release(fs);
	for (int i = 0; i < 64; i++) {
		struct nbread_cqe cqe = dev_next(&ring);

		if (cqe.res == (int)PG)
			dev_check(buf + cqe.user_data * PG, PG, cqe.user_data * PG, 72);
		else
			ck_assert_int_eq(cqe.res, -ECANCELED);
	}
	dev_await((long)nbtest_pinned_kib() == before);
	nbread_queue_exit(&ring);
}
END_TEST

/* How a process ends, and whether its ring has a thread. */
enum { EXIT, KILLED, EXEC, NR_ENDS };

struct life {
	const struct dev_fs *fs;
	int fd, dev;
	int end;
	bool thread;
};

/* Eight reads are parked, into all that it may lock. */
static int begin_life(const struct life *l)
{
	unsigned char *buf = fixed_buf(LIMIT);
	struct raw r = { .fd = l->dev };

	r.p.sq_entries = 16;
	r.p.flags = l->thread ? NBREAD_SETUP_SQTHREAD : 0;
	FIXED_WANT(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ LIMIT, LIMIT }) == 0);
	FIXED_WANT(raw_ioctl(l->dev, NBREAD_IOC_SETUP, &r.p) == 0 && raw_map(&r) == 0);
	FIXED_WANT(raw_register(l->dev, NBREAD_REGISTER_BUFFERS, NBREAD_REGISTER_SPARSE, NULL, 1,
				0) == 0);
	FIXED_WANT(fixed_set_slot(l->dev, buf, LIMIT) == 1);
	for (int i = 0; i < 8; i++)
		sq_prep(&r, l->fd, buf + i * PG, PG, (off_t)(i * 2 * PG), 0, i)->opcode =
			NBREAD_OP_READ_FIXED;
	if (l->thread)
		FIXED_WANT(raw_hand_over(&r) >= 0);
	else
		FIXED_WANT(raw_enter(&r, raw_publish(&r), 0) == 8);
	/* Taken, and given their first step */
	FIXED_WANT(
		nbtest_wait_until(__atomic_load_n(r.sq_head, __ATOMIC_ACQUIRE) == r.next, 60000));
	FIXED_WANT(raw_cq_ready(&r) == 0);
	return 0;
}

static int live(void *arg)
{
	const struct life *l = arg;
	int ready[2], status = 0;
	char byte;
	pid_t pid;

	FIXED_WANT(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	if (!pid) {
		if (begin_life(l) || write(ready[1], "x", 1) != 1)
			_exit(1);
		if (l->end == EXIT)
			_exit(0);
		if (l->end == EXEC)
			execlp("true", "true", NULL);
		for (;;)
			pause();
	}
	close(ready[1]);
	FIXED_WANT(pid > 0 && read(ready[0], &byte, 1) == 1);
	if (l->end == KILLED)
		kill(pid, SIGKILL);
	FIXED_WANT(waitpid(pid, &status, 0) == pid);
	FIXED_WANT(l->end == KILLED ? WIFSIGNALED(status) : status == 0);
	return 0;
}

/* _i: how it ends; the ring of the second three has a thread. */
START_TEST(a_process_that_ends_frees_what_it_locked)
{
	struct life l = { .fs = dev_fs(DEV_EXT4), .end = _i % NR_ENDS, .thread = _i >= NR_ENDS };
	long refs = dev_module_idle();

	l.fd = dev_cold_file(l.fs, MB(1), 73);
	posix_fadvise(l.fd, 0, 0, POSIX_FADV_RANDOM);
	/* What the file system needs to know of the file, with its last page */
	dev_warm(l.fd, MB(1) - PG, PG);
	fchmod(l.fd, 0644);
	ck_assert(all_is_free());
	l.dev = raw_open_fd();
	dev_hold(l.fs);
	ck_assert_int_eq(nbtest_as_nobody(live, &l), 0);
	/* We have the ring open: what it pins outlives the mm, and counts. */
	ck_assert(!all_is_free());
	close(l.dev);
	/* Reads that the disk has not answered are ended by that, and do not hold it. */
	dev_await(all_is_free());
	dev_release(l.fs);
	close(l.fd);
	dev_await(dev_module_refs() == refs);
}
END_TEST

Suite *check_memlock_suite(void);

Suite *check_memlock_suite(void)
{
	Suite *s = suite_create("memlock");

	nbtest_add(s, what_was_pinned_is_free_again_when_the_call_returns);
	nbtest_add_loop(s, reads_in_flight_keep_the_buffer_they_began_with, NR_HOWS);
	nbtest_add_loop(s, a_read_that_was_ended_lets_go_of_its_buffer_at_once, NR_ENDED);
	nbtest_add(s, a_buffer_goes_with_the_last_cancelled_read_of_it);
	nbtest_add_loop(s, a_process_that_ends_frees_what_it_locked, 2 * NR_ENDS);
	return s;
}
