// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the library asks of the C library rather than of the kernel: threads, time to wait
 * for them, memory. The linker sends those calls here (--wrap, tests/Makefile); contract
 * in fake_threads.h.
 */
#include <errno.h>
#include <stdlib.h>
#include "nbtest.h"
#include "fake_libc.h"
#include "fake_threads.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static unsigned tried, made, running, blocked;

/** struct sleeper - a thread in pthread_cond_timedwait(), by the clock of fake.now_ns */
struct sleeper {
	struct sleeper *next;
	pthread_cond_t *cond;
	pthread_mutex_t *mutex;
	__u64 until;
	bool listed;
};

#define MAX_SLEEPERS 64
static struct sleeper *sleepers;
static unsigned nr_sleepers;

static __thread unsigned alloc_to_fail;
static __thread bool alloc_failed;

struct start {
	void *(*fn)(void *);
	void *arg;
};

static void *run(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	start.fn(start.arg);
	pthread_mutex_lock(&lock);
	running--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg)
{
	struct start *start;
	unsigned n;
	int ret;

	if (!attr) /* of a test */
		return __real_pthread_create(thread, attr, fn, arg);
	pthread_mutex_lock(&lock);
	n = tried++;
	ret = n < FAKE_STEPS && fake.thread_steps[n] ? fake.thread_steps[n] : fake.thread_error;
	if (n < FAKE_STEPS)
		pthread_attr_getstacksize(attr, &fake.stacks[n]);
	if (!ret) {
		made++;
		running++;
	}
	pthread_mutex_unlock(&lock);
	if (ret)
		return ret;
	start = __real_malloc(sizeof(*start));
	/* No ck_assert, which allocates: that may be about to fail. */
	if (!start)
		nbtest_fatal("no memory");
	*start = (struct start){ fn, arg };
	if (__real_pthread_create(thread, attr, run, start))
		nbtest_fatal("no thread");
	return 0;
}

static unsigned locked_read(const unsigned *what)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = *what;
	pthread_mutex_unlock(&lock);
	return n;
}

static void wait_until_is(const unsigned *what, unsigned nr)
{
	pthread_mutex_lock(&lock);
	while (*what != nr)
		__real_pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

unsigned fake_threads_made(void)
{
	return locked_read(&made);
}

unsigned fake_threads_tried(void)
{
	return locked_read(&tried);
}

void fake_wait_threads(unsigned nr)
{
	wait_until_is(&running, nr);
}

void fake_wait_asleep(unsigned nr)
{
	wait_until_is(&nr_sleepers, nr);
}

void fake_wait_blocked(unsigned nr)
{
	wait_until_is(&blocked, nr);
}

/* Counts how many are in there: only to be told, so in no lock of the caller's. */
static void add(unsigned *what, int n)
{
	pthread_mutex_lock(&lock);
	*what += (unsigned)n;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	int ret;

	add(&blocked, 1);
	ret = __real_pthread_cond_wait(cond, mutex);
	add(&blocked, -1);
	return ret;
}

/* With lock. */
static void unlist(struct sleeper *s)
{
	struct sleeper **at;

	if (!s->listed)
		return;
	for (at = &sleepers; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	s->listed = false;
	nr_sleepers--;
	pthread_cond_broadcast(&changed);
}

/* A 32-bit library is built with the old timespec, the tests with the new one. */
struct lib_timespec {
	long tv_sec, tv_nsec;
};

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct lib_timespec *ts);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct lib_timespec *ts)
{
	struct sleeper me = { .cond = cond, .mutex = mutex, .listed = true };
	bool over;

	if (!__atomic_load_n(&fake.now_ns, __ATOMIC_RELAXED))
		return __real_pthread_cond_timedwait(cond, mutex, ts);
	me.until = (__u64)ts->tv_sec * 1000000000 + (__u64)ts->tv_nsec;
	pthread_mutex_lock(&lock);
	over = me.until <= fake.now_ns;
	if (!over) {
		me.next = sleepers;
		sleepers = &me;
		nr_sleepers++;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	if (over)
		return ETIMEDOUT;
	/* Who moves the clock needs the caller's mutex to wake us: none comes in between. */
	__real_pthread_cond_wait(cond, mutex);
	pthread_mutex_lock(&lock);
	unlist(&me);
	over = me.until <= fake.now_ns;
	pthread_mutex_unlock(&lock);
	return over ? ETIMEDOUT : 0;
}

/* Whoever is due counts as awake from now on: what it does next can be waited for. */
void fake_advance(__u64 ns)
{
	struct sleeper due[MAX_SLEEPERS], *s, *next;
	unsigned nr = 0, i;

	pthread_mutex_lock(&lock);
	__atomic_store_n(&fake.now_ns, fake.now_ns + ns, __ATOMIC_RELAXED);
	for (s = sleepers; s && nr < MAX_SLEEPERS; s = next) {
		next = s->next;
		if (s->until > fake.now_ns)
			continue;
		due[nr++] = *s;
		unlist(s);
	}
	pthread_mutex_unlock(&lock);
	for (i = 0; i < nr; i++) {
		pthread_mutex_lock(due[i].mutex);
		pthread_cond_broadcast(due[i].cond);
		pthread_mutex_unlock(due[i].mutex);
	}
}

void fake_fail_alloc(unsigned nth)
{
	alloc_to_fail = nth;
	alloc_failed = false;
}

bool fake_alloc_failed(void)
{
	alloc_to_fail = 0;
	return alloc_failed;
}

static bool fails(void)
{
	if (!alloc_to_fail || --alloc_to_fail)
		return false;
	alloc_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return fails() ? NULL : __real_calloc(nr, size);
}

int __wrap_posix_memalign(void **mem, size_t align, size_t size)
{
	return fails() ? ENOMEM : __real_posix_memalign(mem, align, size);
}
