// SPDX-License-Identifier: GPL-2.0-only
/*
 * sq.c - an SQTHREAD ring: whose it is, which thread serves it, and how to wake that.
 *
 * Role: what the thread must know of the owner, since it is another task: the files, the
 * credentials, the io cgroup, whether he is a 32-bit program. Create the thread at SETUP or
 * share the one of another ring (ATTACH); the calls of a program that concern it. The
 * thread's own work is sqthread.c.
 * Callers: ctx.c (SETUP, end), close.c, enter.c, register.c: tasks. access.c and sqthread.c:
 * the thread. nb_sq_kick() any context, also nb_wake() with interrupts off.
 * Locks: nb_ctx.lock around nb_sq_create() and what changes the credentials; the owner's
 * alloc_lock and, in it, his file_lock for a look-up. None to hand a ring over: an llist.
 * References: a ring and the thread each hold nb_sqt; that holds the mm by mmgrab(), the
 * task, a place in the user's account. Never the owner's files_struct: his files hold the
 * ring, and would not go at exit.
 */
#include <linux/cgroup.h>
#include <linux/compat.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "internal.h"

#define NB_SQ_IDLE_DEFAULT_MS 1000U
#define NB_SQ_IDLE_MAX_MS 60000U

/* Are the members of SETUP that concern a thread right among themselves? */
bool nb_sq_check_setup(const struct nbread_setup *p)
{
	bool attach = p->flags & NBREAD_SETUP_ATTACH, aff = p->flags & NBREAD_SETUP_SQ_AFF;

	if (!(p->flags & NBREAD_SETUP_SQTHREAD) && (attach || aff || p->sq_thread_idle_ms))
		return false;
	if ((!attach && p->attach_fd) || (!aff && p->sq_thread_cpu))
		return false;
	if (attach && (aff || p->sq_thread_idle_ms))
		return false; /* those of the other ring hold */
	if (p->sq_thread_idle_ms > NB_SQ_IDLE_MAX_MS && p->sq_thread_idle_ms != NBREAD_SQ_IDLE_NONE)
		return false;
	return !aff || (p->sq_thread_cpu < nr_cpu_ids && cpu_online(p->sq_thread_cpu) &&
			cpumask_test_cpu(p->sq_thread_cpu, &current->cpus_mask));
}

/* One of a thread's holders is gone: a ring, or the thread itself. */
void nb_sqt_put(struct nb_sqt *t)
{
	if (!refcount_dec_and_test(&t->refs))
		return;
	if (t->task)
		put_task_struct(t->task);
	nb_user_put_thread(t->user);
	mmdrop(t->mm);
	free_cpumask_var(t->cpus);
	kfree(t);
}

static struct nb_sqt *alloc_thread(const struct nbread_setup *p, struct nb_user *user)
{
	struct nb_sqt *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);

	if (!t)
		return ERR_PTR(-ENOMEM);
	if (!zalloc_cpumask_var(&t->cpus, GFP_KERNEL_ACCOUNT)) {
		kfree(t);
		return ERR_PTR(-ENOMEM);
	}
	if (!nb_user_get_thread(user)) {
		free_cpumask_var(t->cpus);
		kfree(t);
		return ERR_PTR(-EMFILE);
	}
	refcount_set(&t->refs, 1);
	refcount_set(&t->rings, 1);
	init_llist_head(&t->news);
	INIT_LIST_HEAD(&t->list);
	t->user = user;
	t->mm = current->mm;
	mmgrab(t->mm);
	t->never_polls = p->sq_thread_idle_ms == NBREAD_SQ_IDLE_NONE;
	t->idle = msecs_to_jiffies(p->sq_thread_idle_ms ?: NB_SQ_IDLE_DEFAULT_MS);
	t->is_pinned = p->flags & NBREAD_SETUP_SQ_AFF;
	if (t->is_pinned)
		cpumask_set_cpu(p->sq_thread_cpu, t->cpus);
	else
		cpumask_copy(t->cpus, &current->cpus_mask);
	return t;
}

/*
 * Into the caller's cgroups, of both versions, with the thread's credentials: as for vhost's
 * it is its own move. A cpuset would ask whether the caller may schedule a task of root's.
 */
static int join_cgroups(struct task_struct *task)
{
	const struct cred *cred = get_task_cred(task);
	const struct cred *old = override_creds(cred);
	int ret = cgroup_attach_task_all(current, task);

	revert_creds(old);
	put_cred(cred);
	return ret;
}

