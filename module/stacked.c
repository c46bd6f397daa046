// SPDX-License-Identifier: GPL-2.0-only
/*
 * stacked.c - the resident bytes of overlayfs, without a worker.
 *
 * Role: an overlay's file has no page cache of its own: its ->read_iter reads another
 * file, as the mounter and after that file's own checks. So look at the page cache of
 * that one, and let the overlay's own ->read_iter copy what is resident; no check of
 * it is left out, and what is not resident is not asked for.
 * Callers: cached.c; access.c and worker.c ask which files these are. Context: task.
 * Locks: none, since that ->read_iter may ask a listener of the real file.
 * References: the folios of one round, so that they stay until they are copied.
 *
 * ovl_read_iter() hands IOCB_NOWAIT on as RWF_NOWAIT, from 6.1 (ovl_iocb_to_rwf()) to
 * now (iocb_to_rw_flags()); a real file that does not know it says -EOPNOTSUPP. It
 * cannot hand IOCB_NOIO on; hence the pins. Through an fd that was opened before a copy
 * up it opens the real file anew for each read, with what the file system does there.
 */
#include <linux/fadvise.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "internal.h"

bool nb_is_stacked(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == OVERLAYFS_SUPER_MAGIC &&
	       S_ISREG(file_inode(file)->i_mode);
}

/* Is one read of it atomic against writes? Then several may not be made into one. */
bool nb_stacked_is_atomic(const struct file *file)
{
	return nb_is_stacked(file) && nb_fm_host_is_atomic(nb_real_inode(file));
}

/* Is the real file on a file system whose code was looked at: of this machine? */
bool nb_stacked_is_local(const struct file *file)
{
	const struct inode *real = nb_real_inode(file);

	return nb_is_local(NULL, real) || nb_fm_host_is_known(real);
}

/*
 * Is what a CACHED read misses read ahead? By RWF_NOWAIT itself; where that starts nothing by
 * advise(), and not of a server's file, whose readahead may wait for it.
 */
bool nb_stacked_leaves_trace(const struct file *file)
{
	return !NB_NOWAIT_IS_NOIO || nb_stacked_is_local(file);
}

/* The overlay's own read, of what does not have to be waited for. */
static ssize_t read_nowait(struct file *file, struct iov_iter *iter, loff_t pos)
{
	struct kiocb kiocb;

	init_sync_kiocb(&kiocb, file);
	if (kiocb.ki_flags & IOCB_DIRECT)
		return -EAGAIN; /* set since the check in access.c; a worker will say so */
	/* As nb_may_wait_for_dio(), of the real file. */
	if (atomic_read(&nb_real_inode(file)->i_dio_count) &&
	    !nb_fm_host_is_known(nb_real_inode(file)))
		return -EAGAIN;
	kiocb.ki_flags |= IOCB_NOWAIT;
	kiocb.ki_pos = pos;
	return file->f_op->read_iter(&kiocb, iter);
}

/* @len bytes behind the @done ones. */
static ssize_t read_through(struct file *file, const struct nb_dst *dst, size_t done, loff_t start,
			    size_t len)
{
	struct iov_iter iter;

	nb_dst_iter(dst, done, &iter);
	iov_iter_truncate(&iter, len);
	return read_nowait(file, &iter, start + done);
}

/*
 * By the overlay's own advice, as its mounter. xfs takes its lock for that, so only if nobody
 * has it: a writer's I/O is not to be waited for.
 */
static void advise(struct file *file, loff_t pos, size_t len)
{
	struct inode *real = nb_real_inode(file);
	unsigned int noio;

	if (!inode_trylock_shared(real))
		return;
	inode_unlock_shared(real);
	noio = memalloc_noio_save();
	vfs_fadvise(file, pos, min_t(size_t, len, SZ_128K), POSIX_FADV_WILLNEED);
	memalloc_noio_restore(noio);
}

/*
 * A miss of a CACHED read starts readahead, where RWF_NOWAIT does; the bytes are not taken.
 * Where it does not, who may not learn what is resident still has to change it by asking.
 */
void nb_stacked_read_ahead(struct nb_file *nf, loff_t pos, size_t len)
{
	struct iov_iter nowhere;

	iov_iter_discard(&nowhere, ITER_DEST, len);
	if (!NB_NOWAIT_IS_NOIO)
		read_nowait(nf->file, &nowhere, pos);
	else if (!nf->oracle && nb_stacked_leaves_trace(nf->file))
		advise(nf->file, pos, len);
}

/* What the rounds of a read came to. */
struct nb_rounds {
	size_t done;
	bool eof; /* no more behind it */
};

/*
 * Round by round, until something is not resident or not to be had. Return: what the
 * last round ended with.
 */
static ssize_t read_resident(struct nb_file *nf, struct inode *real, const struct nb_dst *dst,
			     loff_t start, struct nb_rounds *r)
{
	ssize_t ret = -EAGAIN;
	struct nb_pins pins;
	size_t len;

	while (r->done < dst->len && !fatal_signal_pending(current)) {
		len = nb_pins_take(&pins, real->i_mapping, start + r->done, dst->len - r->done);
		ret = -EAGAIN;
		/* Behind the end ask the file: only it knows where that is by now. */
		if (!len && start + (loff_t)r->done >= i_size_read(real)) {
			ret = read_through(nf->file, dst, r->done, start, dst->len - r->done);
			r->eof = !ret;
		} else if (len) {
			ret = read_through(nf->file, dst, r->done, start, len);
		}
		nb_pins_drop(&pins);
		if (ret <= 0)
			break;
		r->done += ret;
		/* It declares NOWAIT, or would not have read: its i_size is the truth. */
		if (r->done < dst->len && start + (loff_t)r->done >= i_size_read(real))
			r->eof = true;
		if (r->eof || nb_fm_host_is_atomic(real))
			break; /* a second round would be another read */
		cond_resched();
	}
	return ret;
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
 * Context: task; does not wait for I/O of the real file's data.
 * Return: bytes, 0 at end of file, -EAGAIN, -EFAULT, or what a check of the overlay
 * says.
 */
ssize_t nb_stacked_read(struct nb_file *nf, const struct nb_dst *dst, loff_t start, u32 flags,
			bool *hit)
{
	struct inode *real = nb_real_inode(nf->file);
	bool cached = flags & NBREAD_SQE_CACHED;
	struct nb_rounds r = {};
	ssize_t ret;

	*hit = !dst->len;
	if (!dst->len)
		return 0;
	ret = read_resident(nf, real, dst, start, &r);
	/* After a copy up it is the end of another file. */
	r.eof = r.eof && nb_real_inode(nf->file) == real;
	*hit = r.done == dst->len || r.eof;
	if (*hit)
		return r.done;
	if (ret == -EOPNOTSUPP || ret >= 0)
		ret = -EAGAIN;
	if (!cached)
		return r.done ? -EAGAIN : ret;
	if (ret == -EAGAIN && !(flags & NBREAD_SQE_NOIO))
		nb_stacked_read_ahead(nf, start + r.done, dst->len - r.done);
	return r.done ? r.done : ret;
}
