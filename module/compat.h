/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the only place that knows kernel versions.
 *
 * The other files are written for the newest kernel and use the names below. Each entry
 * says which upstream change made the difference. Included by internal.h alone. No state, no
 * locks; every helper runs in the caller's context.
 */
#ifndef NBREAD_COMPAT_H
#define NBREAD_COMPAT_H

#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/uio.h>
#include <linux/version.h>

#if KERNEL_VERSION(6, 1, 0) > LINUX_VERSION_CODE
#error "nbread needs Linux 6.1 or newer: it was neither written for older ones nor tried there"
#endif

/*
 * wait_page_queue: an RFC of May 2026 renames it (and wake_page_match()) to
 * wait_folio_queue; the module uses its own names so that one line follows.
 */
#define nb_wait_folio wait_page_queue
#define nb_wait_folio_key wait_page_key
#define nb_wake_folio_match wake_page_match

/*
 * A folio of the page cache with a reference, or NULL. Until 6.4 (66dabbb65d67) a miss was NULL.
 * From 6.14 ("mm: add FGP_DONTCACHE folio creation flag") a look without that flag would keep
 * a folio that another program's RWF_DONTCACHE lets go of after use.
 */
#ifndef FGP_DONTCACHE
#define FGP_DONTCACHE 0
#endif
static inline struct folio *nb_get_folio(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = __filemap_get_folio(mapping, index, FGP_DONTCACHE, 0);

	return IS_ERR(folio) ? NULL : folio;
}

/* 6.2 (de4eda9de2d9) named the directions of an iterator; later releases of 6.1 have it, too. */
#ifndef ITER_DEST
#define ITER_DEST READ
#endif

/* 6.10 (210a03c9d51a) moved FMODE_BUF_RASYNC to FOP_BUFFER_RASYNC. */
static inline bool nb_file_may_park(const struct file *file)
{
#ifdef FOP_BUFFER_RASYNC
	return file->f_op->fop_flags & FOP_BUFFER_RASYNC;
#else
	return file->f_mode & FMODE_BUF_RASYNC;
#endif
}

/* 6.3 (4609e1f18e19) gave inode_permission() an idmap in place of the user namespace. */
#if KERNEL_VERSION(6, 3, 0) > LINUX_VERSION_CODE
#define nb_file_idmap(file) file_mnt_user_ns(file)
#define nb_no_idmap() (&init_user_ns)
#define nb_idmap user_namespace
#else
#define nb_file_idmap(file) file_mnt_idmap(file)
#define nb_no_idmap() (&nop_mnt_idmap)
#define nb_idmap mnt_idmap
#endif

/*
 * RWF_NOWAIT meant IOCB_NOIO too from 5.9 to 6.11; since 6.12 ("mm: allow readahead
 * with RWF_NOWAIT set") a miss reads ahead. A file system that turns IOCB_NOWAIT into
 * RWF_NOWAIT (overlayfs) hands that on.
 */
#define NB_NOWAIT_IS_NOIO (KERNEL_VERSION(6, 12, 0) > LINUX_VERSION_CODE)

/*
 * May a task sleep under a block plug? Before 6.7 ("locking/rtmutex: Submit/resume work explicitly
 * before/after blocking") it is sent off while one is queued for an rtmutex: no lock can be taken.
 */
#define NB_MAY_PLUG \
	(!IS_ENABLED(CONFIG_PREEMPT_RT) || KERNEL_VERSION(6, 7, 0) <= LINUX_VERSION_CODE)

/* Has memory of the folio failed? folio_contain_hwpoisoned_page() is there since 6.15. */
static inline bool nb_folio_poisoned(struct folio *folio)
{
	return folio_test_hwpoison(folio) ||
	       (folio_test_large(folio) && folio_test_has_hwpoisoned(folio));
}

