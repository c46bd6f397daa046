// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the portable backend asks of the kernel: done for real, but for what a test wants
 * otherwise (fake.h, fake_threads.h).
 */
#include <errno.h>
#include <signal.h>
#include "nbtest.h"
#include "fake_threads.h"
#include "real_sys.h"

#define MAX_IOV 64

static int arena = -1;
static __u64 arena_size;

static unsigned count(unsigned *counter)
{
	return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* A read of which a step of the test may say how it ends. */
static ssize_t read_by(const long *steps, unsigned n, int error, int fd, const struct iovec *iov,
		       int nr, __u64 off)
{
	long step = n < FAKE_STEPS ? steps[n] : 0;
	struct iovec some[MAX_IOV];
	size_t left;
	int i;

	if (step == FAKE_EOF)
		return 0;
	if (step < 0 || (!step && error))
		return step ? step : error;
	if (!step)
		return real_read(fd, iov, nr, off, false);
	left = (size_t)step;
	for (i = 0; i < nr && i < MAX_IOV && left; i++) {
		some[i] = iov[i];
		if (some[i].iov_len > left)
			some[i].iov_len = left;
		left -= some[i].iov_len;
	}
	return real_read(fd, some, i, off, false);
}

__u64 fake_signal_mask(void)
{
	__u64 mask = 0;
	sigset_t set;
	int sig;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	for (sig = 1; sig <= 64; sig++)
		mask |= (__u64)(sigismember(&set, sig) == 1) << (sig - 1);
	return mask;
}

/* Written by several threads at a time, with the same value: all are as the backend made them. */
static void note_mask(void)
{
	__atomic_store_n(&fake.blocking_mask, fake_signal_mask(), __ATOMIC_RELAXED);
}

static ssize_t blocking_read(int fd, const struct iovec *iov, int nr, __u64 off)
{
	unsigned n = count(&fake.blocking_reads);
	ssize_t ret;

	if (n < FAKE_LOG)
		__atomic_store_n(&fake.blocking_offs[n], off, __ATOMIC_RELAXED);
	note_mask();
	ret = read_by(fake.blocking_steps, n, fake.blocking_error, fd, iov, nr, off);
	fake_pass_gate(FAKE_READ);
	return ret;
}

ssize_t nbread_sys_read(int fd, const struct iovec *iov, int nr, __u64 off, bool nowait)
{
	if (nowait && fake.during_nowait)
		fake.during_nowait();
	if (nowait)
		return read_by(fake.nowait_steps, count(&fake.nowait_reads), fake.nowait_error, fd,
			       iov, nr, off);
	/* These two only ask what the kernel thinks of the arguments. */
	if (nr == 0 || (fd == arena && off >= arena_size))
		return real_read(fd, iov, nr, off, false);
	if (fd != arena)
		return blocking_read(fd, iov, nr, off);
	fake_pass_gate(FAKE_COPY);
	return read_by(fake.copy_steps, count(&fake.copies), 0, fd, iov, nr, off);
}

int nbread_sys_memory(int fd, size_t size, void **out)
{
	if (fake.fail_memory && --fake.fail_memory == 0)
		return -ENOMEM;
	count(&fake.portable_maps);
	return real_memory(fd, size, out);
}

int nbread_sys_wipe_on_fork(void *mem, size_t size)
{
	return fake.wipe_error ? fake.wipe_error : real_wipe_on_fork(mem, size);
}

int nbread_sys_forget(void *mem, size_t size)
{
	count(&fake.forgotten);
	fake_pass_gate(FAKE_FORGET);
	return real_forget(mem, size);
}

int nbread_sys_memfd(size_t size)
{
	if (fake.memfd_error && (size || fake.memfd_error != -EFBIG))
		return fake.memfd_error;
	if (fake.empty_memfd_error && !size)
		return fake.empty_memfd_error;
	arena = real_memfd(size);
	arena_size = size;
	return arena;
}

int nbread_sys_null(void)
{
	if (fake.null_error)
		return fake.null_error;
	arena = real_null();
	arena_size = 0;
	return arena;
}

ssize_t nbread_sys_copy(const struct iovec *to, int nr, const void *from, size_t n)
{
	fake_pass_gate(FAKE_COPY);
	count(&fake.own_copies);
	return fake.copy_error ? fake.copy_error : real_copy(to, nr, from, n);
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
	void (*during)(void) = fake.during_wait;
	int ret;

	count(&fake.waits);
	fake.during_wait = NULL;
	if (during)
		during();
	if (fake.wait_error)
		return fake.wait_error;
	if (timeout_ns < 0 || !fake.now_ns)
		return real_wait(fd, timeout_ns, sigmask);
	/* All the time passes at once, unless there is something already. */
	ret = real_wait(fd, 0, sigmask);
	if (!ret)
		fake_advance((__u64)timeout_ns);
	return ret;
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
	if (fake.fail_dup && --fake.fail_dup == 0)
		return -EMFILE;
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
	count(&fake.statfs);
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

int nbread_sys_pid(void)
{
	return real_pid() + fake.forked;
}

int nbread_sys_kernel(void)
{
	return fake.kernel ? fake.kernel : real_kernel();
}
