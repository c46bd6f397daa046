// SPDX-License-Identifier: GPL-2.0-only
/*
 * user.c - what one user may hold: rings, and requests.
 *
 * Role: bound what outlives a call: kernel workers (max_workers for each ring), threads that
 * poll (SQTHREAD), and requests that were detached but whose disk has not answered, which a
 * program could else pile up by closing rings in a loop.
 * Callers: ctx.c (rings), sq.c (threads), request.c (requests). Context: task to take a ring
 * or a thread; else any that may take a spinlock, not the wake callback. Locks:
 * nb_users_lock, innermost.
 * References: a ring, a thread and each request hold one; the last frees.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "internal.h"

struct nb_user {
	struct list_head node;
	refcount_t refs;
	kuid_t uid;
	atomic_t rings;
	atomic_t threads;
	atomic_t reqs;
};

static unsigned int nb_max_rings = 128;
module_param_named(max_rings, nb_max_rings, uint, 0644);
MODULE_PARM_DESC(max_rings, "Rings of one user without CAP_SYS_RESOURCE (default 128)");

static unsigned int nb_max_sq_threads = 4;
module_param_named(max_sq_threads, nb_max_sq_threads, uint, 0644);
MODULE_PARM_DESC(max_sq_threads,
		 "SQTHREAD threads of one user without CAP_SYS_RESOURCE (default 4)");

static unsigned int nb_max_requests = 262144;
module_param_named(max_requests, nb_max_requests, uint, 0644);
MODULE_PARM_DESC(max_requests, "Reads of one user that wait at a time (default 262144)");

static LIST_HEAD(nb_users);
static DEFINE_SPINLOCK(nb_users_lock);

static struct nb_user *find_locked(kuid_t uid)
{
	struct nb_user *u;

	lockdep_assert_held(&nb_users_lock);
	list_for_each_entry(u, &nb_users, node)
		if (uid_eq(u->uid, uid)) {
			refcount_inc(&u->refs);
			return u;
		}
	return NULL;
}

static void put(struct nb_user *u)
{
	if (!refcount_dec_and_lock(&u->refs, &nb_users_lock))
		return;
	list_del(&u->node);
	spin_unlock(&nb_users_lock);
	kfree(u);
}

/**
 * nb_user_get_ring() - count a ring of the caller's real user
 *
 * Return: the user, for nb_user_put_ring(), or ERR_PTR(-EMFILE, -ENOMEM).
 */
struct nb_user *nb_user_get_ring(void)
{
	struct nb_user *u, *new = kzalloc(sizeof(*new), GFP_KERNEL);

	if (!new)
		return ERR_PTR(-ENOMEM);
	spin_lock(&nb_users_lock);
	u = find_locked(current_uid());
	if (!u) {
		u = new;
		new = NULL;
		refcount_set(&u->refs, 1);
		u->uid = current_uid();
		list_add(&u->node, &nb_users);
	}
	spin_unlock(&nb_users_lock);
	kfree(new);
	if (atomic_inc_return(&u->rings) > READ_ONCE(nb_max_rings) && !capable(CAP_SYS_RESOURCE)) {
		nb_user_put_ring(u);
		return ERR_PTR(-EMFILE);
	}
	return u;
}

void nb_user_put_ring(struct nb_user *u)
{
	atomic_dec(&u->rings);
	put(u);
}

/* Count a thread, which no quota stops everywhere. Return: false if the user has too many. */
bool nb_user_get_thread(struct nb_user *u)
{
	if (atomic_inc_return(&u->threads) > READ_ONCE(nb_max_sq_threads) &&
	    !capable(CAP_SYS_RESOURCE)) {
		atomic_dec(&u->threads);
		return false;
	}
	refcount_inc(&u->refs);
	return true;
}

void nb_user_put_thread(struct nb_user *u)
{
	atomic_dec(&u->threads);
	put(u);
}

/* Count a request. Return: false if the user has too many. */
bool nb_user_get_req(struct nb_user *u)
{
	if (atomic_inc_return(&u->reqs) > READ_ONCE(nb_max_requests)) {
		atomic_dec(&u->reqs);
		return false;
	}
	refcount_inc(&u->refs);
	return true;
}

void nb_user_put_req(struct nb_user *u)
{
	atomic_dec(&u->reqs);
	put(u);
}
