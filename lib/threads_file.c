// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: may this file be read, and what may be told of it.
 *
 * The refusals and their order are those of the module (module/access.c), from what user
 * space can see. Two system calls for each run of reads that name the same descriptor,
 * more only for what is refused or not told yet.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <linux/magic.h>
#include "threads.h"

/* In no header, or in none that is old enough. */
#define CONFIGFS_SUPER 0x62656570
#define FUSECTL_SUPER 0x65735543
#define RPC_PIPEFS_SUPER 0x67596969
#define NFSD_SUPER 0x6e667364
#define MQUEUE_SUPER 0x19800202
#define PIDFS_SUPER 0x50494446
#define SECRETMEM_SUPER 0x5345434d
#define GUEST_MEMFD_SUPER 0x474d454d
#define RDTGROUP_SUPER 0x7655821

/*
 * File systems whose files have no page cache of their own, or no read that goes with it.
 * Their reads may look at the reader's namespaces and identity, and may wait for ever.
 */
static bool has_no_page_cache(__u32 magic)
{
	switch (magic) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case SECURITYFS_MAGIC:
	case SELINUX_MAGIC:
	case SMACK_MAGIC:
	case EFIVARFS_MAGIC:
	case PSTOREFS_MAGIC:
	case BPF_FS_MAGIC:
	case BINFMTFS_MAGIC:
	case NSFS_MAGIC:
	case AUTOFS_SUPER_MAGIC:
	case CONFIGFS_SUPER:
	case FUSECTL_SUPER:
	case RPC_PIPEFS_SUPER:
	case NFSD_SUPER:
	case MQUEUE_SUPER:
	case PIDFS_SUPER:
	case SECRETMEM_SUPER:
	case GUEST_MEMFD_SUPER:
	case RDTGROUP_SUPER:
		return true;
	default:
		return false;
	}
}

static int refuse(struct nbread_thr_look *look, __u32 why, int err)
{
	look->why = why;
	return err;
}

/*
 * What preadv(2) itself says before it looks at a byte: -ESPIPE, -EBADF for a file that
 * is not open for reading, or 0. Whatever else it says it would say of the real read.
 */
static int ask_preadv(struct nbread_thr_look *look)
{
	ssize_t ret = nbread_sys_read(look->use, NULL, 0, 0, false);

	if (ret == -ESPIPE)
		return refuse(look, NBREAD_WHY_NOT_SEEKABLE, -ESPIPE);
	return ret == -EBADF ? refuse(look, NBREAD_WHY_NOT_READABLE, -EBADF) : 0;
}

/*
 * Is it a file of proc, sysfs and the like? To ask for the kind of file system may be a
 * call to a server, so it is done only where a file looks like one of those. Those have no
 * server; of another file system it is asked once, until another one comes along: should the
 * device's number be that of a proc or sysfs later, its files are read instead of refused.
 */
static bool is_pseudo(struct nbread_thr *t, struct nbread_thr_look *look)
{
	/* All of it: a device without a major number fits. */
	__u32 dev = (__u32)look->st.dev;

	if (!look->st.unbacked || __atomic_load_n(&t->served_dev, __ATOMIC_RELAXED) == dev)
		return false;
	if (!look->magic || look->magic_dev != look->st.dev) {
		if (nbread_sys_fs_magic(look->use, &look->magic) < 0)
			look->magic = 0;
		look->magic_dev = look->st.dev;
		if (look->magic && !has_no_page_cache(look->magic))
			__atomic_store_n(&t->served_dev, dev, __ATOMIC_RELAXED);
	}
	return has_no_page_cache(look->magic);
}

static int classify(struct nbread_thr *t, struct nbread_thr_look *look)
{
	bool plain;
	int ret;

	look->flags = nbread_sys_file_flags(look->use);
	if (look->flags < 0 || (look->flags & O_PATH))
		return -EBADF;
	if (look->use == t->ring_fd)
		return refuse(look, NBREAD_WHY_NBREAD, -EBADF);
	ret = nbread_sys_stat(look->use, &look->st);
	if (ret < 0)
		return ret;
	plain = (S_ISREG(look->st.mode) || S_ISBLK(look->st.mode)) && !is_pseudo(t, look);
	/* A plain file that is open for reading can be read at an offset. */
	if (!plain || (look->flags & O_ACCMODE) == O_WRONLY) {
		ret = ask_preadv(look);
		if (ret < 0)
			return ret;
	}
	if (S_ISDIR(look->st.mode))
		return refuse(look, NBREAD_WHY_DIRECTORY, -EISDIR);
	if (!plain)
		return refuse(look, NBREAD_WHY_NO_PAGE_CACHE, -EOPNOTSUPP);
	if (look->flags & O_DIRECT)
		return refuse(look, NBREAD_WHY_DIRECT_IO, -EOPNOTSUPP);
	if (look->st.dax)
		return refuse(look, NBREAD_WHY_DAX, -EOPNOTSUPP);
	return 0;
}

