/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libnbread: batched, cached-first file reads.
 *
 * A program sets up a ring, takes submission entries (SQEs) from it, says in
 * each what to read, submits them all with one call, and reaps one completion
 * entry (CQE) for each. Names and habits are liburing's:
 *
 *	struct nbread ring;
 *	struct nbread_cqe *cqe;
 *
 *	nbread_queue_init(32, &ring, 0);
 *	nbread_prep_read(nbread_get_sqe(&ring), fd, buf, sizeof(buf), 0);
 *	nbread_submit(&ring);
 *	nbread_wait_cqe(&ring, &cqe);	// cqe->res: bytes read, or -errno
 *	nbread_cqe_seen(&ring, cqe);
 *	nbread_queue_exit(&ring);
 *
 * Errors. Calls return -errno, or what their comment says; errno is not changed
 * and nothing is printed. The result of a read is not the result of a call: it
 * is in cqe->res (or nbread_try.res). Of all calls that reach the device: -EPERM
 * when another process set up the ring (after fork, or the fd was passed on).
 *
 * Signals. A call that waits and is interrupted returns -EINTR, unless it has
 * something to hand over; nothing is started again behind the caller's back.
 *
 * Threads. One thread at a time may use the submission side (get_sqe, prep,
 * submit), and one at a time the completion side; they need not be the same. For any
 * number of threads on both sides: nbread_submit_sqes() and nbread_reap_cqes().
 * nbread_try(), nbread_try_many(), nbread_cancel*(), nbread_register*(),
 * nbread_unregister*(), nbread_file_info() and nbread_query() may be called by any thread at any time.
 *
 * SQEs, CQEs, opcodes and flags: <linux/nbread.h>.
 */
#ifndef LIBNBREAD_H
#define LIBNBREAD_H

#include <libnbread/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Set up
 */

/**
 * nbread_queue_init() - set up a ring
 * @entries:	reads that fit into the submission queue; rounded up to a power of two
 * @ring:	filled; what it held before does not matter
 * @setup_flags: NBREAD_SETUP_*
 *
 * The module serves the ring; where it is not to be had (-ENODEV, -EACCES or -EPERM
 * below) threads of the process do, with the same calls (docs/backends.md says what is
 * different). The environment variable NBREAD_BACKEND forces one, "module" or "threads"
 * (ignored in set-user-ID programs); nbread_backend() tells which it is.
 *
 * Return: 0, or, the first three only with NBREAD_BACKEND=module,
 * -ENODEV	no /dev/nbread: the module is not loaded, or in a container: the device was
 *		not passed in
 * -EACCES	no permission on the node (its group, usually), or it lies on a nodev mount
 * -EPERM	the node is there, but the container's device list (the device cgroup)
 *		forbids it; with NBREAD_SETUP_ATTACH in any case: that ring is another process's
 * -EINVAL	@entries is 0 or above nbread_query.max_sq_entries, or an unknown
 *		NBREAD_BACKEND
 * -EOPNOTSUPP	a flag that nbread_query.setup_flags lacks
 * -EPROTO	the device answered with a layout that cannot be
 * -EFBIG	threads: RLIMIT_FSIZE is below 8 MiB, and process_vm_writev(2) is filtered out;
 *		-EPERM, -EACCES, -ENOSYS: so is memfd_create(2)
 * -ENOMEM, -EMFILE, -ENFILE
 */
int nbread_queue_init(unsigned entries, struct nbread *ring, unsigned setup_flags);

/**
 * nbread_queue_init_params() - set up a ring, with every parameter
 * @entries:	goes into p->sq_entries
 * @ring:	filled
 * @p:		in: cq_entries (0: twice the submission queue), flags, sq_thread_*,
 *		attach_fd, timeout_ns (the time each read gets), max_workers, the rest 0;
 *		out: what was set up
 *
 * Return: as nbread_queue_init().
 */
int nbread_queue_init_params(unsigned entries, struct nbread *ring, struct nbread_setup *p);

