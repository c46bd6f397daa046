// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the thread of an SQTHREAD ring comes, where it runs, who shares it, and that it ends with
 * the last ring, whatever waits for a disk then.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "sq.h"

#define SIZE MB(1)
#define ID 43
#define READS 32

static unsigned char *buf;

/* READS reads wait for a device that holds them; the thread sleeps over them or polls. */
static void park(struct raw *r, const struct dev_fs *fs, int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	ck_assert_int_eq(sq_read(r, fd, buf, PG, (off_t)(SIZE - PG), 0).res, PG);
	dev_hold(fs);
	for (unsigned int i = 0; i < READS; i++)
		sq_prep(r, fd, buf + i * PG, PG, (off_t)(i * 2 * PG), 0, i);
	ck_assert_int_ge(raw_hand_over(r), 0);
	dev_await(dev_held(fs) >= READS);
}

START_TEST(close_waits_neither_for_the_disk_nor_for_the_thread)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, SIZE, ID);
	long refs = dev_module_idle();
	struct raw r;
	pid_t pid;

	buf = dev_buf(READS * PG);
	sq_ring(&r, 64, NBREAD_SETUP_SQTHREAD, _i ? SQ_ALWAYS : NBREAD_SQ_IDLE_NONE);
	pid = sq_thread(&r);
	park(&r, fs, fd);
	memset(buf, 0xa5, READS * PG);
	raw_close(&r);
	close(fd);
	/* The thread ends; what still waits on a folio keeps the module. */
	dev_await(sq_ended(pid));
	ck_assert_int_gt(dev_module_refs(), refs);
	dev_release(fs);
	dev_await(dev_module_refs() == refs);
	dev_check_same(buf, READS * PG, 0xa5);
}
END_TEST

static const char *const deaths[] = { "exit", "SIGKILL", "exec" };

START_TEST(a_process_ends_at_once_and_its_thread_with_it)
{
	const struct dev_fs *fs = dev_fs(DEV_EXT4);
	int fd = dev_cold_file(fs, SIZE, ID), ready[2], status;
	long refs = dev_module_idle();
	pid_t pid, thread = 0;
	struct raw r;

	buf = dev_buf(READS * PG);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		sq_ring(&r, 64, NBREAD_SETUP_SQTHREAD, SQ_ALWAYS);
		thread = sq_thread(&r);
		park(&r, fs, fd);
		ck_assert_int_eq(write(ready[1], &thread, sizeof(thread)), sizeof(thread));
		if (_i == 0)
			_exit(0);
		if (_i == 2)
			execlp("true", "true", NULL);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &thread, sizeof(thread)), sizeof(thread));
	if (_i == 1)
		kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(_i == 1 ? WIFSIGNALED(status) : status == 0, "%s: %#x", deaths[_i], status);
	dev_await(sq_ended(thread));
	dev_release(fs);
	close(fd);
	dev_await(dev_module_refs() == refs);
}
END_TEST

