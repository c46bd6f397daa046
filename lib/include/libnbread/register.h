/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libnbread: what a ring keeps beyond one call. Included by <libnbread.h>; see there
 * for errors and threads.
 */
#ifndef LIBNBREAD_REGISTER_H
#define LIBNBREAD_REGISTER_H

#include <libnbread/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Register. Each returns 0, a count where it says so, or -errno: -EOPNOTSUPP when
 * nbread_query.register_ops lacks the operation; -EBUSY when what is to be registered
 * is registered already, and -ENXIO when what is to be removed or updated is not;
 * -EINVAL for a count or index that cannot be, -EINTR, -ENOMEM. Reads in flight keep
 * the file or buffer that they began with, so that all of it may be done at any time.
 */

/**
 * nbread_register_files() - name open files by index; NBREAD_SQE_FIXED_FILE uses them
 * @files:	descriptors, which may be closed afterwards; -1 leaves a slot empty
 * @nr:		1 to nbread_query.max_files
 *
 * Return: 0, or what a read of the file would end with: -EBADF, -ESPIPE, -EISDIR,
 * -EOPNOTSUPP.
 */
int nbread_register_files(struct nbread *ring, const int *files, unsigned nr);

/** nbread_register_files_sparse() - make a table of @nr empty slots */
int nbread_register_files_sparse(struct nbread *ring, unsigned nr);

/**
 * nbread_register_files_update() - replace files from index @off on; -1 empties a slot
 *
 * Return: how many slots were set, in order; -errno if none was.
 */
int nbread_register_files_update(struct nbread *ring, unsigned off, const int *files, unsigned nr);

/** nbread_unregister_files() - drop the table of files */
int nbread_unregister_files(struct nbread *ring);

/**
 * nbread_register_buffers() - name buffers by index, for nbread_prep_read_fixed()
 * @iovecs:	the buffers, each at most 1 GiB; NULL and 0 leave a slot empty
 * @nr:		1 to nbread_query.max_buffers
 *
 * The memory is pinned until it is removed, and counted against RLIMIT_MEMLOCK
 * unless the caller has CAP_IPC_LOCK.
 *
 * Return: 0; -ENOMEM also above RLIMIT_MEMLOCK; -EFAULT when there is no memory, or none
 * that may be written.
 */
int nbread_register_buffers(struct nbread *ring, const struct iovec *iovecs, unsigned nr);

/** nbread_register_buffers_sparse() - make a table of @nr empty slots */
int nbread_register_buffers_sparse(struct nbread *ring, unsigned nr);

/**
 * nbread_register_buffers_update() - replace buffers from index @off on
 * @iovecs:	iov_base NULL empties a slot
 *
 * A large array is handed on in pieces.
 *
 * Return: how many slots were set, in order; -errno if none was.
 */
int nbread_register_buffers_update(struct nbread *ring, unsigned off, const struct iovec *iovecs,
				   unsigned nr);

/** nbread_unregister_buffers() - drop the table of buffers */
int nbread_unregister_buffers(struct nbread *ring);

/**
 * nbread_register_eventfd() - have an eventfd(2) signalled
 * @fd:		an eventfd
 *
 * It is signalled at each completion, and when data of reads came in, that is when
 * nbread_get_events() would make progress. A program that reads it looks for
 * completions as it does when nbread_ring_fd() polls readable.
 */
int nbread_register_eventfd(struct nbread *ring, int fd);

/**
 * nbread_register_eventfd_async() - the same, but not for what is answered at once
 *
 * Not signalled for completions that the submitting call posted itself.
 */
int nbread_register_eventfd_async(struct nbread *ring, int fd);

/** nbread_unregister_eventfd() - stop that */
int nbread_unregister_eventfd(struct nbread *ring);

/**
 * nbread_register_creds() - have an SQTHREAD ring read as the caller is now
 *
 * The kernel's thread reads with the credentials of the thread that set the ring up,
 * as they were then. After setuid(2) and its like this call makes it use the
 * new ones, for all entries that it takes from then on.
 */
int nbread_register_creds(struct nbread *ring);

/**
 * nbread_register_workers() - set how many reads the ring's workers run at a time
 * @nr:		1 to nbread_query.max_workers, or 0 for that limit
 */
int nbread_register_workers(struct nbread *ring, unsigned nr);

#ifdef __cplusplus
}
#endif

#endif /* LIBNBREAD_REGISTER_H */