void nbread_thr_put_file(struct nbread_thr *t, struct nbread_thr_file *file)
{
	if (--file->refs)
		return;
	file->next = t->doomed;
	t->doomed = file;
}

void nbread_thr_close_files(struct nbread_thr_file *file)
{
	struct nbread_thr_file *next;

	for (; file; file = next) {
		next = file->next;
		nbread_sys_close(file->fd);
		free(file);
	}
}

/**
 * nbread_thr_unlock() - let go of the lock where nbread_thr_put_file() was called under it
 *
 * close(2) may ask a server (FUSE, NFS) and wait for its answer: for that of this caller alone.
 */
void nbread_thr_unlock(struct nbread_thr *t)
{
	struct nbread_thr_file *doomed = t->doomed;

	t->doomed = NULL;
	pthread_mutex_unlock(&t->lock);
	nbread_thr_close_files(doomed);
}

/* The registered file of an index, with a reference; NULL if there is none. */
static struct nbread_thr_file *get_file(struct nbread_thr *t, int index)
{
	struct nbread_thr_file *file = NULL;

	pthread_mutex_lock(&t->lock);
	if (index >= 0 && (unsigned)index < t->nr_files)
		file = t->files[index];
	if (file)
		file->refs++;
	pthread_mutex_unlock(&t->lock);
	return file;
}

/* Lets go of the file. If nobody else has it, it is closed at the end: here is a lock held. */
static void drop_look(struct nbread_thr *t, struct nbread_thr_look *look)
{
	struct nbread_thr_file *file = look->file;

	look->file = NULL;
	look->valid = false;
	if (!file)
		return;
	pthread_mutex_lock(&t->lock);
	if (--file->refs == 0) {
		file->next = look->doomed;
		look->doomed = file;
	}
	pthread_mutex_unlock(&t->lock);
}

/**
 * nbread_thr_look_end() - the call is over; in no lock, as close(2) may wait for a server
 */
void nbread_thr_look_end(struct nbread_thr *t, struct nbread_thr_look *look)
{
	drop_look(t, look);
	nbread_thr_close_files(look->doomed);
	look->doomed = NULL;
}

/**
 * nbread_thr_look() - look a descriptor up for the rest of this call
 * @look:	zeroed before the first use; kept while @fd and @fixed are the same
 * @own_mm:	a child of the owner has no table of files that it could trust
 */
void nbread_thr_look(struct nbread_thr *t, struct nbread_thr_look *look, int fd, bool fixed,
		     bool own_mm)
{
	if (look->valid && look->fd == fd && look->fixed == fixed)
		return;
	drop_look(t, look);
	look->valid = true;
	look->fd = fd;
	look->fixed = fixed;
	look->use = fd;
	look->oracle = -1;
	look->no_nowait = false;
	look->why = NBREAD_WHY_OK;
	if (fixed) {
		look->file = own_mm ? get_file(t, fd) : NULL;
		if (!look->file) {
			look->err = own_mm ? -EBADF : -EPERM;
			return;
		}
		look->use = look->file->fd;
	}
	look->err = classify(t, look);
}

/*
 * May the caller learn what is resident? Where mincore(2) would tell it: open for writing,
 * owner, or allowed to write. CAP_FOWNER alone is not looked at: rather too little told.
 */
bool nbread_thr_oracle(struct nbread_thr_look *look)
{
	if (look->oracle < 0)
		look->oracle = (look->flags & O_ACCMODE) != O_RDONLY ||
			       look->st.uid == nbread_sys_euid() ||
			       nbread_sys_may_write(look->use) == 0;
	return look->oracle;
}

/*
 * Files say at the start of the call whether they know RWF_NOWAIT. So ask for a byte where
 * none can be: nothing is read, and no server is asked for one.
 */
bool nbread_thr_takes_nowait(int fd)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	return nbread_sys_read(fd, &iov, 1, INT64_MAX - 1, true) != -EOPNOTSUPP;
}

int nbread_thr_file_info(struct nbread *ring, struct nbread_file_info *info)
{
	struct nbread_thr *t = nbread_thr_of(ring);
	struct nbread_thr_look look;

	if (info->flags || info->resv[0] || info->resv[1])
		return -EINVAL;
	memset(&look, 0, sizeof(look));
	nbread_thr_look(t, &look, info->fd, false, false);
	if (look.err == -EBADF && look.why == NBREAD_WHY_OK)
		return -EBADF;
	info->error = look.err;
	info->reason = look.why;
	info->path = NBREAD_PATH_REFUSED;
	if (nbread_sys_fs_magic(look.use, &look.magic) == 0)
		info->fs_magic = look.magic;
	if (look.err)
		return 0;
	info->path = NBREAD_PATH_WORKER;
	info->reason = NBREAD_WHY_NO_ASYNC;
	if (nbread_thr_oracle(&look))
		info->flags |= NBREAD_FILE_ORACLE;
	if (nbread_thr_takes_nowait(look.use))
		info->flags |= NBREAD_FILE_RESIDENT;
	return 0;
}
