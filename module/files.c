// SPDX-License-Identifier: GPL-2.0-only
/*
 * files.c - registered files: open files that a ring knows by an index.
 *
 * Role: the table, its operations of REGISTER, and the look-up of an index. What no read
 * of a file could change is found out once, here; what may change (O_DIRECT, a listener,
 * the policy of a security module, the caller's rights) is asked in each call, as of an fd.
 * Callers: register.c (operations), submit.c, try.c, cancel.c (look-up), info.c, close.c.
 * Context: task. Locks: nb_ctx.lock to change anything; nb_ctx.files_lock, here, as
 * well, so that TRY and CANCEL need only that. Under either a slot keeps its reference.
 * References: a slot holds its file. A submission borrows that for as long as it has
 * nb_ctx.lock; whatever lives longer (a request) takes one of its own, so that a slot may
 * be changed or emptied while reads of its old file are in flight.
 *
 * No cycle can come to be: what a slot takes is a regular file or a block device, never
 * a socket (which could carry the ring's own fd) nor /dev/nbread.
 */
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

struct nb_slot {
	struct file *file; /* NULL: empty */
	const struct nb_fm_row *row;
};

/**
 * struct nb_files - the table
 * @nr:		slots
 * @set:	those that are not empty; written under nb_ctx.lock
 * @slots:	by index
 */
struct nb_files {
	u32 nr;
	u32 set;
	struct nb_slot slots[];
};

/* The caller holds nb_ctx.lock or files_lock. Return: NULL if there is no file. */
static const struct nb_slot *find_slot(const struct nb_files *t, int index)
{
	const struct nb_slot *slot;

	if (!t || (u32)index >= t->nr)
		return NULL;
	slot = &t->slots[array_index_nospec((u32)index, t->nr)];
	return slot->file ? slot : NULL;
}

/**
 * nb_fixed_file_use() - look an index up for a submission
 * @ctx: the ring, whose lock is held
 * @nf: out; as of nb_file_get(), but the file is only borrowed, see nb_file_keep()
 * @index: the program's
 */
void nb_fixed_file_use(struct nb_ctx *ctx, struct nb_file *nf, int index)
{
	const struct nb_slot *slot;

	lockdep_assert_held(&ctx->lock);
	slot = find_slot(ctx->files, index);
	nb_file_known(nf, ctx, slot ? slot->file : NULL, slot ? slot->row : NULL);
	nf->borrowed = true;
}

static struct nb_slot get_slot(struct nb_ctx *ctx, int index)
{
	const struct nb_slot *found;
	struct nb_slot slot = {};

	spin_lock(&ctx->files_lock);
	found = find_slot(ctx->files, index);
	if (found) {
		slot = *found;
		get_file(slot.file);
	}
	spin_unlock(&ctx->files_lock);
	return slot;
}

/**
 * nb_fixed_file_get() - the file of an index
 * @ctx: the ring; no lock is needed
 * @index: the program's
 *
 * Return: with a reference for fput(), or NULL.
 */
struct file *nb_fixed_file_get(struct nb_ctx *ctx, int index)
{
	return get_slot(ctx, index).file;
}

/**
 * nb_fixed_file_try() - look an index up for TRY
 * @ctx: the open file, which may have no ring
 * @nf: out, as of nb_file_get()
 * @index: the program's
 *
 * What a process registered is not for another one that came by the open device, by
 * fork or otherwise: -EPERM, as for ENTER.
 */
void nb_fixed_file_try(struct nb_ctx *ctx, struct nb_file *nf, int index)
{
	struct nb_slot slot = get_slot(ctx, index);

	/* SETUP may change mm until it publishes the ring; a slot is filled after that. */
	if (nb_ctx_ring(ctx) && current->mm != ctx->mm) {
		if (slot.file)
			fput(slot.file);
		nb_file_known(nf, NULL, NULL, NULL);
		nf->err = -EPERM;
		return;
	}
	nb_file_known(nf, NULL, slot.file, slot.row);
}

/* What reads of @fd would be refused with, it is refused with here. -1: an empty slot. */
static int take(struct nb_slot *slot, int fd)
{
	struct nb_file nf;

	memset(slot, 0, sizeof(*slot));
	if (fd == -1)
		return 0;
	nb_file_get(&nf, NULL, fd);
	if (nf.err) {
		nb_file_put(&nf);
		return nf.err;
	}
	slot->file = nf.file; /* and its reference */
	slot->row = nf.row;
	return 0;
}

