// SPDX-License-Identifier: GPL-2.0-only
/*
 * What pread(2) asks and tells on its way is asked and told for every read of
 * ours: fanotify permission listeners decide, FS_ACCESS events come, and access
 * times change as the mount says.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include "device.h"
#include "dm.h"

#define SIZE KB(64)

/* A listener that answers each question about a file with 'verdict'; 0: not at all. */
struct listener {
	int fan;
	unsigned int verdict;
	unsigned int asked;
	pthread_t thread;
};

static void *listen_to(void *arg)
{
	struct listener *l = arg;
	struct fanotify_event_metadata buf[16];

	for (;;) {
		ssize_t n = read(l->fan, buf, sizeof(buf));

		if (n <= 0)
			return NULL;
		for (struct fanotify_event_metadata *e = buf; FAN_EVENT_OK(e, n);
		     e = FAN_EVENT_NEXT(e, n)) {
			struct fanotify_response r = {
				.fd = e->fd,
				.response = __atomic_load_n(&l->verdict, __ATOMIC_ACQUIRE),
			};

			__atomic_add_fetch(&l->asked, 1, __ATOMIC_ACQ_REL);
			if (!r.response)
				continue; /* its fd stays open, too */
			ck_assert_int_eq(write(l->fan, &r, sizeof(r)), sizeof(r));
			close(e->fd);
		}
	}
}

/*
 * The file as one that the listener is asked about: since the permission bits of f_mode
 * (6.14, and 6.12 stable) only what is opened after it came.
 */
static int listen_start(struct listener *l, int fd, unsigned int flags, unsigned int verdict)
{
	char path[64];

	memset(l, 0, sizeof(*l));
	l->verdict = verdict;
	l->fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	if (l->fan < 0)
		nbtest_fatal("fanotify_init: %m");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fanotify_mark(l->fan, FAN_MARK_ADD | flags, FAN_ACCESS_PERM, AT_FDCWD, path))
		nbtest_fatal("fanotify_mark: %m");
	ck_assert_int_eq(pthread_create(&l->thread, NULL, listen_to, l), 0);
	return dev_reopen(fd, O_RDONLY);
}

static void listen_stop(struct listener *l)
{
	pthread_cancel(l->thread);
	pthread_join(l->thread, NULL);
	/* Closing it lets everything through that was not answered. */
	close(l->fan);
}

static const struct {
	const char *name;
	unsigned int flags;
	bool cold;
} marks[] = {
	{ "a_denial_of_the_file_s_listener_is_obeyed", 0, false },
	{ "a_denial_of_the_mount_s_listener_is_obeyed", FAN_MARK_MOUNT, false },
	{ "a_denial_of_the_file_system_s_listener_is_obeyed", FAN_MARK_FILESYSTEM, false },
	{ "a_denial_is_obeyed_on_a_cold_file_of_a_watched_mount", FAN_MARK_MOUNT, true },
};

