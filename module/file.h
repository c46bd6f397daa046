/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file.h - a file as one call may use it, and what is known of its kind.
 *
 * Included by internal.h, after what it is made of.
 */
#ifndef NBREAD_FILE_H
#define NBREAD_FILE_H

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

static inline bool nb_fm_is_bdev(const struct nb_fm_row *row)
{
	return row && row->bdev;
}

static inline bool nb_fm_is_atomic(const struct nb_fm_row *row)
{
	return row && row->atomic;
}

/* Is it a file system whose code was looked at: of this machine, no server and no cluster? */
static inline bool nb_is_local(const struct nb_fm_row *row, const struct inode *inode)
{
	return row || inode->i_sb->s_magic == F2FS_SUPER_MAGIC;
}

/* Take what the file system's read holds, if it is to be had at once. */
static inline bool nb_fm_lock(const struct nb_fm_row *row, struct file *file)
{
	return !row || row->lock == NB_FM_NO_LOCK || inode_trylock_shared(file->f_mapping->host);
}

static inline void nb_fm_unlock(const struct nb_fm_row *row, struct file *file)
{
	if (row && row->lock != NB_FM_NO_LOCK)
		inode_unlock_shared(file->f_mapping->host);
}

/* What the short way of a hit came to. */
enum nb_fm_one {
	NB_FM_ONE_NOT_TRIED,
	NB_FM_ONE_UNKNOWN, /* ask nb_fm_read(), which begins anew */
	NB_FM_ONE_ABSENT, /* the first byte is not resident, and not behind the end */
	NB_FM_ONE_DONE, /* all bytes were delivered */
};

/* What the notification side wants to know of reads of a file. */
enum nb_listener {
	NB_LISTENER_NONE, /* nobody watches: one check a call is exact */
	NB_LISTENER_HIDDEN, /* somebody watches; a mount mark may ask for permission */
	NB_LISTENER_PERM, /* a listener must be asked for each read, and may be slow */
};

/* Who answers what is resident, in the call. */
enum nb_way {
	NB_WAY_WORKER, /* nobody: every read is for a worker */
	NB_WAY_FILEMAP, /* filemap.c */
	NB_WAY_READ_ITER, /* the file's own ->read_iter with IOCB_NOWAIT | IOCB_NOIO */
	NB_WAY_STACKED, /* stacked.c */
	NB_WAY_RESIDENT, /* resident.c; a READ of an SQWQ ring only */
};

/*
 * Folios that follow one another, with a reference each. More than the 15 or 31 of a
 * folio_batch: a read of 64 KiB, or 128, is one look.
 */
#define NB_FOLIOS 32
struct nb_folios {
	unsigned int nr;
	struct folio *folios[NB_FOLIOS];
};

/**
 * struct nb_pins - folios that cannot leave the page cache by reclaim
 * @fb:	which
 * @marked: which of them had the readahead mark
 */
struct nb_pins {
	struct nb_folios fb;
	unsigned long marked;
};

/**
 * struct nb_file - a file as the current call may use it
 * @file:	with a reference until nb_file_put()
 * @row:	its filemap row, also with filemap=0; NULL if there is none
 * @fd:		what the program called it
 * @fixed:	NBREAD_SQE_FIXED_FILE, if that is an index
 * @err:	-errno of every read of it in this call, or 0
 * @way:	who answers what is resident
 * @may_park:	misses wait by callback
 * @reads_ahead: readahead may be started in the call; see choose_way()
 * @sqwq:	the ring is one of SQWQ: no I/O is started in the call, but for who has no @oracle
 * @path:	NBREAD_PATH_*
 * @why:	NBREAD_WHY_*
 * @listener:	who must be asked before a read
 * @borrowed:	the reference is that of its slot, see files.c
 * @verified:	rw_verify_area() said yes in this call
 * @oracle:	HIT may be told
 * @blind:	the page cache is not looked at for this caller; see set_oracle() in access.c
 * @touched:	what reads of this call owe, NB_TOUCHED_*
 * @plain:	a plain READ of it needs no more checks in this call: it is served by folio
 *		look-up, verified, and nobody listens
 *
 * Lives on the stack of one ioctl, so that a file used many times in a batch is
 * looked up and checked once (promise 7 of the contract).
 */
struct nb_file {
	struct file *file;
	const struct nb_fm_row *row;
	int fd;
	u32 fixed;
	int err;
	enum nb_way way;
	bool may_park;
	bool reads_ahead;
	bool sqwq;
	u32 path;
	u32 why;
	enum nb_listener listener;
	bool borrowed;
	bool verified;
	bool oracle;
	bool blind;
	u8 touched;
	bool plain;
};

#define NB_TOUCHED_TIME 1 /* one succeeded, if only in finding the end: atime */
#define NB_TOUCHED_BYTES 2 /* one brought bytes: IN_ACCESS */

/* A read of more than 0 bytes has ended with @res. */
static inline void nb_file_touch(struct nb_file *nf, ssize_t res)
{
	if (res >= 0)
		nf->touched |= res ? NB_TOUCHED_TIME | NB_TOUCHED_BYTES : NB_TOUCHED_TIME;
}

/* The inode whose page cache holds the data of a file of overlayfs; the file keeps it. */
static inline struct inode *nb_real_inode(const struct file *file)
{
	return d_real_inode(file->f_path.dentry);
}

/*
 * May its own ->read_iter wait for direct I/O, even under IOCB_NOWAIT? f2fs_file_read_iter() does
 * in LFS mode, for writes (inode_dio_wait()). What has a row was read.
 */
static inline bool nb_may_wait_for_dio(const struct nb_fm_row *row, const struct file *file)
{
	return !row && atomic_read(&file_inode(file)->i_dio_count);
}

/* To be asked after nb_file_verify() said yes. */
static inline bool nb_file_is_plain(const struct nb_file *nf)
{
	return nf->way == NB_WAY_FILEMAP && nf->listener == NB_LISTENER_NONE &&
	       !IS_ENABLED(CONFIG_HIGHMEM);
}

#endif /* NBREAD_FILE_H */