/* The ring's file outlives the process that set it up. Its memory must not. */
START_TEST(a_ring_that_outlives_its_process_pins_none_of_its_memory)
{
	int dev = raw_open_fd(), fd, done[2];
	struct raw r = {};
	void *map;
	pid_t pid, thread;

	nbtest_must_sh("mkdir -p /run/nbt-pinned && mount -t tmpfs none /run/nbt-pinned");
	buf = dev_buf(PG);
	ck_assert_int_eq(pipe2(done, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		fd = open("/run/nbt-pinned/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq(ftruncate(fd, PG), 0);
		map = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ck_assert_ptr_ne(map, MAP_FAILED);
		r.fd = dev;
		r.p.sq_entries = 8;
		r.p.flags = NBREAD_SETUP_SQTHREAD;
		r.p.sq_thread_idle_ms = _i ? SQ_ALWAYS : NBREAD_SQ_IDLE_NONE;
		ck_assert_int_eq(raw_ioctl(dev, NBREAD_IOC_SETUP, &r.p), 0);
		ck_assert_int_eq(raw_map(&r), 0);
		ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
		thread = sq_thread(&r);
		ck_assert_int_eq(write(done[1], &thread, sizeof(thread)), sizeof(thread));
		_exit(0);
	}
	ck_assert_int_eq(read(done[0], &thread, sizeof(thread)), sizeof(thread));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	dev_await(umount("/run/nbt-pinned") == 0);
	/* It is there for its ring, which nobody can use, and does nothing. */
	dev_await(sq_state(thread) == 'S');
	ck_assert_int_eq(raw_enter_flags(&(struct raw){ .fd = dev }, 0, 0, 0, 0), -EPERM);
	close(dev);
	dev_await(sq_ended(thread));
}
END_TEST

static int attach(struct raw *r, int to)
{
	memset(r, 0, sizeof(*r));
	r->p.sq_entries = 8;
	r->p.flags = NBREAD_SETUP_SQTHREAD | NBREAD_SETUP_ATTACH;
	r->p.attach_fd = to;
	return raw_open_p(r);
}

START_TEST(rings_share_a_thread_and_the_last_one_ends_it)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	struct raw r[3];
	pid_t pid;

	buf = dev_buf(PG);
	sq_ring(&r[0], 8, NBREAD_SETUP_SQTHREAD, _i & 1 ? SQ_ALWAYS : NBREAD_SQ_IDLE_NONE);
	pid = sq_thread(&r[0]);
	ck_assert_int_eq(attach(&r[1], r[0].fd), 0);
	ck_assert_int_eq(attach(&r[2], r[1].fd), 0);
	for (int i = 0; i < 60; i++) {
		ck_assert_int_eq(sq_thread(&r[i % 3]), pid);
		ck_assert_int_eq(sq_read(&r[i % 3], fd, buf, PG, 0, 0).res, PG);
	}
	/* The first, or the second, of them goes; the others go on. */
	raw_close(&r[_i / 2]);
	for (int i = 0; i < 60; i++) {
		int n = i % 3 == _i / 2 ? 2 : i % 3;

		ck_assert_int_eq(sq_read(&r[n], fd, buf, PG, 0, 0).res, PG);
	}
	raw_close(&r[1 - _i / 2]);
	ck_assert(!sq_ended(pid));
	ck_assert_int_eq(sq_read(&r[2], fd, buf, PG, 0, 0).res, PG);
	raw_close(&r[2]);
	dev_await(sq_ended(pid));
}
END_TEST

static int attach_in_child(void *fd)
{
	struct raw r;

	return -attach(&r, *(int *)fd);
}

START_TEST(only_a_ring_with_a_thread_of_the_same_process_can_be_attached_to)
{
	struct raw r, other, without;

	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE);
	ck_assert_int_eq(raw_open(&without, 8, 0), 0);
	ck_assert_int_eq(attach(&other, without.fd), -EINVAL);
	ck_assert_int_eq(attach(&other, 0), -EINVAL);
	ck_assert_int_eq(attach(&other, -1), -EBADF);
	ck_assert_int_eq(attach(&other, 1 << 20), -EBADF);
	ck_assert_int_eq(nbtest_in_child(attach_in_child, &r.fd), EPERM);
	ck_assert_int_eq(attach(&other, r.fd), 0);
	raw_close(&other);
	raw_close(&without);
	raw_close(&r);
}
END_TEST

static void run_on(int first, int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = first; i <= last; i++)
		CPU_SET(i, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int setup_on(struct raw *r, unsigned int cpu)
{
	memset(r, 0, sizeof(*r));
	r->p.sq_entries = 8;
	r->p.flags = NBREAD_SETUP_SQTHREAD | NBREAD_SETUP_SQ_AFF;
	r->p.sq_thread_cpu = cpu;
	r->p.sq_thread_idle_ms = NBREAD_SQ_IDLE_NONE;
	return raw_open_p(r);
}

START_TEST(the_thread_runs_where_its_owner_may_and_where_he_says)
{
	struct raw r;
	char list[64];

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		nbtest_skip("one CPU");
	ck_assert_int_eq(setup_on(&r, 1), 0);
	dev_await((sq_cpus(sq_thread(&r), list, sizeof(list)), !strcmp(list, "1")));
	raw_close(&r);
	run_on(0, 0);
	ck_assert_int_eq(setup_on(&r, 1), -EINVAL);
	ck_assert_int_eq(setup_on(&r, 1 << 20), -EINVAL);
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 5), 0);
	sq_ring(&r, 8, NBREAD_SETUP_SQTHREAD, NBREAD_SQ_IDLE_NONE);
	dev_await((sq_cpus(sq_thread(&r), list, sizeof(list)), !strcmp(list, "0")));
	ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)sq_thread(&r)), 5);
	raw_close(&r);
}
END_TEST

