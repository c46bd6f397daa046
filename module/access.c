// SPDX-License-Identifier: GPL-2.0-only
/*
 * access.c - may this file be read, how, and what may be told about it.
 *
 * Role: turn an fd into an nb_file: reference, refusals of promise 10, the path it
 * is served by, LSM and fanotify checks (promise 7), the residency gate (8).
 * Callers: submit.c and try.c, once per file and call; files.c, info.c. Context: task.
 * Locks: none of ours; checks of the VFS and of security modules may sleep.
 * References: nb_file_get() takes the file, nb_file_put() gives it back.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/security.h>

#include "internal.h"

/*
 * A file without a page cache of its own is refused: proc (empty_aops), sysfs,
 * cgroupfs and configfs (kernfs: ram_aops, but not the read that goes with them),
 * character devices. Their reads may look at current's namespaces, which a worker
 * does not share.
 */
static bool has_page_cache(const struct file *file)
{
	const struct inode *inode = file_inode(file);
	const struct address_space_operations *aops;

	if (!S_ISREG(inode->i_mode) && !S_ISBLK(inode->i_mode))
		return false;
	aops = file->f_mapping->a_ops;
	if (!file->f_op->read_iter || !aops || aops == &empty_aops)
		return false;
	return aops != &ram_aops || file->f_op->read_iter == generic_file_read_iter;
}

static int refuse(struct nb_file *nf, u32 why, int err)
{
	nf->path = NBREAD_PATH_REFUSED;
	nf->why = why;
	return err;
}

static bool declares_nowait(const struct nb_file *nf)
{
	return (nf->file->f_mode & FMODE_NOWAIT) || nb_fm_is_bdev(nf->row);
}

/*
 * How a file that may be read is served. Whether a block device's queue declares
 * NOWAIT does not matter: a look-up submits nothing, and a miss is submitted as
 * readahead of a file system on it would be. Readahead may wait for metadata; only a file
 * system that declares NOWAIT has thought of that, so any other reads ahead in a worker,
 * with the read that needs the bytes. So does any on an SQWQ ring, whose misses all go there.
 */
static void choose_way(struct nb_file *nf, const struct nb_ctx *ctx)
{
	bool sqwq = ctx && (ctx->flags & NBREAD_SETUP_SQWQ);
	bool nowait = declares_nowait(nf);
	/* A file with a row is read from its own pages. */
	bool stacked = !nf->row && nb_is_stacked(nf->file);

	nf->path = NBREAD_PATH_WORKER;
	nf->way = NB_WAY_WORKER;
	nf->why = NBREAD_WHY_NO_ASYNC;
	/* A thread that serves others too never waits for one that may be asked. */
	if (nf->listener == NB_LISTENER_PERM || (ctx && ctx->sq && nf->listener) ||
	    (stacked && nb_real_has_listeners(nb_real_inode(nf->file)))) {
		nf->why = NBREAD_WHY_PERM_LISTENER;
		return;
	}
	nf->may_park = nowait && nb_file_may_park(nf->file);
	nf->reads_ahead = nowait;
	if (nb_fm_enabled(nf->row)) {
		nf->way = NB_WAY_FILEMAP;
		nf->path = NBREAD_PATH_FILEMAP;
		if (nf->may_park)
			nf->why = NBREAD_WHY_OK;
	} else if (stacked) {
		nf->may_park = false;
		nf->why = NBREAD_WHY_STACKED;
		/* Of a file opened before a copy up the overlay opens the real one in the call. */
		if (!ctx || !ctx->sq || nb_stacked_is_local(nf->file))
			nf->way = NB_WAY_STACKED;
	} else if (sqwq && !nf->may_park) {
		/* It may ask a server, and nobody can kill a thread that waits for one. */
		if (nb_resident_serves(nf->file) &&
		    (!ctx->sq || nb_is_local(nf->row, file_inode(nf->file))))
			nf->way = NB_WAY_RESIDENT;
	} else if (nf->may_park) {
		nf->way = NB_WAY_READ_ITER;
		nf->path = NBREAD_PATH_ASYNC;
		nf->why = nf->row ? NBREAD_WHY_FILEMAP_OFF : NBREAD_WHY_NOT_IN_TABLE;
	}
	nf->sqwq = sqwq;
	if (!sqwq)
		return;
	nf->may_park = false;
	nf->reads_ahead = false;
	if (nf->path == NBREAD_PATH_ASYNC)
		nf->path = NBREAD_PATH_WORKER;
	if (nf->why != NBREAD_WHY_STACKED)
		nf->why = NBREAD_WHY_NO_ASYNC;
}

