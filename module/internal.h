/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - the objects of nbread and the way data flows between its files.
 *
 *   main (ioctl) -> register -> files, buffers, event
 *        |-> enter -> submit -> cached -> stacked, resident -> filemap
 *        |     |  (thread) sqthread -> submit, spread
 *        |     |         |-> miss -> worker
 *        |     '-> spread --^ '-> complete -> ring
 *        '-> cancel <- deadline (timer)
 *
 * Mostly a file calls to the right or down: user, dst, event, wait and ring call only each other
 * and ctx; ctx and sq begin and end what others run; miss uses cached's readahead.
 * docs/design.md has the states, the references and the races.
 *
 * Locks, outermost first:
 *   nb_ctx.lock      mutex; SETUP, REGISTER, taking entries off the SQ, the thread's look
 *                    at its credentials. Task context; may be held over a page fault
 *                    and over a file system's read.
 *   nb_ctx.req_lock  spinlock; the requests in flight, by age and deadline, and those
 *                    that wait for a worker. Task and worker.
 *   nb_ctx.files_lock spinlock; the slots of registered files. Task. Innermost, as are
 *                    nb_users_lock and the xarray's of memlock.c: both also within req_lock.
 *   nb_ctx.cq_lock   spinlock; CQ tail, reserved slots, counters. Task and worker.
 *   nb_ctx.wait_lock spinlock; who sleeps in ENTER. Also under a folio wait-queue lock,
 *                    irqs off; so is the lock in nb_ctx.pollers. Neither within the other.
 * No other lock of ours is taken with interrupts off.
 */
#ifndef NBREAD_INTERNAL_H
#define NBREAD_INTERNAL_H

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/llist.h>
#include <linux/magic.h>
#include <linux/mutex.h>
#include <linux/nbread.h>
#include <linux/pagemap.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"

#define NB_MAX_SQ_ENTRIES 32768U
#define NB_MAX_CQ_ENTRIES 65536U
#define NB_MAX_TRY 1024U
#define NB_MAX_FILES 32768U
#define NB_MAX_BUFFERS 16384U
/* As MAX_RW_COUNT: what one read(2) can return, in a __s32 that stays positive. */
#define NB_MAX_LEN ((u32)MAX_RW_COUNT)

#define NB_SQE_FLAGS \
	(NBREAD_SQE_FIXED_FILE | NBREAD_SQE_CACHED | NBREAD_SQE_NOIO | NBREAD_SQE_ASYNC)
#define NB_CQE_FLAGS (NBREAD_CQE_HIT | NBREAD_CQE_WAITED | NBREAD_CQE_PUNTED)
#define NB_ENTER_FLAGS                                                                             \
	(NBREAD_ENTER_TIMEOUT | NBREAD_ENTER_ABS | NBREAD_ENTER_SIGMASK | NBREAD_ENTER_SQ_WAKEUP | \
	 NBREAD_ENTER_SQ_WAIT)
#define NB_CANCEL_FLAGS \
	(NBREAD_CANCEL_FD | NBREAD_CANCEL_ANY | NBREAD_CANCEL_ALL | NBREAD_CANCEL_FIXED_FILE)
#define NB_SETUP_FLAGS \
	(NBREAD_SETUP_SQTHREAD | NBREAD_SETUP_SQWQ | NBREAD_SETUP_SQ_AFF | NBREAD_SETUP_ATTACH)
#define NB_OPCODES                                                                     \
	(BIT_ULL(NBREAD_OP_NOP) | BIT_ULL(NBREAD_OP_READ) | BIT_ULL(NBREAD_OP_READV) | \
	 BIT_ULL(NBREAD_OP_READ_FIXED))

struct nb_bufs;
struct nb_locked;
struct nb_event;
struct nb_files;
struct nb_hand;
struct nb_fm_row;
struct nb_user;

/**
 * struct nb_ring - the memory shared with the program, and the kernel's own copies
 * @pages:	the memory, charged to the memory cgroup of who set it up
 * @base:	the same, mapped for the kernel
 * @sq_head:	next SQE to take; the truth: the shared word, stored just before it, is only shown
 * @cq_tail:	next CQE to write; likewise
 * @cq_shown:	the tail as it was last published; may be read without a lock
 *
 * Nothing read from the shared memory is used as an index unmasked.
 */
struct nb_ring {
	struct page **pages;
	unsigned int nr_pages;
	void *base;
	struct nbread_sqe *sqes;
	struct nbread_cqe *cqes;
	u32 sq_mask;
	u32 cq_mask;
	u32 sq_head;
	u32 cq_tail;
	u32 cq_shown;
};

/* Counters of a ring, shown in fdinfo. Under cq_lock. */
struct nb_stats {
	u64 submitted;
	u64 completed;
	u64 hits;
	u64 waited;
	u64 punted;
	u64 cancelled;
	u64 timed_out;
};