START_TEST(it_goes_on_when_its_cpu_goes_off_line_and_comes_back_to_it)
{
	int fd = dev_file(dev_fs(DEV_EXT4), SIZE, ID);
	const char *online = "/sys/devices/system/cpu/cpu1/online";
	char list[64];
	struct raw r;

	buf = dev_buf(PG);
	if (nbtest_write_text(online, "1"))
		nbtest_skip("no CPU that can go");
	ck_assert_int_eq(setup_on(&r, 1), 0);
	ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(nbtest_write_text(online, "0"), 0);
		for (int n = 0; n < 50; n++)
			ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
		ck_assert_int_eq(nbtest_write_text(online, "1"), 0);
		/* The next time it wakes */
		ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
		dev_await(raw_asleep(&r));
		ck_assert_int_eq(sq_read(&r, fd, buf, PG, 0, 0).res, PG);
		sq_cpus(sq_thread(&r), list, sizeof(list));
		ck_assert_str_eq(list, "1");
	}
	raw_close(&r);
}
END_TEST

static int threads_of_nobody(void *arg)
{
	struct raw r[16];
	int n, ret = 0;

	for (n = 0; n < 16 && !ret; n++) {
		memset(&r[n], 0, sizeof(r[n]));
		r[n].p.sq_entries = 1;
		r[n].p.flags = NBREAD_SETUP_SQTHREAD;
		r[n].p.sq_thread_idle_ms = NBREAD_SQ_IDLE_NONE;
		ret = raw_open_p(&r[n]);
	}
	if (ret != -EMFILE || n - 1 != *(int *)arg)
		return 1;
	/* Those that share one are not limited by that. */
	return attach(&r[15], r[0].fd) == 0 ? 0 : 2;
}

START_TEST(a_user_has_a_few_threads_and_no_more)
{
	char text[16];
	int max;

	ck_assert_int_gt(nbtest_read_text("/sys/module/nbread/parameters/max_sq_threads", text,
					  sizeof(text)),
			 0);
	max = atoi(text);
	nbtest_must_sh("chmod 666 /dev/nbread");
	/* The second round finds what the first gave back, when its threads have ended. */
	for (int i = 0; i < 2; i++) {
		long refs = dev_module_idle();

		ck_assert_int_eq(nbtest_as_nobody(threads_of_nobody, &max), 0);
		dev_await(dev_module_refs() == refs);
	}
}
END_TEST

static int thread_joins_nobody(void *arg)
{
	char mine[128], its[128], path[64];
	struct raw r = { .p = { .sq_entries = 8, .flags = NBREAD_SETUP_SQTHREAD } };

	if (raw_open_p(&r))
		return 1;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", sq_thread(&r));
	if (nbtest_read_text("/proc/self/cgroup", mine, sizeof(mine)) <= 0 ||
	    nbtest_read_text(path, its, sizeof(its)) <= 0 || !strstr(mine, arg))
		return 2;
	return strcmp(mine, its) ? 3 : 0;
}

/* A cpuset asks whether who moves a task may schedule it; a thread of the kernel is root's. */
START_TEST(the_thread_is_in_the_cgroups_of_an_owner_without_privileges)
{
	int ret;

	if (nbtest_sh("cd /sys/fs/cgroup && echo +cpuset >cgroup.subtree_control && "
		      "mkdir -p nbt-set && echo 0 >nbt-set/cpuset.cpus && "
		      "echo %d >nbt-set/cgroup.procs",
		      getpid()))
		nbtest_skip("no cgroup2 with cpusets");
	nbtest_must_sh("chmod 666 /dev/nbread");
	ret = nbtest_as_nobody(thread_joins_nobody, "nbt-set");
	nbtest_must_sh("echo %d >/sys/fs/cgroup/cgroup.procs", getpid());
	ck_assert_int_eq(ret, 0);
	dev_await(dev_module_refs() == 0);
	dev_await(!rmdir("/sys/fs/cgroup/nbt-set"));
}
END_TEST

Suite *check_sq_life_suite(void)
{
	Suite *s = suite_create("sq_life");

	nbtest_add_loop(s, close_waits_neither_for_the_disk_nor_for_the_thread, 2);
	nbtest_add_loop(s, a_process_ends_at_once_and_its_thread_with_it, 3);
	nbtest_add_loop(s, a_ring_that_outlives_its_process_pins_none_of_its_memory, 2);
	nbtest_add_loop(s, rings_share_a_thread_and_the_last_one_ends_it, 4);
	nbtest_add(s, only_a_ring_with_a_thread_of_the_same_process_can_be_attached_to);
	nbtest_add(s, the_thread_runs_where_its_owner_may_and_where_he_says);
	nbtest_add(s, it_goes_on_when_its_cpu_goes_off_line_and_comes_back_to_it);
	nbtest_add(s, the_thread_is_in_the_cgroups_of_an_owner_without_privileges);
	nbtest_add(s, a_user_has_a_few_threads_and_no_more);
	return s;
}
