// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake device; contract in fake.h. Strict where the ABI is: a reserved
 * member that is not zero, a mapping of the wrong size or a descriptor that is
 * not the device's fails the test, since the library may never do that.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "nbtest.h"
#include "fake_threads.h"
#include "real_sys.h"

#define MAX_ENTRIES 4096

/* ck_assert writes a note each time, which is slow where a test enters very often. */
#define must(cond, what)                    \
	do {                                \
		if (!(cond))                \
			nbtest_fatal(what); \
	} while (0)

struct fake fake = {
	.query = {
		.abi_version = NBREAD_ABI_VERSION,
		.sqe_flags = NBREAD_SQE_CACHED | NBREAD_SQE_NOIO | NBREAD_SQE_ASYNC,
		.enter_flags = NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK,
		.opcodes = 7,
		.max_sq_entries = MAX_ENTRIES,
		.max_cq_entries = 2 * MAX_ENTRIES,
		.max_try = 8,
		.max_iov = 1024,
		.max_len = 1U << 20,
		.max_files = 1024,
		.max_buffers = 256,
	},
	.now_ns = 5000000000,
	.take_max = ~0U,
	.set_max = ~0U,
};

/* The shared memory; the indices lie apart from each other, as in the real one. */
static struct shared {
	__u32 sq_head, pad0[15], sq_tail, pad1[15], cq_head, pad2[15], cq_tail, pad3[15];
	__u32 sq_mask, sq_entries, sq_flags, cq_mask, cq_entries, cq_flags, pad4[10];
	struct nbread_cqe cqes[2 * MAX_ENTRIES];
	struct nbread_sqe sqes[MAX_ENTRIES];
} * mem;

/* Of a shared device. */
static pthread_mutex_t kernel = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t posted = PTHREAD_COND_INITIALIZER;

static __u32 sq_entries, cq_entries;
static bool has_thread;
static struct nbread_sqe parked[2 * MAX_ENTRIES];
static unsigned nr_parked, nr_released;

static __u32 round_up(__u32 n)
{
	__u32 r = 1;

	while (r < n)
		r *= 2;
	return r;
}

static int do_setup(struct nbread_setup *p)
{
	fake.setup = *p;
	if (fake.setup_error)
		return fake.setup_error;
	if (!p->sq_entries || p->sq_entries > fake.query.max_sq_entries)
		return -EINVAL;
	if (p->flags & ~fake.query.setup_flags)
		return -EOPNOTSUPP;
	ck_assert_msg(!p->resv0 && !p->ring_size && !p->resv[0] && !p->resv[1], "reserved");
	has_thread = p->flags & NBREAD_SETUP_SQTHREAD;
	sq_entries = p->sq_entries = round_up(p->sq_entries);
	cq_entries = p->cq_entries = p->cq_entries ? round_up(p->cq_entries) : 2 * sq_entries;
	p->ring_size = sizeof(struct shared);
	p->sq_off.head = offsetof(struct shared, sq_head);
	p->sq_off.tail = offsetof(struct shared, sq_tail);
	p->sq_off.mask = offsetof(struct shared, sq_mask);
	p->sq_off.entries = offsetof(struct shared, sq_entries);
	p->sq_off.flags = offsetof(struct shared, sq_flags);
	p->sq_off.sqes = offsetof(struct shared, sqes);
	p->cq_off.head = offsetof(struct shared, cq_head);
	p->cq_off.tail = offsetof(struct shared, cq_tail);
	p->cq_off.mask = offsetof(struct shared, cq_mask);
	p->cq_off.entries = offsetof(struct shared, cq_entries);
	p->cq_off.flags = offsetof(struct shared, cq_flags);
	p->cq_off.cqes = offsetof(struct shared, cqes);
	if (fake.spoil_setup)
		fake.spoil_setup(p);
	return 0;
}

static int run(const struct nbread_sqe *sqe)
{
	ssize_t ret;

	if (sqe->resv0 || sqe->resv1 || sqe->resv2[0] || sqe->resv2[1])
		return -EINVAL;
	switch (sqe->opcode) {
	case NBREAD_OP_NOP:
		return sqe->fd || sqe->off || sqe->addr || sqe->len ? -EINVAL : 0;
	case NBREAD_OP_READ:
		ret = pread(sqe->fd, (void *)(uintptr_t)sqe->addr, sqe->len, (off_t)sqe->off);
		break;
	case NBREAD_OP_READV:
		ret = preadv(sqe->fd, (const struct iovec *)(uintptr_t)sqe->addr, (int)sqe->len,
			     (off_t)sqe->off);
		break;
	default:
		return -EINVAL;
	}
	return ret < 0 ? -errno : (int)ret;
}