/**
 * nbread_queue_exit() - give up the ring
 * @ring:	set up, or left behind by a failed nbread_queue_init()
 *
 * Reads that wait end without a completion, at once, and their buffers are not touched any
 * more; no device is waited for. What the kernel is just reading or copying by itself (a
 * worker, the ring's thread) goes on into its buffer: before buffers are freed, end the
 * ring by nbread_queue_exit_drain(). And as long as a forked child still has the ring's
 * descriptor, none of its reads ends.
 */
void nbread_queue_exit(struct nbread *ring);

/**
 * nbread_queue_drain_ns() - wait until every submitted read has ended
 * @timeout_ns:	nanoseconds, or -1: without end; another negative value is -EINVAL
 *
 * The completions stay in the queue, for the caller to reap. Entries that were
 * prepared and not submitted do not count, nor do those that a thread
 * (NBREAD_SETUP_SQTHREAD) cannot take because the completion queue is full. No other
 * thread may use the ring meanwhile.
 *
 * Return: 0, -ETIME, -EINTR or another -errno.
 */
int nbread_queue_drain_ns(struct nbread *ring, __s64 timeout_ns);

/**
 * nbread_queue_exit_drain_ns() - wait as nbread_queue_drain_ns(), then give up the ring
 *
 * For a program that is about to free the buffers: nbread_queue_exit() alone leaves a
 * read that a kernel's worker has begun to end by itself, into its buffer.
 * Completions that were not reaped go with the ring.
 *
 * Return: 0, and the ring is gone; or as nbread_queue_drain_ns(), and it is as it
 * was: wait again, cancel, or nbread_queue_exit().
 */
int nbread_queue_exit_drain_ns(struct nbread *ring, __s64 timeout_ns);

/*
 * Submit and wait. 'timespec' is a span of CLOCK_MONOTONIC, from the call on;
 * NULL waits without end. 'sigmask', unless NULL, is the signal mask during the
 * wait, as in ppoll(2). The calls with a timespec are inline (libnbread/inline.h), so
 * that it is the caller's: in a 32-bit program it has two layouts (_TIME_BITS).
 */

/**
 * nbread_submit() - hand all prepared entries to the backend
 *
 * Reads of cached data are finished when it returns. Entries that are not taken
 * (the completion queue has no room for their results: reap first) stay in the
 * queue for the next call. A wrong entry ends alone, with -errno in its CQE.
 *
 * With NBREAD_SETUP_SQTHREAD it publishes them to the thread, and makes a system call
 * only to wake it; the thread takes them in order, as soon as the completion queue has
 * room. What they point to (iovecs) belongs to the ring until nbread_sq_ready()
 * says that they were taken.
 *
 * Return: how many were taken, or -errno if none was; with SQTHREAD how many this call
 * published, which the thread takes in any case, or -errno if it could not be woken.
 */
int nbread_submit(struct nbread *ring);

/**
 * nbread_submit_and_wait() - submit, and wait in the same call
 * @wait_nr:	completions to wait for, those not yet reaped included
 *
 * Return: how many entries were taken, or -errno if none was; -EINVAL when
 * @wait_nr is above the completion queue's size. When entries were taken and a
 * signal ended the wait, there are fewer than @wait_nr completions.
 */
int nbread_submit_and_wait(struct nbread *ring, unsigned wait_nr);

/**
 * nbread_submit_and_wait_ns() - submit and wait, but not for ever
 * @cqe_ptr:	the oldest completion, or NULL if there is none
 * @timeout_ns:	nanoseconds, or -1: without end; another negative value is -EINVAL
 *
 * Return: how many entries were taken; when none was, 0 if there is a completion,
 * else -ETIME, -EINTR or another -errno; -EAGAIN when @wait_nr is 0.
 */
int nbread_submit_and_wait_ns(struct nbread *ring, struct nbread_cqe **cqe_ptr, unsigned wait_nr,
			      __s64 timeout_ns, const sigset_t *sigmask);