/*
 * A thread with the caller's nice value, in his cgroups. They count its CPU time, but no
 * quota stops a kernel thread everywhere: hence nb_user_get_thread().
 */
static struct nb_sqt *create_thread(const struct nbread_setup *p, struct nb_user *user)
{
	struct nb_sqt *t = alloc_thread(p, user);
	struct task_struct *task;
	int ret;

	if (IS_ERR(t))
		return t;
	task = kthread_create(nb_sq_thread, t, "nbread-sq/%d", task_tgid_nr(current));
	ret = PTR_ERR_OR_ZERO(task);
	if (ret)
		goto out;
	t->task = get_task_struct(task);
	set_user_nice(task, task_nice(current));
	ret = join_cgroups(task);
	if (ret) {
		kthread_stop(task); /* it has not begun, and never will */
		goto out;
	}
	/* For the thread, until it has left our text. */
	refcount_inc(&t->refs);
	__module_get(THIS_MODULE);
	return t;
out:
	nb_sqt_put(t);
	return ERR_PTR(ret);
}

/*
 * The thread of another ring of this mm, which lives: its last ring is not dropped
 * while we hold that ring's file.
 */
static struct nb_sqt *attach_thread(int fd)
{
	struct file *file = fget(fd);
	struct nb_sqt *t = ERR_PTR(-EINVAL);
	struct nb_ctx *other;

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op != &nb_fops)
		goto out;
	other = file->private_data;
	if (!nb_ctx_ring(other) || !other->sq)
		goto out;
	t = ERR_PTR(-EPERM);
	if (other->mm != current->mm)
		goto out;
	t = other->sq->thread;
	refcount_inc(&t->refs);
	refcount_inc(&t->rings);
out:
	fput(file);
	return t;
}

/**
 * nb_sq_create() - what makes a ring an SQTHREAD ring
 * @ctx: the context; nb_ctx.lock is held
 * @p: the call, checked by nb_sq_check_setup()
 * @user: who the thread counts for
 *
 * The thread begins with it at nb_sq_start(), which must follow. Its owner is the calling
 * task, as it is now.
 * Return: it, or ERR_PTR(-ENOMEM, -EMFILE, -EINTR; ATTACH: -EBADF, -EINVAL, -EPERM).
 */
struct nb_sq *nb_sq_create(struct nb_ctx *ctx, const struct nbread_setup *p, struct nb_user *user)
{
	struct nb_sq *sq = kzalloc(sizeof(*sq), GFP_KERNEL_ACCOUNT);
	struct nb_sqt *t;

	lockdep_assert_held(&ctx->lock);
	if (!sq)
		return ERR_PTR(-ENOMEM);
	if (p->flags & NBREAD_SETUP_ATTACH)
		t = attach_thread(p->attach_fd);
	else
		t = create_thread(p, user);
	if (IS_ERR(t)) {
		kfree(sq);
		return ERR_CAST(t);
	}
	sq->ctx = ctx;
	sq->thread = t;
	init_waitqueue_head(&sq->room);
	sq->owner = get_task_struct(current);
	sq->cred = get_current_cred();
	sq->blkcg = nb_get_io_cgroup(NULL);
#ifdef CONFIG_COMPAT
	sq->compat = in_compat_syscall();
#endif
	return sq;
}

/* The ring is published: the thread may have it. */
void nb_sq_start(struct nb_sq *sq)
{
	llist_add(&sq->news, &sq->thread->news);
	/* The first time it has not begun; later it may sleep. */
	wake_up_process(sq->thread->task);
}

/* The last reference to the ring is gone; the thread has dropped it before. */
void nb_sq_free(struct nb_sq *sq)
{
	if (!sq)
		return;
	if (sq->blkcg)
		css_put(sq->blkcg);
	put_cred(sq->cred);
	put_task_struct(sq->owner);
	nb_sqt_put(sq->thread);
	kfree(sq);
}

/**
 * nb_sq_kick() - wake the thread, if it sleeps
 * @ctx: the context, of any kind of ring
 *
 * The caller has stored what the thread shall see, and a full barrier is behind that: it
 * pairs with the one of go_to_sleep(), so that either we see it asleep or it sees the news.
 * Context: any; the context is held, or this is an RCU read side that began before its end.
 */
void nb_sq_kick(struct nb_ctx *ctx)
{
	if (ctx->sq && READ_ONCE(ctx->sq->thread->asleep))
		wake_up_process(ctx->sq->thread->task);
}

/*
 * The file is closed: the thread shall drop the ring, and whenever it does so queue
 * close_work. It is not waited for, since it may be waiting for a disk (promise 5).
 */
