// SPDX-License-Identifier: GPL-2.0-only
/*
 * cached.c - one step that never waits: the leading resident bytes.
 *
 * Role: the cached part of every read, by folio look-up where the file has a row
 * (filemap.c), by way of the file below it (stacked.c), by pins and the file's own read
 * (resident.c), else by ->read_iter with IOCB_NOWAIT | IOCB_NOIO; and, for a CACHED read
 * that missed, the start of readahead.
 * Callers: submit.c, try.c; miss.c (readahead, nb_at_eof()), resident.c (nb_at_eof()).
 * Context: task, with the mm that is read into (TRY: any); what miss.c calls also a worker.
 * Locks: those of the row, by trylock.
 * References: the caller's nb_file holds the file.
 */
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* Is @pos at or behind the end of the data as it is now? */
bool nb_at_eof(const struct file *file, loff_t pos)
{
	return pos >= i_size_read(file->f_mapping->host);
}

/* ->read_iter that takes what is there. A block device's own would sleep on i_rwsem. */
static ssize_t read_nowait(struct nb_file *nf, struct iov_iter *iter, loff_t pos, int flags)
{
	struct kiocb kiocb;
	ssize_t ret;

	init_sync_kiocb(&kiocb, nf->file);
	/* fcntl(F_SETFL) may have come after the check in access.c: use this copy. */
	if (kiocb.ki_flags & IOCB_DIRECT)
		return -EOPNOTSUPP;
	if (nb_may_wait_for_dio(nf->row, nf->file))
		return -EAGAIN;
	kiocb.ki_flags |= flags;
	kiocb.ki_pos = pos;
	if (!nb_fm_is_bdev(nf->row))
		return nf->file->f_op->read_iter(&kiocb, iter);
	if (!nb_fm_lock(nf->row, nf->file))
		return -EAGAIN;
	ret = filemap_read(&kiocb, iter, 0);
	nb_fm_unlock(nf->row, nf->file);
	return ret;
}

/*
 * Blocks smaller than a folio may be up to date one by one, which only the file
 * system can tell: filemap_range_uptodate().
 */
static bool blocks_in_folio(struct address_space *mapping)
{
	return mapping->a_ops->is_partially_uptodate &&
	       (mapping->host->i_blkbits < PAGE_SHIFT || mapping_large_folio_support(mapping));
}

/*
 * Once more at @pos, where IOCB_NOIO said -EAGAIN, for two kinds of bytes that are
 * resident all the same:
 * - In a folio that is up to date and carries the readahead mark, which
 *   filemap_readahead() turns into -EAGAIN under IOCB_NOIO. The mark comes off for
 *   this try and is put back: the next reader does what it asks. (On a folio that
 *   meanwhile went under writeback it reads as PG_reclaim, a hint: harmless.)
 * - In a block of a folio whose other blocks are not up to date: filemap_range_uptodate()
 *   asks for the whole range, so ask for this block alone.
 */
static ssize_t read_iter_again(struct nb_file *nf, const struct nb_dst *dst, size_t done,
			       loff_t start)
{
	struct address_space *mapping = nf->file->f_mapping;
	loff_t pos = start + done, end;
	bool uptodate, marked;
	ssize_t ret = -EAGAIN;
	struct iov_iter iter;
	struct folio *folio;

	folio = nb_get_folio(mapping, pos >> PAGE_SHIFT);
	if (!folio)
		return -EAGAIN;
	uptodate = folio_test_uptodate(folio);
	marked = uptodate && folio_test_readahead(folio);
	/* Up to date without a mark: so since the first look, or the mark was taken off. */
	if (!uptodate && !blocks_in_folio(mapping))
		goto out;
	end = folio_pos(folio) + folio_size(folio);
	if (!uptodate)
		end = round_up(pos + 1, i_blocksize(mapping->host));
	if (marked)
		folio_clear_readahead(folio);
	nb_dst_iter(dst, done, &iter);
	iov_iter_truncate(&iter, end - pos);
	ret = read_nowait(nf, &iter, pos, IOCB_NOWAIT | IOCB_NOIO);
	if (marked)
		folio_set_readahead(folio);
out:
	folio_put(folio);
	return ret;
}