/**
 * nbread_wait_cqes_ns() - wait for completions, submitting nothing
 * @cqe_ptr:	the oldest completion, or NULL
 * @wait_nr:	how many to wait for, those not yet reaped included
 * @timeout_ns:	as above
 *
 * Return: 0 with the oldest completion, even when time-out or signal came before
 * @wait_nr of them (nbread_cq_ready() counts); without any -ETIME, -EINTR or
 * another -errno; -EAGAIN when @wait_nr is 0 and there is none.
 */
int nbread_wait_cqes_ns(struct nbread *ring, struct nbread_cqe **cqe_ptr, unsigned wait_nr,
			__s64 timeout_ns, const sigset_t *sigmask);

/**
 * nbread_peek_batch_cqe() - the completions that are there, without waiting
 * @cqes:	filled with up to @count, oldest first; the CQEs stay in the ring until
 *		nbread_cq_advance()
 *
 * Return: how many. When there is none, reads whose data came in meanwhile are
 * finished first.
 */
unsigned nbread_peek_batch_cqe(struct nbread *ring, struct nbread_cqe **cqes, unsigned count);

/**
 * nbread_get_events() - finish the reads whose data came in, without waiting
 *
 * Data that arrives is copied by a thread that calls nbread_submit() or waits.
 * An event loop calls this when nbread_ring_fd() polls readable and it goes on
 * with nbread_for_each_cqe(), which looks at memory only; the wait and peek
 * functions do it by themselves. With NBREAD_SETUP_SQTHREAD the kernel's thread does it,
 * and neither this call nor peek makes a system call but to wake that.
 *
 * Return: 0 or -errno.
 */
int nbread_get_events(struct nbread *ring);

/**
 * nbread_sqring_wait() - wait until the submission queue has room
 *
 * For NBREAD_SETUP_SQTHREAD, where nbread_get_sqe() says NULL until the thread took
 * what was submitted. It takes nothing while the completion queue has no room:
 * reap first, or in another thread. On a ring without a thread nbread_submit()
 * makes room, and this call returns at once.
 *
 * Return: as nbread_sq_space_left(), or -EINTR or another -errno.
 */
int nbread_sqring_wait(struct nbread *ring);

/**
 * nbread_sqe_set_timeout_ns() - nbread_sqe_set_deadline(), so long after now
 * @timeout_ns:	nanoseconds, or -1: without end, whatever the ring has
 *
 * Return: 0; -EINVAL for another negative value.
 */
int nbread_sqe_set_timeout_ns(struct nbread_sqe *sqe, __s64 timeout_ns);

/*
 * One ring for many threads. Any thread may call these two at any time, on a ring that
 * is submitted to and reaped in no other way: entries and completions are copied,
 * each side under a lock. A ring of which this is not asked pays nothing for it. Not in a
 * forked child: who held a lock at the fork is not there.
 */

/**
 * nbread_submit_sqes() - hand over entries that the caller prepared in its own memory
 * @sqes:	prepared with nbread_prep_*(), in an array of the caller's; copied. A whole
 *		struct nbread_sqe starts as 0, or from a prep function and set_data
 * @n:		any number; goes through the queue in pieces
 *
 * What is not taken, because a queue has no room, is not submitted: the caller keeps it
 * for later. It may be others who reap what there was: wait for room with a time-out.
 *
 * Return: how many were taken, in order; -errno if none was for another reason.
 */
int nbread_submit_sqes(struct nbread *ring, const struct nbread_sqe *sqes, unsigned n);

/**
 * nbread_reap_cqes_ns() - wait for completions and take them out
 * @out:	filled with up to @n, oldest first
 * @wait_nr:	how many have to be there before any is taken; 0: do not wait
 * @timeout_ns:	as in nbread_wait_cqes_ns()
 *
 * When the time is over, or a signal comes, it takes those that are there. Of several
 * threads that wait, one gets a completion; those that come too late wait on.
 *
 * Return: how many were taken; 0 when @wait_nr or @n is 0 and there is none; without any
 * -ETIME, -EINTR or another -errno.
 */
