// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may use a ring, and what goes away in which order: fork, exec, passing the
 * descriptor on, many threads.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "device.h"

/* ENTER for one entry, past the library: its view of the ring may not be there. */
static int enter(int ring_fd)
{
	struct nbread_enter e = { .to_submit = 1 };
	int ret = ioctl(ring_fd, NBREAD_IOC_ENTER, &e);

	return ret < 0 ? -errno : ret;
}

/* In the program that exec started: what does ENTER say? (see below) */
__attribute__((constructor)) static void after_exec(void)
{
	const char *fd = getenv("NBT_AFTER_EXEC");

	if (fd)
		_exit(enter((int)strtol(fd, NULL, 10)) == -EPERM ? 42 : 1);
}

static int wait_for(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status %#x", status);
	return WEXITSTATUS(status);
}

static void check_works(struct nbread *ring)
{
	nbread_prep_nop(nbread_get_sqe(ring));
	dev_submit(ring, 1);
	ck_assert_int_eq(dev_next(ring).res, 0);
}

START_TEST(after_fork_the_ring_is_the_parent_s_alone)
{
	struct nbread ring;
	pid_t pid;

	dev_ring(&ring, 8);
	nbread_prep_nop(nbread_get_sqe(&ring));
	pid = fork();
	if (!pid) {
		struct nbread_cancel c = { .flags = NBREAD_CANCEL_ANY };
		int fd = nbread_ring_fd(&ring);

		if (enter(fd) != -EPERM)
			_exit(1);
		if (ioctl(fd, NBREAD_IOC_CANCEL, &c) != -1 || errno != EPERM)
			_exit(2);
		if (mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED || errno != EPERM)
			_exit(3);
		_exit(0);
	}
	ck_assert_int_eq(wait_for(pid), 0);
	dev_submit(&ring, 1);
	ck_assert_int_eq(dev_next(&ring).res, 0);
	check_works(&ring);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_child_that_closes_its_copy_leaves_the_ring_alone)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, KB(64), 14);
	unsigned char *buf = dev_buf(KB(64));
	struct nbread ring;
	pid_t pid;

	dev_ring(&ring, 8);
	dev_hold(fs);
	dev_prep(&ring, fd, buf, KB(64), 0, 0, 1);
	dev_submit(&ring, 1);
	pid = fork();
	if (!pid) {
		close(nbread_ring_fd(&ring));
		munmap(ring.ring_ptr, ring.ring_size);
		_exit(0);
	}
	ck_assert_int_eq(wait_for(pid), 0);
	dev_check_none(&ring);
	dev_release(fs);
	ck_assert_int_eq(dev_next(&ring).res, KB(64));
	dev_check(buf, KB(64), 0, 14);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(after_exec_the_ring_is_of_no_use)
{
	struct nbread ring;
	char text[16];
	pid_t pid;

	dev_ring(&ring, 8);
	pid = fork();
	if (!pid) {
		/* A ring of its own, whose memory exec takes away. */
		dev_ring(&ring, 8);
		nbread_prep_nop(nbread_get_sqe(&ring));
		fcntl(nbread_ring_fd(&ring), F_SETFD, 0);
		snprintf(text, sizeof(text), "%d", nbread_ring_fd(&ring));
		setenv("NBT_AFTER_EXEC", text, 1);
		execl("/proc/self/exe", "after-exec", NULL);
		_exit(2);
	}
	ck_assert_int_eq(wait_for(pid), 42);
	check_works(&ring);
	nbread_queue_exit(&ring);
}
END_TEST

static void send_fd(int sock, int fd)
{
	char data = 'x', space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &data, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = space,
			      .msg_controllen = sizeof(space) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	ck_assert_int_eq(sendmsg(sock, &msg, 0), 1);
}

