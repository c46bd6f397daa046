// SPDX-License-Identifier: GPL-2.0-only
/*
 * filemap.c - cached bytes by folio look-up: the table of file systems, and the copy.
 *
 * Role: answer what is resident without ->read_iter, for the files whose
 * ->read_iter is the plain page-cache read. It never waits and never starts a read
 * of what is missing.
 * Callers: cached.c and miss.c (the bytes, the lock), access.c (find), stacked.c.
 * Context: task. Locks: the inode's i_rwsem shared, by trylock, where the row says
 * so; held over the copy, as the file system's own read does.
 * References: those of one batch of folios, within a round.
 *
 * The order of the checks is that of filemap_read() (mm/filemap.c): folio, then
 * uptodate, then i_size, then a read barrier, then the bytes.
 */
#include <linux/instrumented.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "internal.h"

bool nb_filemap_on = true;
module_param_named(filemap, nb_filemap_on, bool, 0644);
MODULE_PARM_DESC(filemap,
		 "Answer cached reads by folio look-up where the table allows (default Y)");

enum nb_fm_lock_kind {
	NB_FM_NO_LOCK,
	NB_FM_I_RWSEM, /* of the mapping's host, shared */
};

/**
 * struct nb_fm_row - why the plain look-up is right for one kind of file
 * @fs: file_system_type name; NULL: any whose ->read_iter is generic_file_read_iter()
 * @lock: what its ->read_iter holds during the read
 * @bdev: a block device; its own ->read_iter must not be used where sleeping is wrong
 * @atomic: that lock makes a whole read atomic against writes, and users know it
 * @poison: a folio whose memory failed stays in the cache; its read must say -EIO
 */
struct nb_fm_row {
	const char *fs;
	enum nb_fm_lock_kind lock;
	bool bdev;
	bool atomic;
	bool poison;
};

/*
 * Read in the source of 6.1 and 6.12. The one check that is left out is the shutdown flag
 * of ext4 and xfs, which is private: after a forced shutdown resident bytes are
 * still given, as through mmap(2), and misses end with -EIO.
 */
static const struct nb_fm_row nb_fm_table[] = {
	/* ext4_file_read_iter(): generic_file_read_iter() = filemap_read(), no lock */
	{ .fs = "ext4" },
	/* xfs_file_buffered_read(): the same under XFS_IOLOCK_SHARED, which is i_rwsem */
	{ .fs = "xfs", .lock = NB_FM_I_RWSEM, .atomic = true },
	/* btrfs_file_read_iter(): filemap_read(), no lock */
	{ .fs = "btrfs" },
	/* blkdev_read_iter(): filemap_read() under i_rwsem shared (set_blocksize fix, 6.15) */
	{ .fs = "bdev", .lock = NB_FM_I_RWSEM, .bdev = true },
	/*
	 * shmem_file_read_iter(): the folio, i_size after it, the bytes, no lock over the
	 * copy. A hole (no folio) and what is swapped out (no folio either, but a value) or
	 * allocated and not written (not uptodate) are misses, which a worker reads.
	 */
	{ .fs = "tmpfs", .poison = true },
	/* generic_file_read_iter() itself: vfat, squashfs, isofs, udf, ubifs and others */
	{ .fs = NULL },
};

static bool row_is_for(const struct nb_fm_row *row, const struct file *file,
		       const struct inode *host)
{
	if (row->bdev != S_ISBLK(host->i_mode))
		return false;
	if (!row->fs)
		return file->f_op->read_iter == generic_file_read_iter;
	return !strcmp(host->i_sb->s_type->name, row->fs);
}

/**
 * nb_fm_find() - the row of a file
 * @file: a readable regular file or block device
 *
 * The mapping must be the inode's own (not that of a stacked file system's lower
 * file), and the inode's file system must bear the name: for a block device the
 * mapping's host is the inode of the bdev pseudo file system.
 */
const struct nb_fm_row *nb_fm_find(const struct file *file)
{
	const struct inode *host = file->f_mapping->host;
	unsigned int i;

	if (!S_ISBLK(file_inode(file)->i_mode) && host != file_inode(file))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(nb_fm_table); i++)
		if (row_is_for(&nb_fm_table[i], file, host))
			return &nb_fm_table[i];
	return NULL;
}

bool nb_fm_enabled(const struct nb_fm_row *row)
{
	return row && READ_ONCE(nb_filemap_on);
}

bool nb_fm_is_bdev(const struct nb_fm_row *row)
{
	return row && row->bdev;
}

bool nb_fm_is_atomic(const struct nb_fm_row *row)
{
	return row && row->atomic;
}

/* The same of a regular file that another file system reads. */
bool nb_fm_host_is_atomic(const struct inode *host)
{
	const char *fs = host->i_sb->s_type->name;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nb_fm_table); i++)
		if (nb_fm_table[i].atomic && !strcmp(fs, nb_fm_table[i].fs))
			return true;
	return false;
}