int nbread_reap_cqes_ns(struct nbread *ring, struct nbread_cqe *out, unsigned n, unsigned wait_nr,
			__s64 timeout_ns, const sigset_t *sigmask);

/*
 * Cached-only reads, answered in place
 */

/**
 * nbread_try_many() - read what is cached, for a batch of requests
 * @reqs:	in: fd, flags (NBREAD_SQE_NOIO, NBREAD_SQE_FIXED_FILE), addr, len, off;
 *		out: res and cqe_flags
 * @n:		any number; what one call of the backend cannot take is split
 *
 * Never waits for I/O. Each res is the leading resident bytes (at least one), 0
 * at end of file, -EAGAIN when the first byte is not cached, or another -errno.
 * Needs no entry of the ring and leaves its queues alone.
 *
 * Return: how many were complete hits (all bytes asked for, or all up to end of
 * file), or -errno of the call; then the requests before the failing one
 * are answered and the others are as they were.
 */
int nbread_try_many(struct nbread *ring, struct nbread_try *reqs, unsigned n);

/*
 * Cancel
 */

/**
 * nbread_cancel64() - end reads that wait, by their user_data
 * @user_data:	as in the SQE; 0 with NBREAD_CANCEL_ANY
 * @flags:	0 (the oldest that matches), NBREAD_CANCEL_ALL, NBREAD_CANCEL_ANY
 *
 * Each ends at once, with -ECANCELED in its CQE, which is there when the call
 * returns; its buffer is not touched any more.
 *
 * Return: how many ended so; -ENOENT when nothing matched; -EALREADY when those
 * that matched are being run this moment and will complete by themselves.
 */
int nbread_cancel64(struct nbread *ring, __u64 user_data, unsigned flags);

/**
 * nbread_cancel_fd() - end reads that wait, by their file
 * @fd:		any descriptor of the open file
 * @flags:	0 or NBREAD_CANCEL_ALL
 *
 * Return: as nbread_cancel64(); -EBADF when @fd is not open.
 */
int nbread_cancel_fd(struct nbread *ring, int fd, unsigned flags);

/**
 * nbread_cancel_file_index() - end reads that wait, by their registered file
 * @index:	as in the SQE with NBREAD_SQE_FIXED_FILE
 * @flags:	0 or NBREAD_CANCEL_ALL
 *
 * It means the file that is registered there now: reads that began before an update
 * of the slot belong to the file they began with.
 *
 * Return: as nbread_cancel64(); -EBADF when the slot is empty or does not exist.
 */
int nbread_cancel_file_index(struct nbread *ring, unsigned index, unsigned flags);

/*
 * Ask
 */

/**
 * nbread_file_info() - how reads of a file would be served, and why
 * @info:	filled, see <linux/nbread.h>
 *
 * Return: 0, also for a file that would be refused (info->path says so);
 * -EBADF when @fd is not open.
 */
int nbread_file_info(struct nbread *ring, int fd, struct nbread_file_info *info);

/**
 * nbread_query() - what the backend can do: flags, opcodes, limits
 * @ring:	whose backend is asked; NULL: the one that nbread_queue_init() would take,
 *		so that a program can look before it sets up anything
 * @q:		filled, see <linux/nbread.h>
 *
 * Return: 0 or -errno; with NULL also what nbread_queue_init() says about a
 * missing device.
 */
int nbread_query(struct nbread *ring, struct nbread_query *q);

/** nbread_backend() - what serves this ring */
enum nbread_backend nbread_backend(const struct nbread *ring);

#ifdef __cplusplus
}
#endif

/* Files, buffers, eventfd, credentials, workers. */
#include <libnbread/register.h>
/* The fast path: get_sqe, prep, set_data, peek, for_each, seen, advance, try; timespec. */
#include <libnbread/inline.h>

#endif /* LIBNBREAD_H */
