// SPDX-License-Identifier: GPL-2.0-only
/*
 * stacked.c - the resident bytes of overlayfs, without a worker.
 *
 * Role: an overlay's file has no page cache of its own: its ->read_iter reads another
 * file, as the mounter and after that file's own checks. So look at the page cache of
 * that one, and let the overlay's own ->read_iter copy what is resident; no check of
 * it is left out, and what is not resident is not asked for.
 * Callers: cached.c; access.c asks which files these are. Context: task.
 * Locks: where the real file's read is atomic its i_rwsem shared, by trylock; its own
 * ->read_iter takes that again, by trylock too (IOCB_NOWAIT).
 * References: the folios of one round, so that they stay until they are copied.
 *
 * ovl_read_iter() hands IOCB_NOWAIT on as RWF_NOWAIT, from 6.1 (ovl_iocb_to_rwf()) to
 * now (iocb_to_rw_flags()); a real file that does not know it says -EOPNOTSUPP. It
 * cannot hand IOCB_NOIO on; hence the pins. It may open the real file anew after a copy
 * up: memory only, as both inodes are in use.
 */
#include <linux/magic.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "internal.h"

bool nb_is_stacked(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == OVERLAYFS_SUPER_MAGIC &&
	       S_ISREG(file_inode(file)->i_mode);
}

/* The overlay's own read of @len bytes behind the @done ones. */
static ssize_t read_through(struct file *file, const struct nb_dst *dst, size_t done, loff_t start,
			    size_t len)
{
	struct iov_iter iter;
	struct kiocb kiocb;

	init_sync_kiocb(&kiocb, file);
	if (kiocb.ki_flags & IOCB_DIRECT)
		return -EAGAIN; /* set since the check in access.c; a worker will say so */
	kiocb.ki_flags |= IOCB_NOWAIT;
	kiocb.ki_pos = start + done;
	nb_dst_iter(dst, done, &iter);
	iov_iter_truncate(&iter, len);
	return file->f_op->read_iter(&kiocb, &iter);
}

/*
 * Take the readahead marks of these folios off: under IOCB_NOIO, which RWF_NOWAIT may
 * mean, a marked folio is a miss; else the mark starts I/O. Return: which had one.
 */
static unsigned long unmark(struct folio_batch *fb)
{
	unsigned long marked = 0;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(fb->folios) > BITS_PER_LONG);
	for (i = 0; i < fb->nr; i++) {
		if (!folio_test_uptodate(fb->folios[i]) || !folio_test_readahead(fb->folios[i]))
			continue;
		folio_clear_readahead(fb->folios[i]);
		__set_bit(i, &marked);
	}
	return marked;
}

/* Give the folios back, and those their marks: the next reader does what they ask. */
static void unpin(struct folio_batch *fb, unsigned long marked)
{
	unsigned int i;

	for (i = 0; i < fb->nr; i++) {
		if (test_bit(i, &marked))
			folio_set_readahead(fb->folios[i]);
		folio_put(fb->folios[i]);
	}
}

/* Round by round, until something is not resident or not to be had. */
static ssize_t read_resident(struct nb_file *nf, struct address_space *real,
			     const struct nb_dst *dst, loff_t start, bool noio)
{
	struct folio_batch fb;
	unsigned long marked;
	size_t done = 0, len;
	ssize_t ret = -EAGAIN;

	while (done < dst->len && !fatal_signal_pending(current)) {
		len = nb_fm_resident(real, start + done, dst->len - done, &fb);
		ret = -EAGAIN;
		marked = 0;
		if (len) {
			if (noio || NB_NOWAIT_IS_NOIO)
				marked = unmark(&fb);
			ret = read_through(nf->file, dst, done, start, len);
		}
		unpin(&fb, marked);
		if (ret <= 0)
			break;
		done += ret;
		cond_resched();
	}
	return done ? done : ret;
}

/**
 * nb_stacked_read() - deliver the leading resident bytes of a stacked file
 * @nf: a file of NB_WAY_STACKED, verified
 * @dst: where to
 * @start: from where
 * @flags: NBREAD_SQE_CACHED, NBREAD_SQE_NOIO; neither: it is all or nothing, since the
 *	worker's one read may be atomic
 * @hit: out: all that was asked for, or all up to end of file, was resident
 *
 * Context: task; does not wait for I/O of the real file.
 * Return: bytes, 0 at end of file, -EAGAIN, -EFAULT, or what a check of the overlay
 * says.
 */
ssize_t nb_stacked_read(struct nb_file *nf, const struct nb_dst *dst, loff_t start, u32 flags,
			bool *hit)
{
	struct inode *inode = nb_real_inode(nf->file);
	bool noio = flags & NBREAD_SQE_NOIO;
	bool locked = nb_fm_host_is_atomic(inode);
	ssize_t ret, more;

	*hit = !dst->len;
	if (!dst->len)
		return 0;
	if (locked && !inode_trylock_shared(inode))
		return -EAGAIN;
	ret = read_resident(nf, inode->i_mapping, dst, start, noio);
	*hit = ret == dst->len || ((ret > 0 || ret == -EAGAIN) &&
				   start + max_t(ssize_t, ret, 0) >= i_size_read(inode));
	if (*hit && ret == -EAGAIN)
		ret = 0;
	/* A miss of a CACHED read starts readahead, where RWF_NOWAIT does; bytes may come of it. */
	if (!*hit && (ret > 0 || ret == -EAGAIN) && (flags & NBREAD_SQE_CACHED) && !noio &&
	    !NB_NOWAIT_IS_NOIO) {
		ret = max_t(ssize_t, ret, 0);
		more = read_through(nf->file, dst, ret, start, dst->len - ret);
		ret = more > 0 ? ret + more : ret ? ret : more ? more : -EAGAIN;
	}
	if (locked)
		inode_unlock_shared(inode);
	if (ret == -EOPNOTSUPP || (ret > 0 && !*hit && !(flags & NBREAD_SQE_CACHED)))
		ret = -EAGAIN;
	return ret;
}