START_TEST(denied)
{
	int fd, older = dev_file(dev_fs(DEV_EXT4), SIZE, 15);
	unsigned char *buf = dev_buf(SIZE);
	struct iovec iov = { buf, SIZE };
	struct listener l;
	struct nbread ring;
	int res;

	if (marks[_i].cold)
		nbtest_evict(older);
	dev_ring(&ring, 8);
	fd = listen_start(&l, older, marks[_i].flags, FAN_DENY);
	ck_assert_int_eq(pread(fd, buf, SIZE, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, -EPERM);
	ck_assert_int_eq(dev_readv(&ring, fd, &iov, 1, 0, 0).res, -EPERM);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, NBREAD_SQE_ASYNC).res, -EPERM);
	/* Where the answer would have to be waited for, CACHED may say that nothing is there. */
	res = dev_read(&ring, fd, buf, SIZE, 0, NBREAD_SQE_CACHED).res;
	ck_assert_msg(res == -EPERM || res == -EAGAIN, "CACHED: %d", res);
	res = dev_try(&ring, fd, buf, SIZE, 0, 0).res;
	ck_assert_msg(res == -EPERM || res == -EAGAIN, "TRY: %d", res);
	dev_check_same(buf, SIZE, 0xa5);
	/* Whoever had it open before: as with pread(2). */
	res = pread(older, buf, SIZE, 0) == (ssize_t)SIZE ? (int)SIZE : -EPERM;
	ck_assert_int_eq(dev_read(&ring, older, buf, SIZE, 0, 0).res, res);

	/* And the next verdict counts for the next read. */
	__atomic_store_n(&l.verdict, FAN_ALLOW, __ATOMIC_RELEASE);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, SIZE);
	dev_check(buf, SIZE, 0, 15);
	__atomic_store_n(&l.verdict, FAN_DENY, __ATOMIC_RELEASE);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, -EPERM);
	ck_assert_uint_ge(__atomic_load_n(&l.asked, __ATOMIC_ACQUIRE), 6);
	listen_stop(&l);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, 0, 0).res, SIZE);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_slow_listener_holds_up_its_own_file_alone)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_file(fs, SIZE, 15), other = dev_file(dev_fs(DEV_XFS), SIZE, 16), own;
	unsigned char *buf = dev_buf(2 * SIZE);
	struct listener l;
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	own = listen_start(&l, fd, 0, 0);
	dev_prep(&ring, own, buf, SIZE, 0, 0, 1);
	dev_prep(&ring, other, buf + SIZE, SIZE, 0, 0, 2);
	dev_submit(&ring, 2);
	cqe = dev_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 2);
	ck_assert_int_eq(cqe.res, SIZE);
	dev_check(buf + SIZE, SIZE, 0, 16);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(dev_read(&ring, other, buf + SIZE, SIZE, 0, 0).res, SIZE);
	dev_await(__atomic_load_n(&l.asked, __ATOMIC_ACQUIRE) >= 1);
	dev_check_none(&ring);
	listen_stop(&l);
	cqe = dev_next(&ring);
	ck_assert_uint_eq(cqe.user_data, 1);
	ck_assert_int_eq(cqe.res, SIZE);
	dev_check(buf, SIZE, 0, 15);
	nbread_queue_exit(&ring);
}
END_TEST

START_TEST(a_process_whose_read_waits_for_a_listener_can_be_killed)
{
	int fd, status;
	long refs = dev_module_idle();
	struct listener l;
	pid_t pid;

	fd = dev_file(dev_fs(DEV_EXT4), SIZE, 15);
	fd = listen_start(&l, fd, _i ? FAN_MARK_MOUNT : 0, 0);
	pid = fork();
	if (!pid) {
		unsigned char *buf = dev_buf(SIZE);
		struct nbread ring;

		dev_ring(&ring, 8);
		dev_read(&ring, fd, buf, SIZE, 0, 0);
		_exit(1);
	}
	dev_await(__atomic_load_n(&l.asked, __ATOMIC_ACQUIRE) >= 1);
	/* Nobody answers the listener's question, so who waited for that would never come. */
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, SIGKILL);
	listen_stop(&l);
	dev_await(dev_module_refs() == refs);
}
END_TEST

/* Each way to read */
enum { BY_READ, BY_CACHED, BY_TRY, BY_READV, BY_ASYNC, BY_MISS, NR_WAYS };

static void read_by(struct nbread *ring, int way, int fd, unsigned char *buf)
{
	struct iovec iov = { buf, SIZE };
	int res = 0;

	switch (way) {
	case BY_READ:
	case BY_MISS:
		res = dev_read(ring, fd, buf, SIZE, 0, 0).res;
		break;
	case BY_CACHED:
		res = dev_read(ring, fd, buf, SIZE, 0, NBREAD_SQE_CACHED).res;
		break;
	case BY_TRY:
		res = dev_try(ring, fd, buf, SIZE, 0, NBREAD_SQE_NOIO).res;
		break;
	case BY_READV:
		res = dev_readv(ring, fd, &iov, 1, 0, 0).res;
		break;
	case BY_ASYNC:
		res = dev_read(ring, fd, buf, SIZE, 0, NBREAD_SQE_ASYNC).res;
		break;
	}
	ck_assert_msg(res == (int)SIZE, "%d by way %d", res, way);
}