/* A mapping that a forked child does not get. 6.3 (bc292ab00f6c) made vm_flags read-only. */
static inline void nb_vma_dontfork(struct vm_area_struct *vma)
{
#if KERNEL_VERSION(6, 3, 0) > LINUX_VERSION_CODE
	vma->vm_flags |= VM_DONTCOPY;
#else
	vm_flags_set(vma, VM_DONTCOPY);
#endif
}

/* 6.13 (908a1d775422) made one call of hrtimer_init() and the member; 6.15 took those away. */
static inline void nb_hrtimer_setup(struct hrtimer *timer,
				    enum hrtimer_restart (*fn)(struct hrtimer *timer),
				    clockid_t clock, enum hrtimer_mode mode)
{
#if KERNEL_VERSION(6, 13, 0) > LINUX_VERSION_CODE
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#else
	hrtimer_setup(timer, fn, clock, mode);
#endif
}

/*
 * May memory be pinned for long and written to? Not that of a file whose file system
 * must be told before a page gets dirty: since 6.5 (8ac268436e6d) pinning refuses it.
 */
static inline bool nb_may_stay_pinned(struct page *page)
{
#if KERNEL_VERSION(6, 5, 0) > LINUX_VERSION_CODE
	struct folio *folio = page_folio(page);
	struct address_space *mapping;
	bool may;

	if (folio_test_anon(folio) || folio_test_hugetlb(folio))
		return true;
	/* A truncation may take it away meanwhile; its memory stays as long as this. */
	rcu_read_lock();
	mapping = READ_ONCE(folio->mapping);
	may = mapping && !((unsigned long)mapping & PAGE_MAPPING_FLAGS) && shmem_mapping(mapping);
	rcu_read_unlock();
	return may;
#else
	return true;
#endif
}

/* One more for an eventfd's counter. Until 6.8 (3652117f8548) it took how many. */
static inline void nb_eventfd_signal(struct eventfd_ctx *efd)
{
#if KERNEL_VERSION(6, 8, 0) > LINUX_VERSION_CODE
	eventfd_signal(efd, 1);
#else
	eventfd_signal(efd);
#endif
}

/*
 * Does the superblock have any mark that may matter? 6.10 counts those that ask for
 * permission apart ("fsnotify: optimize the case of no permission event watchers").
 */
static inline bool nb_sb_has_listeners(struct super_block *sb)
{
#if !defined(CONFIG_FSNOTIFY)
	return false;
#elif KERNEL_VERSION(6, 10, 0) > LINUX_VERSION_CODE
	return atomic_long_read(&sb->s_fsnotify_connectors);
#else
	return fsnotify_sb_has_priority_watchers(sb, FSNOTIFY_PRIO_CONTENT);
#endif
}

/*
 * May a read through overlayfs ask for permission again, for the file below? In 6.1 it
 * opens that with FMODE_NONOTIFY (OVL_OPEN_FLAGS); in 6.12 not any more.
 */
static inline bool nb_real_has_listeners(const struct inode *real)
{
	return KERNEL_VERSION(6, 2, 0) <= LINUX_VERSION_CODE && nb_sb_has_listeners(real->i_sb);
}

/*
 * 6.14 ("fsnotify: opt-in for permission events at file open time", in 6.12.y too) decides at
 * open who may be asked, in two bits of f_mode: one of them alone says nobody. 6.17
 * (0d4c4d4ea443) changed what both and none mean, but FMODE_FSNOTIFY_HSM() is in either.
 */
#ifdef FMODE_FSNOTIFY_MASK
static inline bool nb_file_is_unwatched(const struct file *file)
{
	const fmode_t bits = file->f_mode & FMODE_FSNOTIFY_MASK;

	return bits == FMODE_NONOTIFY || bits == FMODE_NONOTIFY_PERM;
}

#define nb_file_is_filled(file) FMODE_FSNOTIFY_HSM((file)->f_mode)
#else
#define nb_file_is_unwatched(file) ((file)->f_mode & FMODE_NONOTIFY)
#define nb_file_is_filled(file) false
#endif

#endif /* NBREAD_COMPAT_H */