static int receive_fd(int sock)
{
	char data, space[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &data, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = space,
			      .msg_controllen = sizeof(space) };
	int fd = -1;

	if (recvmsg(sock, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

START_TEST(a_ring_that_was_passed_on_cannot_be_used_there)
{
	int socks[2], status;
	struct nbread ring;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	pid = fork();
	if (!pid) {
		int fd = receive_fd(socks[1]);

		_exit(fd >= 0 && enter(fd) == -EPERM ? 0 : 1);
	}
	dev_ring(&ring, 8);
	nbread_prep_nop(nbread_get_sqe(&ring));
	send_fd(socks[0], nbread_ring_fd(&ring));
	status = wait_for(pid);
	ck_assert_int_eq(status, 0);
	dev_submit(&ring, 1);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_ring_in_a_message_in_flight_to_itself_goes_away)
{
	long refs = dev_module_idle();
	struct nbread ring;
	int socks[2];

	/* No cycle: the ring holds no socket, so nothing needs collecting. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	dev_ring(&ring, 8);
	send_fd(socks[0], nbread_ring_fd(&ring));
	nbread_queue_exit(&ring);
	ck_assert_int_gt(dev_module_refs(), refs);
	close(socks[0]);
	close(socks[1]);
	dev_await(dev_module_refs() == refs);
}
END_TEST

static int vfork_child(void *arg)
{
	_exit(enter(*(int *)arg) == 1 ? 0 : 1);
}

START_TEST(a_child_that_shares_the_memory_may_use_the_ring)
{
	static char stack[KB(64)] __attribute__((aligned(16)));
	struct nbread ring;
	pid_t pid;
	int fd;

	/* vfork(2): another process, the same mm. */
	dev_ring(&ring, 8);
	fd = nbread_ring_fd(&ring);
	nbread_prep_nop(nbread_get_sqe(&ring));
	__atomic_store_n(ring.sq.ktail, ring.sq.sqe_tail, __ATOMIC_RELEASE);
	pid = clone(vfork_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &fd);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(wait_for(pid), 0);
	ck_assert_int_eq(dev_next(&ring).res, 0);
	nbread_queue_exit(&ring);
}
END_TEST

struct shared {
	struct nbread ring;
	pthread_mutex_t sq, cq;
	unsigned char *buf;
	unsigned int put, done, total;
	int fd;
};

static void *submit_and_reap(void *arg)
{
	struct shared *s = arg;

	for (;;) {
		struct nbread_cqe cqe[8];
		struct nbread_cqe *at;
		unsigned int n = 0, head;

		pthread_mutex_lock(&s->sq);
		for (int i = 0; i < 4 && s->put < s->total; i++, s->put++) {
			if (!nbread_sq_space_left(&s->ring))
				break;
			dev_prep(&s->ring, s->fd, s->buf + s->put * 512, 512,
				 s->put * 2654435761U % 2048 * 512,
				 s->put % 16 ? 0 : NBREAD_SQE_ASYNC, s->put);
		}
		nbread_submit(&s->ring);
		pthread_mutex_unlock(&s->sq);

		pthread_mutex_lock(&s->cq);
		if (s->done == s->total) {
			pthread_mutex_unlock(&s->cq);
			return NULL;
		}
		nbread_get_events(&s->ring);
		nbread_for_each_cqe(&s->ring, head, at) {
			if (n == 8)
				break;
			cqe[n++] = *at;
		}
		nbread_cq_advance(&s->ring, n);
		s->done += n;
		pthread_mutex_unlock(&s->cq);
		for (unsigned int i = 0; i < n; i++) {
			uint64_t k = cqe[i].user_data;

			dev_must(k < s->total && cqe[i].res == 512, "read %llu: %d",
				 (unsigned long long)k, cqe[i].res);
			dev_check(s->buf + k * 512, 512, k * 2654435761U % 2048 * 512, 14);
			/* Twice the same would fail here. */
			memset(s->buf + k * 512, 0, 512);
		}
	}
}

START_TEST(eight_threads_submit_and_reap_on_one_ring)
{
	struct shared s = { .total = 8000 };
	pthread_t threads[8];

	s.fd = dev_cold_file(dev_fs(_i), MB(1), 14);
	s.buf = dev_buf(s.total * 512);
	pthread_mutex_init(&s.sq, NULL);
	pthread_mutex_init(&s.cq, NULL);
	dev_ring(&s.ring, 64);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_and_reap, &s), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(s.done, s.total);
	dev_check_none(&s.ring);
	nbread_queue_exit(&s.ring);
}
END_TEST

Suite *check_lifetime_suite(void)
{
	Suite *s = suite_create("lifetime");

	nbtest_add(s, after_fork_the_ring_is_the_parent_s_alone);
	nbtest_add(s, a_child_that_closes_its_copy_leaves_the_ring_alone);
	nbtest_add(s, after_exec_the_ring_is_of_no_use);
	nbtest_add(s, a_ring_that_was_passed_on_cannot_be_used_there);
	nbtest_add(s, a_ring_in_a_message_in_flight_to_itself_goes_away);
	nbtest_add(s, a_child_that_shares_the_memory_may_use_the_ring);
	dev_add_each(s, eight_threads_submit_and_reap_on_one_ring);
	return s;
}