/* Promise 10, in the order in which pread(2) finds out: what cannot change any more. */
static int classify(struct nb_file *nf)
{
	struct file *file = nf->file;
	struct inode *inode = file_inode(file);

	if (file->f_op == &nb_fops)
		return refuse(nf, NBREAD_WHY_NBREAD, -EBADF);
	if (!(file->f_mode & FMODE_PREAD))
		return refuse(nf, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE);
	if (!(file->f_mode & FMODE_READ))
		return refuse(nf, NBREAD_WHY_NOT_READABLE, -EBADF);
	if (S_ISDIR(inode->i_mode))
		return refuse(nf, NBREAD_WHY_DIRECTORY, -EISDIR);
	if (!has_page_cache(file))
		return refuse(nf, NBREAD_WHY_NO_PAGE_CACHE, -EOPNOTSUPP);
	nf->row = nb_fm_find(file);
	return 0;
}

/**
 * nb_file_may_have_listener() - may somebody be asked before the file is read?
 * @file: open for reading
 *
 * In any context. A mark that is set the next moment is not seen.
 */
bool nb_file_may_have_listener(const struct file *file)
{
	return !nb_file_is_unwatched(file) && nb_sb_has_listeners(file_inode(file)->i_sb);
}

/*
 * Who watches reads of the file? What a module can see is whether the superblock has marks,
 * and the masks of the inode, the superblock and the parent; the mask of a mount is private
 * to the VFS.
 */
static enum nb_listener find_listener(const struct file *file)
{
#ifdef CONFIG_FSNOTIFY
	const struct dentry *dentry = file->f_path.dentry;
	const struct inode *inode = d_inode(dentry);
	u32 mask;

	if (likely(!nb_file_may_have_listener(file)))
		return NB_LISTENER_NONE;
	/*
	 * One who fills the file before it is read, and takes his time. Not asked before: a
	 * memfd's file has no watcher, and neither bit.
	 */
	if (nb_file_is_filled(file))
		return NB_LISTENER_PERM;
	mask = inode->i_fsnotify_mask | inode->i_sb->s_fsnotify_mask;
	if (dentry->d_flags & DCACHE_FSNOTIFY_PARENT_WATCHED) {
		/*
		 * The parent's memory is stable under RCU; its inode goes with an
		 * rmdir after a rename, which then takes the watch with it.
		 */
		rcu_read_lock();
		inode = d_inode_rcu(READ_ONCE(dentry->d_parent));
		if (inode)
			mask |= READ_ONCE(inode->i_fsnotify_mask);
		rcu_read_unlock();
	}
	return mask & FS_ACCESS_PERM ? NB_LISTENER_PERM : NB_LISTENER_HIDDEN;
#else
	return NB_LISTENER_NONE;
#endif
}

/* And what is asked again in each call, of a registered file as well. */
static int classify_now(struct nb_file *nf, const struct nb_ctx *ctx)
{
	struct file *file = nf->file;

	if (READ_ONCE(file->f_flags) & O_DIRECT)
		return refuse(nf, NBREAD_WHY_DIRECT_IO, -EOPNOTSUPP);
	if (IS_DAX(file_inode(file)) || IS_DAX(file->f_mapping->host))
		return refuse(nf, NBREAD_WHY_DAX, -EOPNOTSUPP);
	nf->listener = find_listener(file);
	choose_way(nf, ctx);
	return 0;
}

static int owns_or_may_write(struct nb_idmap *idmap, struct inode *inode, bool may_sleep)
{
	int ret;

	if (inode_owner_or_capable(idmap, inode))
		return 0;
	rcu_read_lock();
	ret = inode_permission(idmap, inode, MAY_WRITE | MAY_NOT_BLOCK);
	rcu_read_unlock();
	if (ret == -ECHILD && may_sleep)
		ret = inode_permission(idmap, inode, MAY_WRITE);
	return ret && ret != -ECHILD ? -EPERM : ret;
}

/**
 * nb_file_oracle() - may the caller learn what of @file is resident?
 * @file: an open file
 * @may_sleep: ask again where the answer needs I/O (an ACL that is not in memory)
 *
 * The rule of can_do_mincore() (134fca9063ad) and cachestat(2), with the caller's
 * credentials of this moment: open for writing, owner or CAP_FOWNER, or allowed
 * to write. Of an overlay's file that must hold for the real one too, whose pages
 * others may share: mincore(2) asks there. (Its mount's idmap is out of reach; without
 * one the answer is no oftener.)
 *
 * Return: 0, -EPERM, or -ECHILD: not without sleeping.
 */
int nb_file_oracle(struct file *file, bool may_sleep)
{
	int ret;

	if (file->f_mode & FMODE_WRITE)
		return 0;
	ret = owns_or_may_write(nb_file_idmap(file), file_inode(file), may_sleep);
	if (!ret && nb_is_stacked(file))
		ret = owns_or_may_write(nb_no_idmap(), nb_real_inode(file), may_sleep);
	return ret;
}

/*
 * Whether a read is answered in the call tells what is resident. Who may not learn that
 * is given what RWF_NOWAIT gives since 6.12: to ask changes the answer, for what was missing
 * is read ahead in the same call (also on an SQWQ ring), whatever becomes of the read: its
 * time may be over, or it is cancelled before a worker takes it. Where nothing can be started
 * in the call he does not get to look: tmpfs, too, as its pages may be swapped out.
 */
