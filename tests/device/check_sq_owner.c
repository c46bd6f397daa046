// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread of an SQTHREAD ring reads as its owner would: from his files, with his
 * credentials of SETUP or of the last REGISTER_CREDS, and where a listener may have to be
 * asked by a worker.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include "sq.h"

#define SIZE KB(64)
#define ID 42

static unsigned char *buf;

static int register_creds(struct raw *r)
{
	struct nbread_register reg = { .op = NBREAD_REGISTER_CREDS };

	return raw_ioctl(r->fd, NBREAD_IOC_REGISTER, &reg);
}

START_TEST(after_setuid_it_reads_as_before_until_the_credentials_are_registered)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID), ro;
	unsigned int noio = NBREAD_SQE_CACHED | NBREAD_SQE_NOIO;
	struct nbread_cqe cqe;
	struct raw r;

	buf = dev_buf(SIZE);
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	ro = dev_reopen(fd, O_RDONLY);
	close(fd); /* who may write may ask */
	dev_warm(ro, 0, SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, SQ_ALWAYS);
	for (int i = 0; i < 20; i++) {
		cqe = sq_read(&r, ro, buf, PG, 0, noio);
		ck_assert_int_eq(cqe.res, PG);
		ck_assert_uint_eq(cqe.flags, NBREAD_CQE_HIT);
		dev_nobody();
		/* Who fills the SQ does not matter. */
		ck_assert_int_eq(sq_read(&r, ro, buf, PG, 0, noio).res, PG);
		ck_assert_int_eq(register_creds(&r), 0);
		/* From the first entry that is published after that on */
		ck_assert_int_eq(sq_read(&r, ro, buf, PG, 0, noio).res, -EPERM);
		cqe = sq_read(&r, ro, buf, PG, 0, 0);
		ck_assert_int_eq(cqe.res, PG);
		ck_assert_uint_eq(cqe.flags, 0); /* it is not told that this was a hit */
		dev_root();
		ck_assert_int_eq(sq_read(&r, ro, buf, PG, 0, noio).res, -EPERM);
		ck_assert_int_eq(register_creds(&r), 0);
	}
	raw_close(&r);
}
END_TEST

START_TEST(register_creds_of_a_ring_without_a_thread_is_einval)
{
	struct raw r;

	ck_assert_int_eq(raw_open(&r, 8, 0), 0);
	ck_assert_int_eq(register_creds(&r), -EINVAL);
	raw_close(&r);
}
END_TEST

START_TEST(an_fd_is_what_it_is_when_the_entry_is_taken)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID), path, device, pipes[2];
	int other = dev_file(dev_fs(DEV_XFS), SIZE, ID + 1);
	struct raw r;

	buf = dev_buf(SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, SQ_ALWAYS);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
	dev_check(buf, PG, 0, ID);
	ck_assert_int_eq(dup2(other, fd), fd);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
	dev_check(buf, PG, 0, ID + 1);
	close(fd);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, -EBADF);
	ck_assert_int_eq(sq_read(&r, -1, buf, PG, 0, 0).res, -EBADF);
	ck_assert_int_eq(sq_read(&r, INT32_MAX, buf, PG, 0, 0).res, -EBADF);
	path = open("/etc", O_PATH | O_CLOEXEC);
	ck_assert_int_eq(sq_read(&r, path, buf, PG, 0, 0).res, -EBADF);
	ck_assert_int_eq(sq_read(&r, r.fd, buf, PG, 0, 0).res, -EBADF);
	device = raw_open_fd();
	ck_assert_int_eq(sq_read(&r, device, buf, PG, 0, 0).res, -EBADF);
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_assert_int_eq(sq_read(&r, pipes[0], buf, PG, 0, 0).res, -ESPIPE);
	ck_assert_int_eq(sq_read(&r, other, (void *)PG, PG, 0, 0).res, -EFAULT);
	ck_assert_int_eq(sq_read(&r, other, buf, PG, 0, 0).res, PG);
	raw_close(&r);
}
END_TEST

/* The ring of a thread that ends: its own files may be gone, the process' are not. */
static void *set_up(void *ring)
{
	sq_ring(ring, 8, NBREAD_SETUP_SQTHREAD, SQ_ALWAYS);
	return NULL;
}

START_TEST(the_files_of_the_process_stay_when_the_thread_that_set_it_up_has_ended)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	pthread_t thread;
	struct raw r;

	buf = dev_buf(SIZE);
	ck_assert_int_eq(pthread_create(&thread, NULL, set_up, &r), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	/* Joined is not reaped by the kernel yet. */
	dev_await(nbtest_threads() == 1);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
	dev_check(buf, PG, 0, ID);
	close(fd);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, -EBADF);
	raw_close(&r);
}
END_TEST