static void complete(const struct nbread_sqe *sqe)
{
	__u32 tail = mem->cq_tail;

	mem->cqes[tail & (cq_entries - 1)] =
		(struct nbread_cqe){ .user_data = sqe->user_data, .res = run(sqe) };
	nbread_store_release(&mem->cq_tail, tail + 1);
}

static __u32 cq_held(void)
{
	return mem->cq_tail - nbread_load_acquire(&mem->cq_head);
}

static int take(__u32 nr)
{
	__u32 ready = nbread_load_acquire(&mem->sq_tail) - mem->sq_head;
	int taken = 0;

	if (ready > sq_entries || cq_held() > cq_entries)
		return -EINVAL;
	while (nr-- && ready-- && (unsigned)taken < fake.take_max &&
	       cq_held() + nr_parked < cq_entries) {
		struct nbread_sqe sqe = mem->sqes[mem->sq_head & (sq_entries - 1)];

		nbread_store_release(&mem->sq_head, mem->sq_head + 1);
		if (fake.park)
			parked[nr_parked++] = sqe;
		else
			complete(&sqe);
		taken++;
	}
	return taken;
}

static void run_released(void)
{
	for (; nr_released; nr_released--) {
		complete(&parked[0]);
		memmove(parked, parked + 1, --nr_parked * sizeof(*parked));
	}
}

void fake_thread_run(void)
{
	int taken = take(~0U);

	must(taken >= 0, "indices");
}

void fake_thread_sleep(void)
{
	__atomic_store_n(&mem->sq_flags, NBREAD_SQ_NEED_WAKEUP, __ATOMIC_SEQ_CST);
}

/* What an ENTER does on a ring with a thread; to_submit is only answered. */
static int enter_thread(const struct nbread_enter *e)
{
	if (e->flags & NBREAD_ENTER_SQ_WAKEUP) {
		__atomic_store_n(&mem->sq_flags, 0, __ATOMIC_SEQ_CST);
		fake_thread_run();
	}
	if (e->flags & NBREAD_ENTER_SQ_WAIT && !mem->sq_flags)
		fake_thread_run();
	return (int)e->to_submit;
}

static int do_enter(const struct nbread_enter *e)
{
	int ret = fake.enter_error, taken;

	fake.enters++;
	fake.enter = *e;
	fake.enter_error = 0;
	if (ret)
		return ret;
	must(!e->resv0 && !e->resv[0] && !e->resv[1], "reserved");
	if ((!(e->flags & NBREAD_ENTER_TIMEOUT) && e->timeout_ns) ||
	    (e->flags & NBREAD_ENTER_ABS && !(e->flags & NBREAD_ENTER_TIMEOUT)) ||
	    (!(e->flags & NBREAD_ENTER_SIGMASK) && e->sigmask) || e->min_complete > cq_entries ||
	    (!has_thread && e->flags & (NBREAD_ENTER_SQ_WAKEUP | NBREAD_ENTER_SQ_WAIT)))
		return -EINVAL;
	taken = has_thread ? enter_thread(e) : take(e->to_submit);
	run_released();
	ret = 0;
	if (fake.shared) {
		pthread_cond_broadcast(&posted);
		while (cq_held() < e->min_complete)
			pthread_cond_wait(&posted, &kernel);
	} else if (cq_held() < e->min_complete) {
		ret = fake.wait_error;
		if (!ret && (e->flags & NBREAD_ENTER_TIMEOUT))
			ret = -ETIME;
		must(ret < 0, "would wait for ever");
	}
	if (fake.during_enter)
		fake.during_enter();
	return taken ? taken : ret;
}

static int do_try(struct nbread_try_batch *b)
{
	struct nbread_try *reqs = (struct nbread_try *)(uintptr_t)b->reqs;
	int hits = 0;
	__u32 i;

	fake.batch = *b;
	if (fake.tries++ >= fake.try_error_at && fake.call_error)
		return fake.call_error;
	if (!b->nr || b->nr > fake.query.max_try || b->flags || b->resv[0] || b->resv[1])
		return -EINVAL;
	for (i = 0; i < b->nr; i++) {
		struct nbread_try *r = &reqs[i];
		struct nbread_sqe sqe = { .opcode = NBREAD_OP_READ,
					  .fd = r->fd,
					  .off = r->off,
					  .addr = r->addr,
					  .len = r->len };

		ck_assert_msg(!r->resv, "reserved");
		if (r->flags & ~(NBREAD_SQE_CACHED | NBREAD_SQE_NOIO) ||
		    r->len > fake.query.max_len)
			r->res = -EINVAL;
		else
			r->res = fake.all_miss ? -EAGAIN : run(&sqe);
		r->cqe_flags = r->res >= 0 ? NBREAD_CQE_HIT : 0;
		hits += r->res >= 0;
	}
	return hits;
}

