// SPDX-License-Identifier: GPL-2.0-only
/*
 * rows.c - the table of file systems whose resident bytes a folio look-up may answer.
 *
 * Role: say for which files the plain look-up of filemap.c is right, and what it must hold.
 * Callers: access.c (find), miss.c, stacked.c, info.c. Context: any. No locks, no
 * references: the table is constant.
 */
#include <linux/module.h>
#include <linux/pagemap.h>

#include "internal.h"

bool nb_filemap_on = true;
module_param_named(filemap, nb_filemap_on, bool, 0644);
MODULE_PARM_DESC(filemap,
		 "Answer cached reads by folio look-up where the table allows (default Y)");

/*
 * Read in the source of 6.1 and 6.12. The one check that is left out is the shutdown flag
 * of ext4, xfs and, lately, btrfs, which is private: after a forced shutdown resident bytes are
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

/*
 * The row that bears the name of a regular file's file system, which another one reads. Or NULL:
 * the row without a name goes by the function that reads, and that is not to be seen there.
 */
static const struct nb_fm_row *find_by_name(const struct inode *host)
{
	const char *fs = host->i_sb->s_type->name;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nb_fm_table); i++)
		if (nb_fm_table[i].fs && !strcmp(fs, nb_fm_table[i].fs))
			return &nb_fm_table[i];
	return NULL;
}

/* Is one read of it atomic against writes? */
bool nb_fm_host_is_atomic(const struct inode *host)
{
	return nb_fm_is_atomic(find_by_name(host));
}

/* Was it looked at what its read does before it looks at the page cache? */
bool nb_fm_host_is_known(const struct inode *host)
{
	return find_by_name(host);
}