void nb_sq_close(struct nb_sq *sq)
{
	/* The ring and its hold on the thread end a grace period after the drop. */
	rcu_read_lock();
	/* Pairs with the acquire in the thread's pass(). */
	smp_store_release(&sq->closing, true);
	smp_mb(); /* see nb_sq_kick() */
	nb_sq_kick(sq->ctx);
	rcu_read_unlock();
}

/* Look into the files of a task that still has this mm. Return: whether it had any. */
static bool fget_from(struct task_struct *task, const struct mm_struct *mm, unsigned int fd,
		      struct file **file)
{
	struct files_struct *files;

	task_lock(task);
	files = task->mm == mm ? task->files : NULL;
	if (files) {
		/* close() takes this lock to empty the slot: what is in it has a reference. */
		spin_lock(&files->file_lock);
		*file = files_lookup_fd_locked(files, fd);
		if (*file && !((*file)->f_mode & FMODE_PATH))
			get_file(*file);
		else
			*file = NULL;
		spin_unlock(&files->file_lock);
	}
	task_unlock(task);
	return files;
}

/**
 * nb_sq_fget() - what fget() would have given the owner
 * @sq: the ring
 * @fd: the program's, not negative
 *
 * The files of the thread that called SETUP, while it lives; then of any other of its
 * process. An exec has another mm, so that its files are not those any more.
 */
struct file *nb_sq_fget(const struct nb_sq *sq, unsigned int fd)
{
	const struct mm_struct *mm = sq->ctx->mm;
	struct file *file = NULL;
	struct task_struct *task;

	if (fget_from(sq->owner, mm, fd, &file))
		return file;
	rcu_read_lock();
	/* The list head is in the signal struct, which lives as long as the task we hold. */
	for_each_thread(sq->owner, task)
		if (fget_from(task, mm, fd, &file))
			break;
	rcu_read_unlock();
	return file;
}

/**
 * nb_sq_register_creds() - NBREAD_REGISTER_CREDS
 * @ctx: the context; nb_ctx.lock is held, under which the thread uses the old ones
 * @p: the call, checked
 *
 * Return: 0, or -EINVAL for a ring without a thread.
 */
long nb_sq_register_creds(struct nb_ctx *ctx, const struct nbread_register *p)
{
	const struct cred *old;

	lockdep_assert_held(&ctx->lock);
	if (!ctx->sq)
		return -EINVAL;
	old = ctx->sq->cred;
	ctx->sq->cred = get_current_cred();
	put_cred(old);
	return 0;
}

/**
 * nb_sq_enter() - what ENTER does in place of taking entries
 * @ctx: the context of an SQTHREAD ring
 * @flags: NBREAD_ENTER_*
 *
 * Return: 0, or -EINVAL for a tail that cannot be.
 */
int nb_sq_enter(struct nb_ctx *ctx, u32 flags)
{
	/* The program's stores, of SQ tail and CQ head, before the look: see nb_sq_kick() */
	smp_mb();
	if ((flags & NBREAD_ENTER_SQ_WAKEUP) || !nb_ring_sq_is_empty(ctx->ring))
		nb_sq_kick(ctx);
	return READ_ONCE(ctx->sq->bad_tail) ? -EINVAL : 0;
}

/**
 * nb_sq_wait_room() - NBREAD_ENTER_SQ_WAIT
 * @ctx: the context of an SQTHREAD ring
 * @expires: NULL, or when to give up
 *
 * Not while the CQ is full: then the thread takes nothing before the program has reaped.
 * Return: 0, -EINTR, -ETIME, -EINVAL.
 */
int nb_sq_wait_room(struct nb_ctx *ctx, ktime_t *expires)
{
	int ret, err = 0;
	DEFINE_WAIT(wait);

	for (;;) {
		/* Its full barrier pairs with that of wq_has_sleeper() in serve(). */
		prepare_to_wait(&ctx->sq->room, &wait, TASK_INTERRUPTIBLE);
		ret = READ_ONCE(ctx->sq->bad_tail) ? -EINVAL : 0;
		if (ret || !nb_ring_sq_is_full(ctx->ring) || !nb_cq_has_room(ctx))
			break;
		ret = err;
		if (ret)
			break;
		if (signal_pending(current))
			err = -EINTR;
		else if (!schedule_hrtimeout_range(expires, 0, HRTIMER_MODE_ABS))
			err = -ETIME;
	}
	finish_wait(&ctx->sq->room, &wait);
	return ret;
}