/* A mark was stepped over: do what it asks, now that nothing is looked at any more. */
static void heed_mark_at(struct nb_file *nf, loff_t pos, size_t left)
{
	struct folio *folio = nb_get_folio(nf->file->f_mapping, pos >> PAGE_SHIFT);

	if (folio && folio_test_uptodate(folio) && folio_test_readahead(folio))
		nb_fm_heed_ra_mark(nf->file, folio, left);
	if (folio)
		folio_put(folio);
}

/* The resident bytes behind the @done ones, by ->read_iter. Return: @done and these. */
static ssize_t read_iter_resident(struct nb_file *nf, const struct nb_dst *dst, size_t done,
				  loff_t start, bool noio, bool *eof)
{
	loff_t stepped_over = -1;
	struct iov_iter iter;
	ssize_t ret;

	/*
	 * Several reads are one to the program: where it expects that to be atomic hold
	 * the lock over all. Each takes it again by trylock, which cannot deadlock.
	 */
	if (nb_fm_is_atomic(nf->row) && !nb_fm_lock(nf->row, nf->file))
		return done ? done : -EAGAIN;
	do {
		nb_dst_iter(dst, done, &iter);
		ret = read_nowait(nf, &iter, start + done, IOCB_NOWAIT | IOCB_NOIO);
		if (ret == -EAGAIN) {
			ret = read_iter_again(nf, dst, done, start);
			if (ret > 0 && stepped_over < 0)
				stepped_over = start + done;
		}
		if (ret > 0)
			done += ret;
	} while (ret > 0 && done < dst->len && !fatal_signal_pending(current));
	*eof = nb_at_eof(nf->file, start + done);
	if (nb_fm_is_atomic(nf->row))
		nb_fm_unlock(nf->row, nf->file);
	if (stepped_over >= 0 && !noio)
		heed_mark_at(nf, stepped_over, start + dst->len - stepped_over);
	if (ret == -EOPNOTSUPP && !(nf->file->f_flags & O_DIRECT))
		ret = -EAGAIN; /* some file systems say so of a NOWAIT read */
	return done ? done : ret;
}

/* May the page cache be filled at once? Mostly nobody has the lock: a look is enough. */
bool nb_may_fill(struct address_space *mapping)
{
	if (likely(!rwsem_is_locked(&mapping->invalidate_lock)))
		return true;
	if (!filemap_invalidate_trylock_shared(mapping))
		return false;
	filemap_invalidate_unlock_shared(mapping);
	return true;
}

/**
 * nb_start_readahead() - what RWF_NOWAIT starts since 6.12
 * @file: whose row's lock the caller holds; page_cache_ra_unbounded() takes the
 *	invalidate lock, sleeping, so the caller has seen that it is to be had
 * @pos: the first byte that was not there
 * @left: how many are wanted from there
 *
 * Without reclaim that writes. That is for the readahead alone: a page fault in the copy
 * of a read must find memory by whatever means pread(2) does. If there is a folio it is on its
 * way, or failed, which only a read will tell. Behind the end of the file nothing is read.
 */
void nb_start_readahead(struct file *file, loff_t pos, size_t left)
{
	struct address_space *mapping = file->f_mapping;
	unsigned int noio;
	struct folio *folio;

	if (pos >= i_size_read(mapping->host))
		return;
	folio = nb_get_folio(mapping, pos >> PAGE_SHIFT);
	if (folio) {
		folio_put(folio);
		return;
	}
	noio = memalloc_noio_save();
	page_cache_sync_readahead(mapping, &file->f_ra, file, pos >> PAGE_SHIFT,
				  DIV_ROUND_UP(left + offset_in_page(pos), PAGE_SIZE));
	memalloc_noio_restore(noio);
}