/* Workers that help a ring at a time: copying is bound by memory, not by cores. */
#define NB_HELPERS 3

/**
 * struct nb_part - ready reads that a worker runs in place of the task in ENTER
 * @work:	on ctx->helper_wq
 * @list:	chain of requests, by lnode; the worker's from queue_work() on
 */
struct nb_part {
	struct nb_ctx *ctx;
	struct work_struct work;
	struct llist_node *list;
};

/**
 * struct nb_ctx - one open file of /dev/nbread
 * @refs:	one of the file (dropped a grace period after release), one a request, one a
 *		worker that is called or at work, one a part that a helper has
 * @mm:		the owner, pinned by mmgrab(): who may ENTER, mmap and CANCEL
 * @lock:	see the top of this file
 * @ring:	NULL until SETUP; published with release, read with acquire
 * @flags:	NBREAD_SETUP_*, constant from then on
 * @wq:		its workers run what would block, at most @max_workers at a time
 * @sq:		of an SQTHREAD ring, else NULL; set before @ring is
 * @user:	who set the ring up, for the limits of user.c
 * @files:	registered files, see files.c; NULL if there are none
 * @bufs:	registered buffers, see buffers.c; under @lock, NULL if there are none
 * @nr_bufs:	slots of it that are not empty; written under @lock
 * @cq_reserved: CQ slots promised to entries taken and not completed
 * @reqs:	requests in flight that still owe a CQE
 * @deadlines:	those of them that have a deadline, by that; under req_lock
 * @queued:	those of @reqs that wait for a worker, oldest first
 * @idle_hands:	workers that have nothing to do, see worker.c
 * @nr_hands:	the others
 * @hand_called: one of those was called, and has not looked yet
 * @hands:	all of them
 * @timer:	fires at @timer_at or is about to, see deadline.c
 * @timer_at:	KTIME_MAX: nothing to come; under req_lock
 * @expire_work: ends what is late
 * @timeout_ns:	for reads without a deadline of their own, 0: none; set by SETUP
 * @clock_offset: see nb_clock_offset(); set by SETUP
 * @spare:	memory of ended requests, see request.c
 * @nr_spare:	about how many
 * @event:	the registered eventfd, see event.c, or NULL; RCU
 * @ready:	woken requests; pushed by the wake callback, taken by a task in ENTER or the
 *		ring's thread; nb_drop_ended() takes them and puts back, close.c frees them
 * @nr_ready:	about as many as @ready holds, for the wake-up condition; what a task
 *		took off the list is not counted any more
 * @nr_urgent:	about how many of those need more I/O: wake a sleeper whatever it waits for
 * @sleepers:	tasks that sleep in ENTER, in turn (struct nb_waiter)
 * @nr_sleepers: how many; written under wait_lock
 * @min_want:	no more than the least that a sleeper waits for; written under wait_lock
 * @pollers:	poll and epoll
 * @tell_work:	tells those of ready reads for whom a wake callback has no time, see wait.c
 * @tell:	who they are
 * @tell_slow:	to wake @pollers or those of the eventfd took long
 * @helper_wq:	runs @parts, see spread.c
 * @parts:	what helpers of the task in ENTER run
 * @helping:	which of them are taken
 * @spread:	reads that were handed to such, for fdinfo
 * @spread_bytes: what they delivered and no task was told to have read
 * @poll_told:	the task that poll told last of ready reads; only compared with current
 * @poll_told_at: looks at that time
 * @looks:	how often somebody looked and found nothing, see wait.c
 */
struct nb_ctx {
	refcount_t refs;
	struct mm_struct *mm;
	struct mutex lock; /* see the top */
	struct nb_ring *ring;
	u32 flags;
	struct workqueue_struct *wq;
	struct nb_hand *hands;
	u32 max_workers; /* written under req_lock */
	struct nb_sq *sq;
	struct nb_user *user;

	spinlock_t files_lock; /* files */
	struct nb_files *files;
	struct nb_bufs *bufs;
	struct nb_locked *locked; /* the account of buffers, or NULL */
	u32 nr_bufs;

	spinlock_t cq_lock ____cacheline_aligned_in_smp;
	u32 cq_reserved;
	struct nb_stats stats;

	spinlock_t req_lock; /* the next six, and timer_at */
	struct list_head reqs;
	struct rb_root_cached deadlines;
	struct list_head queued;
	struct nb_hand *idle_hands;
	unsigned int nr_hands;
	bool hand_called;
	struct hrtimer timer;
	ktime_t timer_at;
	struct work_struct expire_work;
	u64 timeout_ns;
	s64 clock_offset;
	struct llist_head spare; /* taken off under lock */
	atomic_t nr_spare;

