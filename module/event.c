// SPDX-License-Identifier: GPL-2.0-only
/*
 * event.c - the eventfd of a ring: news for a loop that waits for eventfds.
 *
 * Role: REGISTER and UNREGISTER of an eventfd(2), and its signals. They come where poll's
 * edges come: when completions were posted, and when the list of woken reads came to be
 * not empty, since ENTER would then make progress.
 * Callers: register.c (operations), complete.c, wait.c, enter.c, sqthread.c (signals), close.c.
 * Context: task; the signals any, also under a folio wait-queue lock with interrupts off:
 * eventfd_signal() takes only the eventfd's own lock, and whoever is woken by it (epoll)
 * theirs; none of them ever takes a folio's.
 * Locks: nb_ctx.lock to change it. The signals read the pointer under RCU.
 * References: the event holds the eventfd's context and the module until a grace period
 * after it was taken from the ring.
 */
#include <linux/eventfd.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/**
 * struct nb_event - a registered eventfd
 * @efd:	with a reference
 * @queue:	who waits for it; lives as long
 * @async:	not for what was answered as it was submitted
 * @work:	gives both back
 */
struct nb_event {
	struct eventfd_ctx *efd;
	struct wait_queue_head *queue;
	bool async;
	struct rcu_work work;
};

/* Completions were posted; @inside: by the ENTER that submits them. See nb_event_posted(). */
void nb_event_signal(struct nb_ctx *ctx, bool inside)
{
	const struct nb_event *ev;

	rcu_read_lock();
	ev = rcu_dereference(ctx->event);
	if (ev && !(inside && ev->async))
		nb_eventfd_signal(ev->efd);
	rcu_read_unlock();
}

/* Who waits for the eventfd, or NULL: there is none. Under RCU, as long as it is used. */
struct wait_queue_head *nb_event_queue(struct nb_ctx *ctx)
{
	const struct nb_event *ev = rcu_dereference(ctx->event);

	return ev ? ev->queue : NULL;
}

static void free_event(struct work_struct *work)
{
	struct nb_event *ev = container_of(to_rcu_work(work), struct nb_event, work);

	eventfd_ctx_put(ev->efd);
	kfree(ev);
	module_put(THIS_MODULE);
}

/* How poll_wait() of a file is told where its waiters are; nobody waits. */
struct queue_probe {
	poll_table pt;
	struct wait_queue_head *queue;
};

static void note_queue(struct file *file, wait_queue_head_t *queue, poll_table *pt)
{
	container_of(pt, struct queue_probe, pt)->queue = queue;
}

/* Find the eventfd @fd. Return: 0 or -errno. */
static int find_eventfd(struct nb_event *ev, int fd)
{
#ifdef CONFIG_EVENTFD
	struct queue_probe probe = { .queue = NULL };
	struct file *file = eventfd_fget(fd);

	if (IS_ERR(file))
		return PTR_ERR(file);
	ev->efd = eventfd_ctx_fileget(file);
	init_poll_funcptr(&probe.pt, note_queue);
	vfs_poll(file, &probe.pt);
	ev->queue = probe.queue;
	fput(file);
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

/* NBREAD_REGISTER_EVENTFD */
long nb_register_eventfd(struct nb_ctx *ctx, const struct nbread_register *p)
{
	struct nb_event *ev;
	s32 fd;
	int err;

	lockdep_assert_held(&ctx->lock);
	if (p->nr != 1)
		return -EINVAL;
	if (rcu_access_pointer(ctx->event))
		return -EBUSY;
	if (get_user(fd, (const s32 __user *)u64_to_user_ptr(p->addr)))
		return -EFAULT;
	ev = kzalloc(sizeof(*ev), GFP_KERNEL_ACCOUNT);
	if (!ev)
		return -ENOMEM;
	err = find_eventfd(ev, fd);
	if (err) {
		kfree(ev);
		return err;
	}
	ev->async = p->flags & NBREAD_REGISTER_EVENTFD_ASYNC;
	INIT_RCU_WORK(&ev->work, free_event);
	__module_get(THIS_MODULE); /* the ioctl's file holds one */
	rcu_assign_pointer(ctx->event, ev);
	/*
	 * Pairs with the full barrier of llist_add() in nb_wake(): either it sees the event,
	 * or the read is on the list here. Then the list's next edge may never come.
	 */
	smp_mb();
	if (!llist_empty(&ctx->ready))
		nb_eventfd_signal(ev->efd);
	return 0;
}

/* Nobody changes it meanwhile: by nb_ctx.lock, or the ring is closed. A signal may be under way. */
void nb_event_close(struct nb_ctx *ctx)
{
	struct nb_event *ev = rcu_replace_pointer(ctx->event, NULL, true);

	if (ev)
		queue_rcu_work(nb_ctx_wq, &ev->work);
}

/* NBREAD_UNREGISTER_EVENTFD */
long nb_unregister_eventfd(struct nb_ctx *ctx, const struct nbread_register *p)
{
	lockdep_assert_held(&ctx->lock);
	if (!rcu_access_pointer(ctx->event))
		return -ENXIO;
	nb_event_close(ctx);
	return 0;
}
