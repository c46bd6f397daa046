// SPDX-License-Identifier: GPL-2.0-only
/*
 * filemap.c - cached bytes by folio look-up: the table of file systems, and the copy.
 *
 * Role: answer what is resident without ->read_iter, for the files whose
 * ->read_iter is the plain page-cache read. It never waits and never starts a read
 * of what is missing.
 * Callers: cached.c (the bytes), miss.c (the lock before arming), access.c (find).
 * Context: task. Locks: the inode's i_rwsem shared, by trylock, where the row says
 * so; held over the copy, as the file system's own read does.
 * References: one folio at a time.
 *
 * The order of the checks is that of filemap_read() (mm/filemap.c): folio, then
 * uptodate, then i_size, then a read barrier, then the bytes.
 */
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/pagemap.h>
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
 * @fs: file_system_type name
 * @lock: what its ->read_iter holds during the read
 * @bdev: a block device; its own ->read_iter must not be used where sleeping is wrong
 */
struct nb_fm_row {
	const char *fs;
	enum nb_fm_lock_kind lock;
	bool bdev;
};

/*
 * Read in the source of 6.1. The one check that is left out is the shutdown flag
 * of ext4 and xfs, which is private: after a forced shutdown resident bytes are
 * still given, as through mmap(2), and misses end with -EIO.
 */
static const struct nb_fm_row nb_fm_table[] = {
	/* ext4_file_read_iter(): generic_file_read_iter() = filemap_read(), no lock */
	{ "ext4", NB_FM_NO_LOCK, false },
	/* xfs_file_buffered_read(): the same under XFS_IOLOCK_SHARED, which is i_rwsem */
	{ "xfs", NB_FM_I_RWSEM, false },
	/* btrfs_file_read_iter(): filemap_read(), no lock */
	{ "btrfs", NB_FM_NO_LOCK, false },
	/* blkdev_read_iter(): filemap_read() under i_rwsem shared (set_blocksize fix, 6.15) */
	{ "bdev", NB_FM_I_RWSEM, true },
};

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
	for (i = 0; i < ARRAY_SIZE(nb_fm_table); i++) {
		if (nb_fm_table[i].bdev != S_ISBLK(host->i_mode))
			continue;
		if (!strcmp(host->i_sb->s_type->name, nb_fm_table[i].fs))
			return &nb_fm_table[i];
	}
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
 * Copy what one resident folio holds of [pos, pos + count). Return: bytes, 0 at
 * end of file, -EAGAIN if it is not resident, -EFAULT. *short_copy tells that the
 * buffer took less than there was.
 */
static ssize_t read_one(struct file *file, struct iov_iter *iter, loff_t pos, bool noio,
			bool *short_copy)
{
	struct address_space *mapping = file->f_mapping;
	size_t offset, bytes, copied;
	struct folio *folio;
	ssize_t ret;
	loff_t end;

	folio = nb_get_folio(mapping, pos >> PAGE_SHIFT);
	if (!folio)
		return -EAGAIN;
	ret = -EAGAIN;
	if (!folio_test_uptodate(folio))
		goto out;
	/*
	 * i_size after uptodate, so that the zeroed tail of a folio is not taken
	 * for data of a file that was longer a moment ago.
	 */
	end = i_size_read(mapping->host);
	ret = 0;
	if (unlikely(pos >= end))
		goto out;
	/* Pairs with the write side that makes data visible before i_size grows. */
	smp_rmb();
	if (mapping_writably_mapped(mapping))
		flush_dcache_folio(folio);
	mark_accessed(file, folio, pos);

	offset = offset_in_folio(folio, pos);
	bytes = min_t(loff_t, end - pos, folio_size(folio) - offset);
	bytes = min(bytes, iov_iter_count(iter));
	copied = copy_folio_to_iter(folio, offset, bytes, iter);
	file->f_ra.prev_pos = pos + copied;
	*short_copy = copied < bytes;
	ret = copied || !bytes ? copied : -EFAULT;

	/* The mark asks the reader to go on reading ahead; with NOIO it stays. */
	if (unlikely(folio_test_readahead(folio)) && !noio)
		page_cache_async_readahead(mapping, &file->f_ra, file, folio, folio->index,
					   DIV_ROUND_UP(iov_iter_count(iter), PAGE_SIZE) + 1);
out:
	folio_put(folio);
	return ret;
}

/**
 * nb_fm_read() - copy the leading resident bytes
 * @row: of the file
 * @file: the file
 * @iter: where to; advanced by what was copied
 * @pos: from where
 * @noio: start no readahead either
 *
 * Return: bytes (fewer than asked for at the first that is not resident, at end
 * of file and at a bad buffer), 0 at end of file only, -EAGAIN, -EFAULT.
 */
ssize_t nb_fm_read(const struct nb_fm_row *row, struct file *file, struct iov_iter *iter,
		   loff_t pos, bool noio)
{
	const struct inode *inode = file->f_mapping->host;
	bool short_copy = false;
	ssize_t done = 0, ret = 0;

	if (unlikely(pos >= inode->i_sb->s_maxbytes))
		return 0;
	if (unlikely(!nb_fm_lock(row, file)))
		return -EAGAIN;
	while (iov_iter_count(iter) && !short_copy) {
		/* First, so that a hole beyond the end is an end and not a miss. */
		if (unlikely(pos + done >= i_size_read(inode))) {
			ret = 0;
			break;
		}
		ret = read_one(file, iter, pos + done, noio, &short_copy);
		if (ret <= 0)
			break;
		done += ret;
		cond_resched();
	}
	nb_fm_unlock(row, file);
	return done ? done : ret;
}