/* As many open files as the caller may have as descriptors, for they may be closed then. */
static int set_slot(struct nb_ctx *ctx, struct nb_files *t, u32 index, int fd)
{
	struct nb_slot *slot = &t->slots[array_index_nospec(index, t->nr)];
	struct nb_slot new;
	int err = take(&new, fd);

	if (err)
		return err;
	if (new.file && !slot->file && t->set >= rlimit(RLIMIT_NOFILE)) {
		fput(new.file);
		return -EMFILE;
	}
	WRITE_ONCE(t->set, t->set + !!new.file - !!slot->file);
	spin_lock(&ctx->files_lock);
	swap(*slot, new);
	spin_unlock(&ctx->files_lock);
	if (new.file)
		fput(new.file);
	return 0;
}

/* Up to the first that cannot be set. Return: how many were; *err says why not all. */
static u32 set_slots(struct nb_ctx *ctx, struct nb_files *t, const struct nbread_register *p,
		     int *err)
{
	const s32 __user *fds = u64_to_user_ptr(p->addr);
	u32 i;
	s32 fd;

	lockdep_assert_held(&ctx->lock);
	for (i = 0; i < p->nr; i++) {
		*err = -EINTR;
		if (fatal_signal_pending(current))
			break;
		*err = get_user(fd, fds + i);
		if (!*err)
			*err = set_slot(ctx, t, p->off + i, fd);
		if (*err)
			break;
		cond_resched();
	}
	return i;
}

static void free_table(struct nb_files *t)
{
	u32 i;

	for (i = 0; i < t->nr; i++)
		if (t->slots[i].file)
			fput(t->slots[i].file);
	kvfree(t);
}

static struct nb_files *replace_table(struct nb_ctx *ctx, struct nb_files *t)
{
	spin_lock(&ctx->files_lock);
	swap(ctx->files, t);
	spin_unlock(&ctx->files_lock);
	return t;
}

/* NBREAD_REGISTER_FILES: all or nothing. */
long nb_register_files(struct nb_ctx *ctx, const struct nbread_register *p)
{
	bool sparse = p->flags & NBREAD_REGISTER_SPARSE;
	struct nb_files *t;
	int err = 0;

	lockdep_assert_held(&ctx->lock);
	if (!p->nr || p->nr > NB_MAX_FILES || (sparse && p->addr))
		return -EINVAL;
	if (ctx->files)
		return -EBUSY;
	t = kvzalloc(struct_size(t, slots, p->nr), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	t->nr = p->nr;
	if (!sparse && set_slots(ctx, t, p, &err) < p->nr) {
		free_table(t);
		return err;
	}
	replace_table(ctx, t);
	return 0;
}

/* NBREAD_REGISTER_FILES_UPDATE */
long nb_update_files(struct nb_ctx *ctx, const struct nbread_register *p)
{
	u32 end, nr;
	int err = 0;

	lockdep_assert_held(&ctx->lock);
	if (!ctx->files)
		return -ENXIO;
	if (!p->nr || check_add_overflow(p->off, p->nr, &end) || end > ctx->files->nr)
		return -EINVAL;
	nr = set_slots(ctx, ctx->files, p, &err);
	return nr ? nr : err;
}

/* NBREAD_UNREGISTER_FILES */
long nb_unregister_files(struct nb_ctx *ctx, const struct nbread_register *p)
{
	lockdep_assert_held(&ctx->lock);
	if (!ctx->files)
		return -ENXIO;
	free_table(replace_table(ctx, NULL));
	return 0;
}

/* The ring is closed: no look-up is under way or can begin. */
void nb_files_close(struct nb_ctx *ctx)
{
	struct nb_files *t = replace_table(ctx, NULL);

	if (t)
		free_table(t);
}

/* How many files are registered, for fdinfo. */
u32 nb_files_set(struct nb_ctx *ctx)
{
	u32 set;

	spin_lock(&ctx->files_lock);
	set = ctx->files ? READ_ONCE(ctx->files->set) : 0;
	spin_unlock(&ctx->files_lock);
	return set;
}