/* A listener on the mount is not to be seen from a module: it counts as one on the file. */
START_TEST(where_a_listener_may_be_asked_a_worker_reads)
{
	static const unsigned int marks[] = { 0, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM };
	int older = dev_file(dev_fs(DEV_EXT4), SIZE, ID), fd, fan, other;
	struct fanotify_event_metadata event;
	struct fanotify_response answer;
	struct nbread_cqe cqe;
	char path[64];
	struct raw r;

	buf = dev_buf(SIZE);
	dev_warm(older, 0, SIZE);
	fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fan, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", older);
	ck_assert_int_eq(
		fanotify_mark(fan, FAN_MARK_ADD | marks[_i], FAN_ACCESS_PERM, AT_FDCWD, path), 0);
	fd = dev_reopen(older, O_RDONLY);
	other = dev_file(dev_fs(DEV_XFS), SIZE, ID + 1);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, SQ_ALWAYS);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, NBREAD_SQE_CACHED).res, -EAGAIN);
	sq_prep(&r, fd, buf, PG, 0, 0, 77);
	ck_assert_int_ge(raw_hand_over(&r), 0);
	/* The listener has been asked and does not answer: only that read waits. */
	ck_assert_int_eq(read(fan, &event, sizeof(event)), sizeof(event));
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(sq_read(&r, other, buf + PG, PG, 0, 0).res, PG);
	answer.fd = event.fd;
	answer.response = FAN_ALLOW;
	ck_assert_int_eq(write(fan, &answer, sizeof(answer)), sizeof(answer));
	cqe = sq_next(&r);
	ck_assert_uint_eq(cqe.user_data, 77);
	ck_assert_int_eq(cqe.res, PG);
	ck_assert_uint_eq(cqe.flags, NBREAD_CQE_PUNTED);
	dev_check(buf, PG, 0, ID);
	raw_close(&r);
	close(event.fd);
	close(fan);
}
END_TEST

static int use_in_child(void *arg)
{
	struct raw *r = arg;
	unsigned char there;

	/* The mapping was not inherited: a child cannot fill the SQ of its parent. */
	if (mincore(r->ring, 4096, &there) == 0 || errno != ENOMEM)
		return 1;
	return raw_enter_flags(r, 0, 0, NBREAD_ENTER_SQ_WAKEUP, 0) == -EPERM &&
			       register_creds(r) == -EPERM ?
		       0 :
		       2;
}

START_TEST(a_forked_child_has_no_part_in_it)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	struct raw r;

	buf = dev_buf(SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE);
	ck_assert_int_eq(nbtest_in_child(use_in_child, &r), 0);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
	raw_close(&r);
}
END_TEST

START_TEST(vectors_are_the_owner_s)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	struct iovec iov[12];
	struct nbread_sqe *sqe;
	struct raw r;

	buf = dev_buf(SIZE);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, SQ_ALWAYS);
	/* Few and many, resident and not */
	for (unsigned int n = 1; n <= 12; n += 11) {
		for (int cold = 0; cold < 2; cold++) {
			if (cold)
				nbtest_evict(fd);
			memset(buf, 0xa5, SIZE);
			for (unsigned int i = 0; i < n; i++)
				iov[i] = (struct iovec){ buf + i * 100, 100 };
			sqe = sq_prep(&r, fd, iov, n, 7, 0, n);
			sqe->opcode = NBREAD_OP_READV;
			ck_assert_int_ge(raw_hand_over(&r), 0);
			ck_assert_int_eq(sq_next(&r).res, (int)n * 100);
			dev_check(buf, n * 100, 7, ID);
			dev_check_same(buf + n * 100, 4096, 0xa5);
		}
	}
	raw_close(&r);
}
END_TEST

static int exits_beside(void *arg)
{
	struct nbread *ring = arg;
	char *p = mmap(ring->ring_ptr, PG, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != ring->ring_ptr)
		return 1;
	*p = 1;
	nbread_queue_exit(ring);
	return *p == 1 ? 0 : 2; /* or SIGSEGV */
}

START_TEST(a_child_that_gives_it_up_keeps_what_it_has_where_the_ring_was)
{
	struct nbread ring;

	ck_assert_int_eq(nbread_queue_init(8, &ring, NBREAD_SETUP_SQTHREAD), 0);
	ck_assert_int_eq(nbtest_in_child(exits_beside, &ring), 0);
	nbread_prep_nop(nbread_get_sqe(&ring));
	ck_assert_int_eq(nbread_submit_and_wait(&ring, 1), 1);
	ck_assert_int_eq(dev_next(&ring).res, 0);
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_sq_owner_suite(void)
{
	Suite *s = suite_create("sq_owner");

	nbtest_add(s, after_setuid_it_reads_as_before_until_the_credentials_are_registered);
	nbtest_add(s, register_creds_of_a_ring_without_a_thread_is_einval);
	nbtest_add(s, an_fd_is_what_it_is_when_the_entry_is_taken);
	nbtest_add(s, the_files_of_the_process_stay_when_the_thread_that_set_it_up_has_ended);
	nbtest_add_loop(s, where_a_listener_may_be_asked_a_worker_reads, 3);
	nbtest_add(s, a_forked_child_has_no_part_in_it);
	nbtest_add(s, vectors_are_the_owner_s);
	nbtest_add(s, a_child_that_gives_it_up_keeps_what_it_has_where_the_ring_was);
	return s;
}