/* Take what the file system's read holds, if it is to be had at once. */
bool nb_fm_lock(const struct nb_fm_row *row, struct file *file)
{
	return !row || row->lock == NB_FM_NO_LOCK || inode_trylock_shared(file->f_mapping->host);
}

void nb_fm_unlock(const struct nb_fm_row *row, struct file *file)
{
	if (row && row->lock != NB_FM_NO_LOCK)
		inode_unlock_shared(file->f_mapping->host);
}

/* As filemap_read(): several reads of one folio in a row count as one access. */
static void mark_accessed(struct file *file, struct folio *folio, loff_t pos)
{
	loff_t prev = READ_ONCE(file->f_ra.prev_pos) - 1;
	unsigned int shift = folio_shift(folio);

	if (pos >> shift != prev >> shift)
		folio_mark_accessed(folio);
}

/*
 * The folios from @pos on: one, or a batch of those that are there. Not by
 * filemap_get_folios_contig(): that of 6.1 walks slot by slot and can step on a
 * sibling entry of a large folio that was inserted behind it. Return: how many, each with
 * a reference; there may be gaps.
 */
static unsigned int look_up(struct address_space *mapping, loff_t pos, size_t len,
			    struct folio_batch *fb)
{
	pgoff_t first = pos >> PAGE_SHIFT, last = (pos + len - 1) >> PAGE_SHIFT;

	fb->nr = 0;
	/* No further than a batch can hold: it steps over what is not there one by one. */
	if (first != last) {
		last = min_t(pgoff_t, last, first + ARRAY_SIZE(fb->folios) - 1);
		return filemap_get_folios(mapping, &first, last, fb);
	}
	fb->folios[0] = nb_get_folio(mapping, first);
	return !!fb->folios[0];
}

/* Does the folio hold the byte? Behind a gap it does not. */
static bool covers(struct folio *folio, loff_t pos)
{
	return (u64)(pos - folio_pos(folio)) < folio_size(folio);
}

/*
 * Copy @bytes of a folio to @dst behind its @done bytes. Vectors take the iterator.
 * One buffer is written to straight: its range passed access_ok() when the read was
 * taken, and page-cache memory needs no check_object_size(), as in _copy_to_iter().
 * So is a registered one, which cannot fault.
 */
static size_t copy_out(struct folio *folio, size_t offset, size_t bytes, const struct nb_dst *dst,
		       size_t done)
{
	void __user *to = u64_to_user_ptr(dst->addr + done);
	struct iov_iter iter;
	const void *from;

	if (likely(dst->kind == NB_DST_USER) && !IS_ENABLED(CONFIG_HIGHMEM)) {
		from = folio_address(folio) + offset;
		might_fault();
		instrument_copy_to_user(to, from, bytes);
		return bytes - raw_copy_to_user(to, from, bytes);
	}
	if (dst->kind == NB_DST_BUF && NB_BUF_IS_MAPPED) {
		nb_dst_write(dst, done, folio_address(folio) + offset, bytes);
		return bytes;
	}
	nb_dst_iter(dst, done, &iter);
	return copy_folio_to_iter(folio, offset, bytes, &iter);
}

/**
 * nb_fm_heed_ra_mark() - go on reading ahead, as the mark on @folio asks of a reader
 * @file: who reads
 * @folio: of its page cache, with a reference
 * @left: bytes the reader still wants from it on
 *
 * Readahead takes the invalidate lock sleeping, and may reclaim: a hit must wait for
 * neither. If the lock is not to be had the mark stays, for the next reader.
 */
void nb_fm_heed_ra_mark(struct file *file, struct folio *folio, size_t left)
{
	struct address_space *mapping = file->f_mapping;
	DEFINE_READAHEAD(ractl, file, &file->f_ra, mapping, folio->index);
	unsigned int noio;

	if (!filemap_invalidate_trylock_shared(mapping))
		return;
	filemap_invalidate_unlock_shared(mapping);
	noio = memalloc_noio_save();
	page_cache_async_ra(&ractl, folio, DIV_ROUND_UP(left, PAGE_SIZE) + 1);
	memalloc_noio_restore(noio);
}

/**
 * nb_fm_resident() - pin the leading resident folios, at most a batch
 * @mapping: of a regular file
 * @pos: from where
 * @len: bytes of interest, not 0
 * @fb: out: folios with a reference each, maybe more than are counted
 *
 * Return: how many bytes from @pos on they hold, up to the end of the file. Neither
 * reclaim nor drop_caches takes a pinned folio; a truncation or direct write does.
 */