	struct nb_event __rcu *event;

	struct llist_head ready ____cacheline_aligned_in_smp;
	atomic_t nr_ready;
	atomic_t nr_urgent;

	spinlock_t wait_lock; /* the next four, and poll_told_at */
	struct list_head sleepers;
	unsigned int nr_sleepers;
	u32 min_want;
	struct task_struct *poll_told;
	int poll_told_at;
	atomic_t looks;
	wait_queue_head_t pollers;
	struct work_struct tell_work;
	unsigned long tell;
	bool tell_slow;

	struct workqueue_struct *helper_wq;
	struct nb_part parts[NB_HELPERS];
	unsigned long helping;
	atomic64_t spread;
	atomic64_t spread_bytes;

	struct rcu_work close_work;
	struct work_struct free_work;
};

/**
 * struct nb_waiter - a task that waits in ENTER, on its stack
 * @node:	in ctx->sleepers while it sleeps
 * @want:	completions it waits for
 * @told:	it was woken for some; written under wait_lock
 * @in_turn:	that happened before: it is not the last in the queue
 */
struct nb_waiter {
	struct list_head node;
	struct nb_ctx *ctx;
	struct task_struct *task;
	u32 want;
	bool told;
	bool in_turn;
};

/**
 * struct nb_sqt - the kernel thread of one or more SQTHREAD rings of one mm
 * @refs:	its rings, to the end of their contexts, and the thread itself
 * @rings:	those that it did not drop; at 0 it ends
 * @task:	itself
 * @mm:		of the owners, pinned by mmgrab()
 * @user:	who it counts for
 * @cpus:	where it shall run
 * @idle:	jiffies without work after which it sleeps
 * @never_polls: it sleeps at once instead
 * @is_pinned:	to a CPU that the owner chose
 * @asleep:	or about to: who has news wakes it
 * @news:	rings that it shall serve from now on
 * @list:	rings that it serves; this and what follows is the thread's alone
 * @has_mm:	it uses @mm, with a reference by mmget()
 * @gone:	there is nobody left in @mm: nothing is to be done but to drop rings
 * @memcg:	of the owner, while @has_mm
 * @old_memcg:	what was active before
 */
struct nb_sqt {
	refcount_t refs;
	refcount_t rings;
	struct task_struct *task;
	struct mm_struct *mm;
	struct nb_user *user;
	cpumask_var_t cpus;
	unsigned long idle;
	bool never_polls;
	bool is_pinned;

	bool asleep ____cacheline_aligned_in_smp;
	struct llist_head news;

	struct list_head list ____cacheline_aligned_in_smp;
	bool has_mm;
	bool gone;
	struct mem_cgroup *memcg;
	struct mem_cgroup *old_memcg;
};

/**
 * struct nb_sq - what an SQTHREAD ring has beyond others
 * @ctx:	whose it is
 * @thread:	who serves it, with a reference
 * @node:	in the thread's list
 * @news:	in the thread's llist, before that
 * @owner:	the task that set it up: where an fd is looked up
 * @cred:	who the thread reads as; under nb_ctx.lock
 * @blkcg:	io cgroup of the owner, or NULL
 * @compat:	the owner is a 32-bit program
 * @closing:	the file is closed: take nothing more, drop it
 * @bad_tail:	the program's SQ tail cannot be, as the thread found
 * @room:	tasks that wait for a free slot in the SQ
 */
struct nb_sq {
	struct nb_ctx *ctx;
	struct nb_sqt *thread;
	struct list_head node;
	struct llist_node news;
	struct task_struct *owner;
	const struct cred *cred;
	struct cgroup_subsys_state *blkcg;
	bool compat;
	bool closing;
	bool bad_tail;
	wait_queue_head_t room;
};

/* Is this the thread of an SQTHREAD ring? No other kernel thread takes entries. */
static inline bool nb_is_sq_thread(void)
{
	return current->flags & PF_KTHREAD;
}

#include "dst.h"
#include "file.h"

/*
 * Completions of one task, on its stack, until they are posted together; inside: by the
 * ENTER that submitted them, so that nobody has to be told who waits for an eventfd alone.
 */
#define NB_BATCH 32
struct nb_batch {
	struct nb_ctx *ctx;
	unsigned int nr;
	unsigned int hits;
	bool inside;
	u64 bytes;
	struct nbread_cqe cqes[NB_BATCH];
};

#include "request.h"

/* Did the thread of an SQTHREAD ring find an SQ tail that cannot be? */
static inline bool nb_has_bad_tail(const struct nb_ctx *ctx)
{
	return ctx->sq && READ_ONCE(ctx->sq->bad_tail);
}

#include "calls.h"

#endif /* NBREAD_INTERNAL_H */