static int do_register(const struct nbread_register *r)
{
	const struct nbread_buffer *buffers = (const void *)(uintptr_t)r->addr;
	__u32 nr = r->nr < fake.set_max ? r->nr : fake.set_max, i;

	fake.reg = *r;
	fake.regs++;
	if (r->addr && r->nr)
		fake.reg_first_int = *(int *)(uintptr_t)r->addr;
	if (fake.call_error && fake.regs > fake.reg_error_at)
		return fake.call_error;
	ck_assert_msg(!r->resv[0] && !r->resv[1], "reserved");
	switch (r->op) {
	case NBREAD_REGISTER_BUFFERS:
	case NBREAD_REGISTER_BUFFERS_UPDATE:
		ck_assert_msg(r->off + r->nr <= NBTEST_ARRAY_SIZE(fake.buffers), "slots");
		for (i = 0; buffers && i < nr; i++)
			fake.buffers[r->off + i] = buffers[i];
		break;
	}
	return r->op == NBREAD_REGISTER_BUFFERS_UPDATE || r->op == NBREAD_REGISTER_FILES_UPDATE ?
		       (int)nr :
		       0;
}

static int do_other(unsigned long cmd, void *arg)
{
	struct nbread_file_info *info = arg;

	switch (cmd) {
	case NBREAD_IOC_REGISTER:
		return do_register(arg);
	case NBREAD_IOC_CANCEL:
		fake.cancel = *(struct nbread_cancel *)arg;
		return fake.call_error ? fake.call_error : 3;
	case NBREAD_IOC_FILE_INFO:
		fake.info = *info;
		info->path = NBREAD_PATH_FILEMAP;
		return fake.call_error;
	}
	return -ENOTTY;
}

static int do_ioctl(unsigned long cmd, void *arg)
{
	switch (cmd) {
	case NBREAD_IOC_QUERY:
		*(struct nbread_query *)arg = fake.query;
		return fake.query_error;
	case NBREAD_IOC_SETUP:
		return do_setup(arg);
	case NBREAD_IOC_ENTER:
		return do_enter(arg);
	case NBREAD_IOC_TRY:
		return do_try(arg);
	}
	return do_other(cmd, arg);
}

int nbread_sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	int ret;

	must(fd == FAKE_FD, "not the device");
	if (!fake.shared)
		return do_ioctl(cmd, arg);
	pthread_mutex_lock(&kernel);
	ret = do_ioctl(cmd, arg);
	pthread_mutex_unlock(&kernel);
	return ret;
}

__u64 nbread_sys_now_ns(void)
{
	__u64 now = __atomic_load_n(&fake.now_ns, __ATOMIC_RELAXED);

	return now ? now : real_now_ns();
}

int nbread_sys_open(const char *path)
{
	strncpy(fake.path, path, sizeof(fake.path) - 1);
	if (fake.open_error)
		return fake.open_error;
	fake.opens++;
	return FAKE_FD;
}

int nbread_sys_close(int fd)
{
	if (fd != FAKE_FD) { /* of the portable backend */
		fake_pass_gate(FAKE_CLOSE);
		return real_close(fd);
	}
	fake.closes++;
	return 0;
}

int nbread_sys_mmap(int fd, size_t size, void **out)
{
	ck_assert_int_eq(fd, FAKE_FD);
	if (fake.mmap_error)
		return fake.mmap_error;
	ck_assert_uint_eq(size, sizeof(struct shared));
	mem = calloc(1, size);
	mem->sq_mask = sq_entries - 1 + fake.wrong_sq_mask;
	mem->cq_mask = cq_entries - 1 + fake.wrong_cq_mask;
	mem->sq_head = mem->sq_tail = mem->cq_head = mem->cq_tail = fake.first_index;
	fake.mmaps++;
	*out = mem;
	return 0;
}

int nbread_sys_munmap(void *p, size_t size)
{
	if (!mem || p != mem) {
		__atomic_sub_fetch(&fake.portable_maps, 1, __ATOMIC_RELAXED);
		return real_munmap(p, size);
	}
	ck_assert_uint_eq(size, sizeof(struct shared));
	free(mem);
	fake.munmaps++;
	return 0;
}

void fake_release(unsigned nr)
{
	nr_released += nr;
	ck_assert_uint_le(nr_released, nr_parked);
}

unsigned fake_parked(void)
{
	return nr_parked;
}