size_t nb_fm_resident(struct address_space *mapping, loff_t pos, size_t len, struct folio_batch *fb)
{
	loff_t at = pos, end = min_t(loff_t, i_size_read(mapping->host), pos + len);
	unsigned int i, nr = look_up(mapping, pos, len, fb);

	fb->nr = nr;
	for (i = 0; i < nr && at < end; i++) {
		if (!folio_test_uptodate(fb->folios[i]) || !covers(fb->folios[i], at))
			break;
		at = min_t(loff_t, end, folio_pos(fb->folios[i]) + folio_size(fb->folios[i]));
	}
	return at - pos;
}

/* What one round of the look-up ends with. */
enum nb_fm_stop {
	NB_FM_GO_ON, /* all that was found was copied */
	NB_FM_MISS, /* the next byte is not resident */
	NB_FM_EOF, /* there is no next byte */
	NB_FM_FAULT, /* the buffer did not take it all */
};

/*
 * One round: at most a batch of folios. *done grows by what was copied; *marked is
 * the first with the readahead mark, with a reference.
 */
static enum nb_fm_stop read_round(const struct nb_fm_row *row, struct file *file,
				  const struct nb_dst *dst, size_t *done, loff_t start,
				  struct folio **marked)
{
	struct address_space *mapping = file->f_mapping;
	unsigned int i, nr, resident = 0;
	enum nb_fm_stop stop = NB_FM_GO_ON;
	size_t offset, bytes, copied;
	loff_t pos = start + *done, end;
	struct folio_batch fb;
	struct folio *folio;

	nr = look_up(mapping, pos, dst->len - *done, &fb);
	while (resident < nr && folio_test_uptodate(fb.folios[resident]))
		resident++;
	if (!resident)
		stop = NB_FM_MISS;
	/*
	 * i_size after uptodate, so that the zeroed tail of a folio is not taken
	 * for data of a file that was longer a moment ago.
	 */
	end = min_t(loff_t, i_size_read(mapping->host), start + dst->len);
	/* Pairs with the write side that makes data visible before i_size grows. */
	smp_rmb();
	for (i = 0; i < resident && stop == NB_FM_GO_ON && *done < dst->len; i++) {
		folio = fb.folios[i];
		if (unlikely(pos >= end)) {
			stop = NB_FM_EOF;
			break;
		}
		if (unlikely(!covers(folio, pos) || (row->poison && nb_folio_poisoned(folio)))) {
			stop = NB_FM_MISS;
			break;
		}
		if (mapping_writably_mapped(mapping))
			flush_dcache_folio(folio);
		mark_accessed(file, folio, pos);
		offset = offset_in_folio(folio, pos);
		bytes = min_t(loff_t, end - pos, folio_size(folio) - offset);
		copied = copy_out(folio, offset, bytes, dst, *done);
		*done += copied;
		pos += copied;
		file->f_ra.prev_pos = pos;
		if (unlikely(folio_test_readahead(folio)) && !*marked) {
			folio_get(folio);
			*marked = folio;
		}
		if (unlikely(copied < bytes))
			stop = NB_FM_FAULT;
	}
	for (i = 0; i < nr; i++)
		folio_put(fb.folios[i]);
	return stop;
}

/**
 * nb_fm_read() - copy the leading resident bytes
 * @row: of the file
 * @file: the file
 * @dst: where to
 * @done: how many bytes @dst has already
 * @start: where its first byte comes from
 * @noio: start no readahead either
 * @eof: out: the last byte is that before the end of the file, by a look under the
 *	lock that the row holds
 *
 * Return: bytes of this call (fewer than asked for at the first that is not
 * resident, at end of file and at a bad buffer), 0 at end of file only, -EAGAIN,
 * -EFAULT.
 */
ssize_t nb_fm_read(const struct nb_fm_row *row, struct file *file, const struct nb_dst *dst,
		   size_t done, loff_t start, bool noio, bool *eof)
{
	const struct inode *inode = file->f_mapping->host;
	enum nb_fm_stop stop = NB_FM_GO_ON;
	struct folio *marked = NULL;
	size_t before = done;

	*eof = false;
	if (unlikely(done == dst->len))
		return 0;
	if (unlikely(!nb_fm_lock(row, file)))
		return -EAGAIN;
	while (done < dst->len && stop == NB_FM_GO_ON) {
		stop = read_round(row, file, dst, &done, start, &marked);
		if (done == dst->len)
			break;
		cond_resched();
		if (fatal_signal_pending(current))
			break;
	}
	if (unlikely(done < dst->len && stop != NB_FM_FAULT))
		*eof = start + (loff_t)done >= i_size_read(inode);
	nb_fm_unlock(row, file);
	/* Behind the last look: what readahead brings at once must not count as a hit. */
	if (unlikely(marked)) {
		if (!noio)
			nb_fm_heed_ra_mark(file, marked, start + dst->len - folio_pos(marked));
		folio_put(marked);
	}
	/* What is not there behind the end is an end and not a miss. */
	if (done > before || *eof)
		return done - before;
	return stop == NB_FM_FAULT ? -EFAULT : -EAGAIN;
}