static void set_oracle(struct nb_file *nf)
{
	nf->oracle = !nb_file_oracle(nf->file, false);
	if (likely(nf->oracle) || nf->way == NB_WAY_WORKER)
		return;
	if (nf->way == NB_WAY_STACKED) {
		nf->blind = !nb_stacked_leaves_trace(nf->file);
		return;
	}
	/* From here, so not where a read takes a lock of its own first, say a cluster's. */
	if (declares_nowait(nf) && (nf->row || nb_file_may_park(nf->file)))
		nf->reads_ahead = true;
	else
		nf->blind = true;
}

/**
 * nb_file_get() - look an fd up for the rest of this call
 * @nf: out; nf->err is what reads of it end with, or 0
 * @ctx: the ring that reads it, or NULL
 * @fd: the program's; the thread of an SQTHREAD ring has no files of its own
 *
 * O_PATH files are not to be had by fget(), so they are -EBADF as for pread(2).
 */
void nb_file_get(struct nb_file *nf, const struct nb_ctx *ctx, int fd)
{
	memset(nf, 0, sizeof(*nf));
	if (fd < 0)
		nf->file = NULL;
	else
		nf->file = nb_is_sq_thread() ? nb_sq_fget(ctx->sq, fd) : fget(fd);
	if (!nf->file) {
		nf->err = -EBADF;
		return;
	}
	nf->err = classify(nf);
	if (!nf->err)
		nf->err = classify_now(nf, ctx);
	if (!nf->err)
		set_oracle(nf);
}

/**
 * nb_file_known() - the same of a file that was not refused when it was registered
 * @nf: out
 * @ctx: the ring that reads it, or NULL
 * @file: with a reference that becomes nf's; NULL: -EBADF
 * @row: what nb_fm_find() said then
 */
void nb_file_known(struct nb_file *nf, const struct nb_ctx *ctx, struct file *file,
		   const struct nb_fm_row *row)
{
	memset(nf, 0, sizeof(*nf));
	nf->file = file;
	nf->row = row;
	nf->err = file ? classify_now(nf, ctx) : -EBADF;
	if (!nf->err)
		set_oracle(nf);
}

/*
 * May who asks whether a file may be written to have to wait for a server? For a block device's
 * that is where its node lies, for an overlay where its layers do.
 */
static bool asks_server(const struct nb_file *nf)
{
	if (nb_fm_is_bdev(nf->row))
		return true;
	if (nb_is_stacked(nf->file))
		return !nb_stacked_is_local(nf->file);
	return !nb_is_local(nf->row, file_inode(nf->file)) && !nb_file_may_park(nf->file);
}

/**
 * nb_file_noio() - may this caller ask with NOIO?
 * @nf: a file that is not refused
 * @may_wait: for a server, too; else for a disk of this machine at most, and not in a thread
 *	whose rings wait for nothing (SQWQ)
 *
 * The answer holds for the HIT flag of this call too.
 * Return: 0, -EPERM, or -EAGAIN: that is not known without a wait.
 */
int nb_file_noio(struct nb_file *nf, bool may_wait)
{
	int ret;

	if (nf->oracle)
		return 0;
	if (!may_wait)
		may_wait = !asks_server(nf) && !(nf->sqwq && nb_is_sq_thread());
	ret = nb_file_oracle(nf->file, may_wait);
	if (ret)
		return ret == -ECHILD ? -EAGAIN : ret;
	nf->oracle = true;
	nf->blind = false;
	if (nf->sqwq)
		nf->reads_ahead = false;
	return 0;
}

/* End the use of a file in this call: what pread(2) does after its read, once. */
void nb_file_put(struct nb_file *nf)
{
	if (!nf->file)
		return;
	if (nf->touched) {
		file_accessed(nf->file);
		if (nf->touched & NB_TOUCHED_BYTES)
			fsnotify_access(nf->file);
	}
	if (!nf->borrowed)
		fput(nf->file);
	nf->file = NULL;
}

/* Before the lock goes under which a file was borrowed: what nb_file_put() needs of it. */
void nb_file_keep(struct nb_file *nf)
{
	if (!nf->borrowed)
		return;
	if (nf->touched)
		get_file(nf->file);
	else
		nf->file = NULL;
	nf->borrowed = false;
}

/**
 * nb_file_verify() - LSM and fanotify: may these bytes be read?
 * @nf: a file that is not refused
 * @pos: where
 * @len: how many bytes
 *
 * Once per file and call where no offset matters; for each read where a mount
 * mark may be hidden from us (promise 7). A killable wait for that listener is
 * what pread(2) does there too.
 * Return: 0, -EPERM, -EACCES or what the security module says.
 */
int nb_file_verify(struct nb_file *nf, loff_t pos, size_t len)
{
	int ret;

	if (nf->verified && likely(nf->listener == NB_LISTENER_NONE))
		return 0;
	ret = rw_verify_area(READ, nf->file, &pos, len);
	nf->verified = !ret;
	return ret;
}