/* The same, if the locks it needs are to be had at once. */
static void start_readahead(struct nb_file *nf, loff_t pos, size_t left)
{
	unsigned int i;

	if (!nb_fm_lock(nf->row, nf->file))
		return;
	/*
	 * After a punch hole, not under one. Twice, as miss.c does by once_more(): up to 6.11 the
	 * first may only push its window on.
	 */
	for (i = 0; i < 2 && nb_may_fill(nf->file->f_mapping); i++)
		nb_start_readahead(nf->file, pos, left);
	nb_fm_unlock(nf->row, nf->file);
}

/**
 * nb_read_ahead() - start for a READ what a miss starts for a CACHED one
 * @nf: its file, verified unless its way is that of the worker
 * @pos: the first byte that was missing
 * @left: how many are wanted from there
 */
void nb_read_ahead(struct nb_file *nf, loff_t pos, size_t left)
{
	if (nf->way == NB_WAY_WORKER || nf->blind || !left)
		return;
	if (nf->way == NB_WAY_STACKED)
		nb_stacked_read_ahead(nf, pos, left);
	else if (nf->reads_ahead)
		start_readahead(nf, pos, left);
}

/**
 * nb_cached_read() - deliver the leading resident bytes, where nb_fm_read_one() did not
 * @nf: a file that is not refused, not for the worker alone, and verified
 * @dst: where to
 * @pos: from where
 * @flags: NBREAD_SQE_CACHED: a miss starts readahead, unless NBREAD_SQE_NOIO.
 *	Neither: the caller goes on with nb_miss(), which starts the I/O
 *
 * Context: task; does not wait for I/O of this file. A page fault on the buffer may.
 * Return: see struct nb_cached.
 */
struct nb_cached nb_cached_read(struct nb_file *nf, const struct nb_dst *dst, loff_t pos, u32 flags)
{
	bool noio = (flags & NBREAD_SQE_NOIO) || !nf->reads_ahead;
	struct nb_cached c = {};
	bool eof = false;
	size_t done;

	if (likely(nf->way == NB_WAY_FILEMAP)) {
		c.res = nb_fm_read(nf->row, nf->file, dst, 0, pos, noio, &eof);
		if (likely(c.res == dst->len))
			goto done;
		/* A second pass would drop the lock that makes a read of some kinds atomic. */
		if (unlikely(blocks_in_folio(nf->file->f_mapping)) &&
		    (c.res == -EAGAIN || (c.res > 0 && !nb_fm_is_atomic(nf->row))))
			c.res = read_iter_resident(nf, dst, max_t(ssize_t, c.res, 0), pos, true,
						   &eof);
	} else {
		if (nf->way == NB_WAY_STACKED) {
			if (nf->sqwq && nf->oracle)
				flags |= NBREAD_SQE_NOIO;
			c.res = nb_stacked_read(nf, dst, pos, flags, &c.complete);
			if (dst->len)
				nb_file_touch(nf, c.res);
			return c;
		}
		if (nf->way == NB_WAY_RESIDENT) {
			c.res = nb_resident_read(nf, dst, pos, &c.complete);
			if (dst->len)
				nb_file_touch(nf, c.res);
			return c;
		}
		c.res = read_iter_resident(nf, dst, 0, pos, noio, &eof);
	}
done:
	if (c.res >= 0) {
		if (dst->len)
			nb_file_touch(nf, c.res);
		c.complete = c.res == dst->len || eof;
		if (!c.res && !c.complete)
			c.res = -EAGAIN; /* grew behind the look: not a true end of file */
	}
	if (!c.complete && (c.res > 0 || c.res == -EAGAIN) && (flags & NBREAD_SQE_CACHED) &&
	    !noio) {
		done = max_t(ssize_t, c.res, 0);
		start_readahead(nf, pos + done, dst->len - done);
	}
	return c;
}
