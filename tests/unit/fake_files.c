// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the portable backend asks of the kernel: done for real, but for what a test wants
 * otherwise (fake.h). Blocking reads of files can be held, so that the pool's threads are
 * busy for as long as a test needs them to be.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include "fake.h"
#include "real_sys.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned held;
static bool holding;
static int arena = -1;

void fake_hold(void)
{
	pthread_mutex_lock(&lock);
	holding = true;
	pthread_mutex_unlock(&lock);
}

void fake_let_go(void)
{
	pthread_mutex_lock(&lock);
	holding = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

unsigned fake_held(void)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = held;
	pthread_mutex_unlock(&lock);
	return n;
}

static void wait_while_held(void)
{
	pthread_mutex_lock(&lock);
	held++;
	while (holding)
		pthread_cond_wait(&changed, &lock);
	held--;
	pthread_mutex_unlock(&lock);
}

ssize_t nbread_sys_read(int fd, const struct iovec *iov, int nr, __u64 off, bool nowait)
{
	ssize_t ret;

	if (fd == arena)
		return real_read(fd, iov, nr, off, nowait);
	if (nowait) {
		__atomic_add_fetch(&fake.nowait_reads, 1, __ATOMIC_RELAXED);
		return fake.nowait_error ? fake.nowait_error : real_read(fd, iov, nr, off, nowait);
	}
	if (nr == 0)
		return real_read(fd, iov, nr, off, nowait);
	__atomic_add_fetch(&fake.blocking_reads, 1, __ATOMIC_RELAXED);
	if (fake.blocking_error)
		return fake.blocking_error;
	ret = real_read(fd, iov, nr, off, nowait);
	wait_while_held();
	return ret;
}

int nbread_sys_memory(int fd, size_t size, void **out)
{
	if (fake.fail_memory && --fake.fail_memory == 0)
		return -ENOMEM;
	fake.portable_maps++;
	return real_memory(fd, size, out);
}

int nbread_sys_wipe_on_fork(void *mem, size_t size)
{
	return fake.wipe_error ? fake.wipe_error : real_wipe_on_fork(mem, size);
}

int nbread_sys_forget(void *mem, size_t size)
{
	return real_forget(mem, size);
}

int nbread_sys_memfd(size_t size)
{
	if (fake.memfd_error)
		return fake.memfd_error;
	arena = real_memfd(size);
	return arena;
}

int nbread_sys_eventfd(void)
{
	if (fake.fail_eventfd && --fake.fail_eventfd == 0)
		return -EMFILE;
	return real_eventfd();
}

int nbread_sys_event_add(int fd, __u64 value)
{
	return real_event_add(fd, value);
}

int nbread_sys_event_clear(int fd)
{
	return real_event_clear(fd);
}

int nbread_sys_wait(int fd, __s64 timeout_ns, const __u64 *sigmask)
{
	__atomic_add_fetch(&fake.waits, 1, __ATOMIC_RELAXED);
	return real_wait(fd, timeout_ns, sigmask);
}

int nbread_sys_readahead(int fd, __u64 off, __u64 len)
{
	__atomic_store_n(&fake.readahead_off, off, __ATOMIC_RELAXED);
	__atomic_store_n(&fake.readahead_len, len, __ATOMIC_RELAXED);
	__atomic_add_fetch(&fake.readaheads, 1, __ATOMIC_RELEASE);
	return real_readahead(fd, off, len);
}

int nbread_sys_dup(int fd)
{
	return fake.dup_error ? fake.dup_error : real_dup(fd);
}

int nbread_sys_file_flags(int fd)
{
	return real_file_flags(fd);
}

int nbread_sys_stat(int fd, struct nbread_sys_id *st)
{
	int ret = real_stat(fd, st);

	if (ret == 0 && fake.dax)
		st->dax = true;
	if (ret == 0 && fake.other_owner)
		st->uid++;
	return ret;
}

int nbread_sys_fs_magic(int fd, __u32 *magic)
{
	return real_fs_magic(fd, magic);
}

int nbread_sys_may_write(int fd)
{
	return fake.may_write_error ? fake.may_write_error : real_may_write(fd);
}

__u32 nbread_sys_euid(void)
{
	return real_euid();
}

int nbread_sys_kernel(void)
{
	return fake.kernel ? fake.kernel : real_kernel();
}