static unsigned int access_events(int ino)
{
	char buf[4096] __attribute__((aligned(8)));
	unsigned int n = 0;
	ssize_t len;

	while ((len = read(ino, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + len;) {
			struct inotify_event *e = (void *)at;

			n += !!(e->mask & IN_ACCESS);
			at += sizeof(*e) + e->len;
		}
	}
	return n;
}

START_TEST(a_read_is_an_access_event)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, 15),
	    ino = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;
	char path[64];

	snprintf(path, sizeof(path), "%s/file15", dev_fs(DEV_EXT4)->mnt);
	dev_ring(&ring, 8);
	nbtest_warm(fd);
	ck_assert_int_ge(inotify_add_watch(ino, path, IN_ACCESS), 0);
	for (int way = 0; way < NR_WAYS; way++) {
		if (way == BY_MISS)
			nbtest_evict(fd);
		access_events(ino);
		read_by(&ring, way, fd, buf);
		ck_assert_msg(access_events(ino) >= 1, "no IN_ACCESS by way %d", way);
	}
	/* Nothing was read, so nothing is told. */
	nbtest_evict(fd);
	access_events(ino);
	ck_assert_int_eq(dev_try(&ring, fd, buf, SIZE, 0, NBREAD_SQE_NOIO).res, -EAGAIN);
	ck_assert_uint_eq(access_events(ino), 0);
	nbtest_warm(fd);
	access_events(ino);
	ck_assert_int_eq(dev_try(&ring, fd, buf, SIZE, SIZE, 0).res, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, SIZE, NBREAD_SQE_CACHED).res, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, SIZE, 0).res, 0);
	ck_assert_int_eq(dev_read(&ring, fd, buf, SIZE, SIZE, NBREAD_SQE_ASYNC).res, 0);
	ck_assert_uint_eq(access_events(ino), 0);
	nbread_queue_exit(&ring);
}
END_TEST

static const struct {
	const char *option;
	int accessed; /* s from now */
	bool changes;
} atimes[] = {
	{ "strictatime,lazytime", -1000, true },
	{ "strictatime,nolazytime", -1000, true },
	{ "relatime", -1000, true },
	/* Later than the last change: relatime leaves it alone. */
	{ "relatime", 1000, false },
	{ "noatime", -1000, false },
};

#define MODES ((int)NBTEST_ARRAY_SIZE(atimes))

/* _i: file system * MODES + row */
START_TEST(the_access_time_changes_as_with_pread)
{
	const struct dev_fs *fs = dev_fs(_i / MODES);
	int fd = dev_file(fs, SIZE, 15);
	unsigned char *buf = dev_buf(SIZE);
	struct nbread ring;

	fs_remount(fs->mnt, atimes[_i % MODES].option);
	dev_ring(&ring, 8);
	/* -1 is pread itself, to see that the row is right. */
	for (int way = -1; way < NR_WAYS; way++) {
		time_t now = time(NULL), accessed = now + atimes[_i % MODES].accessed;
		struct timespec t[2] = { { .tv_sec = accessed }, { .tv_sec = now - 500 } };
		struct stat st;

		if (way == BY_MISS)
			nbtest_evict(fd);
		else
			nbtest_warm(fd);
		ck_assert_int_eq(futimens(fd, t), 0);
		if (way < 0)
			ck_assert_int_eq(pread(fd, buf, SIZE, 0), SIZE);
		else
			read_by(&ring, way, fd, buf);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_msg((st.st_atime != accessed) == atimes[_i % MODES].changes,
			      "%s: the access time did %schange, by way %d",
			      atimes[_i % MODES].option, atimes[_i % MODES].changes ? "not " : "",
			      way);
	}
	fs_remount(fs->mnt, "strictatime,nolazytime");
	fs_remount(fs->mnt, "relatime");
	nbread_queue_exit(&ring);
}
END_TEST

Suite *check_permissions_suite(void)
{
	Suite *s = suite_create("permissions");

	nbtest_add_table(s, denied, marks);
	nbtest_add(s, a_slow_listener_holds_up_its_own_file_alone);
	nbtest_add_loop(s, a_process_whose_read_waits_for_a_listener_can_be_killed, 2);
	nbtest_add(s, a_read_is_an_access_event);
	nbtest_add_loop(s, the_access_time_changes_as_with_pread, DEV_BDEV * MODES);
	return s;
}
