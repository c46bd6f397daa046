/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * nbread: batched, cached-first file reads without a thread per read.
 *
 * This header is the whole contract between /dev/nbread and its users.
 *
 * How structs grow. The size of an argument travels in the ioctl number, as
 * _IOWR() puts it there; the kernel dispatches on type and number and takes
 * any size from the first published one upwards. A program that is newer than
 * the kernel may pass a longer struct as long as what the kernel does not know
 * is zero (else -E2BIG); an older one passes a shorter struct and the kernel
 * takes the rest as zero. Reserved members must be zero (-EINVAL), so that
 * they can get a meaning later. An unknown number is -ENOTTY.
 *
 * Addresses are __u64. There are no pointers, no holes and no enums, so the
 * layout is the same for 32-bit and 64-bit programs.
 */
#ifndef _UAPI_LINUX_NBREAD_H
#define _UAPI_LINUX_NBREAD_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** NBREAD_ABI_VERSION - grows when something is added; nothing is taken away */
#define NBREAD_ABI_VERSION 2

/* Opcodes */
#define NBREAD_OP_NOP 0 /* completes with 0; fd, off, addr and len must be 0 */
#define NBREAD_OP_READ 1 /* pread(2): addr and len name the buffer */
#define NBREAD_OP_READV 2 /* preadv(2): addr names a struct iovec array, len counts it */
/* As READ, into the registered buffer buf_index; addr and len lie within it (else -EFAULT). */
#define NBREAD_OP_READ_FIXED 3

/* SQE flags, also taken by struct nbread_try (CACHED is implied there) */

/*
 * fd is an index into the registered files of the ring (of the open device, for
 * struct nbread_try: -EPERM from another mm). An index without a file is -EBADF.
 */
#define NBREAD_SQE_FIXED_FILE (1U << 0)
/*
 * Never wait for I/O: the leading resident bytes (at least one), 0 only at end
 * of file, else -EAGAIN. A miss starts readahead, as RWF_NOWAIT does since 6.12.
 */
#define NBREAD_SQE_CACHED (1U << 1)
/*
 * With CACHED (else -EINVAL): a miss starts no I/O at all. This is a page-cache
 * oracle, so it is given where mincore(2) would be: to the owner of the inode,
 * to who may write it, or with CAP_FOWNER; others get -EPERM, or -EAGAIN where that
 * is not known without a wait: for a server, or in the thread of a ring with SQWQ.
 */
#define NBREAD_SQE_NOIO (1U << 2)
/* Straight to a worker, without a try in the call. Excludes CACHED (-EINVAL). */
#define NBREAD_SQE_ASYNC (1U << 3)

/* CQE flags */
#define NBREAD_CQE_HIT (1U << 0) /* every byte was resident; told where NOIO is allowed */
#define NBREAD_CQE_WAITED (1U << 1) /* was parked on a folio, and not ended there */
#define NBREAD_CQE_PUNTED (1U << 2) /* given to a worker: run by it, in part, or ended before */

/* Set-up flags */
/*
 * A kernel thread takes submissions, with no system call while it polls. It reads
 * as who called SETUP was then, until NBREAD_REGISTER_CREDS: the credentials of a
 * thread that fills the SQ later do not matter. fd is looked up in the files of the
 * process of that caller. ENTER takes no entry itself: it answers to_submit. Its mapping
 * is not inherited by fork(2). -EMFILE: the user has max_sq_threads threads (a parameter of
 * the module), and no CAP_SYS_RESOURCE.
 */
#define NBREAD_SETUP_SQTHREAD (1U << 0)
/*
 * ENTER answers what is resident and only queues the rest: bounded workers issue
 * and finish it, so that the caller never waits in a file system for a miss.
 * Resident bytes of files that are else read by a worker alone (FUSE, NFS, 9p) are
 * read in the call too, by the file's own read, which may ask the server whether
 * they are still current; so not with CACHED, which never waits, and not with SQTHREAD,
 * whose thread serves others too. A CACHED miss starts
 * no readahead on such a ring: a READ, which costs the caller no more, does. Exception: for
 * a caller who may not use NOIO on the file a miss does start readahead in the call; where
 * that is impossible the page cache is not looked at for him.
 */
#define NBREAD_SETUP_SQWQ (1U << 1)
/* With SQTHREAD: the thread runs on the CPU sq_thread_cpu (else -EINVAL). */
#define NBREAD_SETUP_SQ_AFF (1U << 2)
/*
 * With SQTHREAD: no thread of its own, but the one of the ring attach_fd, which the
 * same process must have set up with SQTHREAD (else -EBADF, -EINVAL, -EPERM); its idle
 * time and CPU hold, and none may be given.
 */
#define NBREAD_SETUP_ATTACH (1U << 3)

/* SQ flags: the word at sq_off.flags, written by the kernel */
/*
 * The thread of an SQTHREAD ring sleeps: after the SQ tail was stored, a full barrier
 * and a look at this word, call ENTER with NBREAD_ENTER_SQ_WAKEUP. Likewise after the
 * CQ head was stored while the SQ holds entries: a full CQ stops the thread.
 */
#define NBREAD_SQ_NEED_WAKEUP (1U << 0)

/* sq_thread_idle_ms: the thread sleeps as soon as there is nothing to take */
#define NBREAD_SQ_IDLE_NONE 0xffffffffU

/**
 * struct nbread_sqe - one submission, 64 bytes
 * @opcode:	NBREAD_OP_*
 * @resv0:	must be 0
 * @flags:	NBREAD_SQE_*
 * @fd:		an open file, or an index with NBREAD_SQE_FIXED_FILE
 * @off:	where to read, in bytes; negative values are -EINVAL (there is no
 *		"current position": two threads cannot share one)
 * @addr:	user address of the buffer (READ) or of the iovec array (READV);
 *		the array itself may be reused once ENTER returned
 * @len:	bytes (READ), at most nbread_query.max_len, or vectors (READV)
 * @buf_index:	registered buffer (READ_FIXED), else 0
 * @resv1:	must be 0
 * @user_data:	handed back in the CQE
 * @deadline_ns: point of CLOCK_MONOTONIC at which the read ends with -ETIME if it
 *		still waits; 0: the ring's timeout_ns, if any. A READ that is answered in the
 *		call is not looked at, nor is one that a worker has begun
 * @resv2:	must be 0
 *
 * A bad member ends this read alone, with its -errno in the CQE.
 */
struct nbread_sqe {
	__u8 opcode;
	__u8 resv0;
	__u16 flags;
	__s32 fd;
	__u64 off;
	__u64 addr;
	__u32 len;
	__u16 buf_index;
	__u16 resv1;
	__u64 user_data;
	__u64 deadline_ns;
	__u64 resv2[2];
};

/**
 * struct nbread_cqe - one completion, 16 bytes
 * @user_data:	of the SQE
 * @res:	bytes read, or -errno
 * @flags:	NBREAD_CQE_*
 */
struct nbread_cqe {
	__u64 user_data;
	__s32 res;
	__u32 flags;
};

/**
 * struct nbread_sq_offsets - where the submission ring lies in the mapping
 * @head:	__u32, written by the kernel: entries below it were taken
 * @tail:	__u32, written by the program (store-release) after the SQE
 * @mask:	__u32, entries - 1
 * @entries:	__u32
 * @flags:	__u32, written by the kernel: NBREAD_SQ_*
 * @sqes:	struct nbread_sqe[entries]; index & mask is the slot
 * @resv:	0
 */
struct nbread_sq_offsets {
	__u32 head;
	__u32 tail;
	__u32 mask;
	__u32 entries;
	__u32 flags;
	__u32 sqes;
	__u32 resv[2];
};

/**
 * struct nbread_cq_offsets - where the completion ring lies in the mapping
 * @head:	__u32, written by the program (store-release) after it read the CQE
 * @tail:	__u32, written by the kernel (store-release) after the CQE
 * @mask:	__u32, entries - 1
 * @entries:	__u32
 * @flags:	__u32, written by the kernel; 0 in this version
 * @cqes:	struct nbread_cqe[entries]; index & mask is the slot
 * @resv:	0
 */
struct nbread_cq_offsets {
	__u32 head;
	__u32 tail;
	__u32 mask;
	__u32 entries;
	__u32 flags;
	__u32 cqes;
	__u32 resv[2];
};

/**
 * struct nbread_setup - NBREAD_IOC_SETUP: create the rings, once per open file
 * @sq_entries:	in: wanted, 1 to max_sq_entries; out: rounded up to a power of two
 * @cq_entries:	in: wanted, or 0 for twice the SQ; out: likewise. Below @sq_entries: -EINVAL
 * @flags:	NBREAD_SETUP_*; what QUERY does not report is -EOPNOTSUPP
 * @sq_thread_cpu: with SQ_AFF: an online CPU that the caller may use; else 0
 * @sq_thread_idle_ms: with SQTHREAD: how long the thread polls before it sleeps, 0 for
 *		1000, at most 60000, or NBREAD_SQ_IDLE_NONE; else 0
 * @attach_fd:	with ATTACH: the ring whose thread is shared; else 0
 * @ring_size:	out: bytes to mmap(2), MAP_SHARED, at offset 0 of the device fd
 * @sq_off:	out
 * @cq_off:	out
 * @timeout_ns:	every read that has no deadline of its own gets this much time from its
 *		submission on; 0: no end
 * @max_workers: reads that the ring's workers run at a time, 0 for the module's limit,
 *		which it must not exceed (-EINVAL); out: what it is
 * @resv0:	must be 0
 * @resv:	must be 0
 *
 * The ring belongs to the mm of the caller: ENTER, CANCEL and mmap from another
 * one get -EPERM. Errors: -EBUSY (has rings already), -EMFILE (the user has max_rings
 * rings, and no CAP_SYS_RESOURCE), -EINVAL, -EOPNOTSUPP, -EINTR, -ENOMEM, -E2BIG, -EFAULT.
 */
struct nbread_setup {
	__u32 sq_entries;
	__u32 cq_entries;
	__u32 flags;
	__u32 sq_thread_cpu;
	__u32 sq_thread_idle_ms;
	__s32 attach_fd;
	__u64 ring_size;
	struct nbread_sq_offsets sq_off;
	struct nbread_cq_offsets cq_off;
	__u64 timeout_ns;
	__u32 max_workers;
	__u32 resv0;
	__u64 resv[2];
};

/* ENTER flags */
#define NBREAD_ENTER_TIMEOUT (1U << 0) /* timeout_ns bounds the wait, from now on */
/* timeout_ns is a point of CLOCK_MONOTONIC; with TIMEOUT only. */
#define NBREAD_ENTER_ABS (1U << 1)
/* sigmask replaces the signal mask during the wait, as in ppoll(2). */
#define NBREAD_ENTER_SIGMASK (1U << 2)
/* Wake the thread of an SQTHREAD ring (else -EINVAL). */
#define NBREAD_ENTER_SQ_WAKEUP (1U << 3)
/*
 * First wait until the thread of an SQTHREAD ring (else -EINVAL) left room in the SQ; not
 * while the CQ is full, when only the program can make room.
 */
#define NBREAD_ENTER_SQ_WAIT (1U << 4)

/**
 * struct nbread_enter - NBREAD_IOC_ENTER: submit, run what is ready, wait
 * @to_submit:	take up to this many entries from the SQ; fewer are taken when the
 *		SQ holds fewer or the CQ has no free slot for more
 * @min_complete: wait until the CQ holds this many; at most cq_entries
 * @flags:	NBREAD_ENTER_*
 * @resv0:	must be 0
 * @timeout_ns:	0 without TIMEOUT
 * @sigmask:	bit n - 1 is signal n; 0 without SIGMASK
 * @resv:	must be 0
 *
 * Returns how many entries were taken, or -errno if none was: -EINTR (signal
 * during the wait), -ETIME (the wait timed out), -EPERM (another mm), -ENXIO (no
 * rings yet), -EINVAL (argument, or ring indices that cannot be).
 */
struct nbread_enter {
	__u32 to_submit;
	__u32 min_complete;
	__u32 flags;
	__u32 resv0;
	__u64 timeout_ns;
	__u64 sigmask;
	__u64 resv[2];
};

/**
 * struct nbread_try - one cached-only read, answered in place
 * @fd:		an open file, or an index with NBREAD_SQE_FIXED_FILE
 * @flags:	NBREAD_SQE_NOIO, NBREAD_SQE_FIXED_FILE (CACHED is implied and may be set)
 * @addr:	user address of the buffer
 * @off:	where to read, in bytes
 * @len:	bytes, at most nbread_query.max_len
 * @res:	out: as of a CACHED read: bytes, 0 at end of file, -EAGAIN, or -errno
 * @cqe_flags:	out: NBREAD_CQE_HIT or 0
 * @resv:	must be 0
 */
struct nbread_try {
	__s32 fd;
	__u32 flags;
	__u64 addr;
	__u64 off;
	__u32 len;
	__s32 res;
	__u32 cqe_flags;
	__u32 resv;
};

/**
 * struct nbread_try_batch - NBREAD_IOC_TRY: a batch of cached-only reads
 * @reqs:	user address of struct nbread_try[nr]
 * @nr:		1 to nbread_query.max_try
 * @flags:	must be 0
 * @resv:	must be 0
 *
 * Needs no ring. Returns how many were complete hits: all bytes asked for, or
 * all up to end of file. An error of the batch itself: -EINVAL, -EFAULT (of
 * the array; entries before the bad one are answered), -EINTR (killed).
 */
struct nbread_try_batch {
	__u64 reqs;
	__u32 nr;
	__u32 flags;
	__u64 resv[2];
};

/* REGISTER operations; what each takes: */

/*
 * addr: __s32 fd[nr], 1 to max_files; -1 leaves a slot empty, and so does
 * NBREAD_REGISTER_SPARSE (addr 0) for all. -EBUSY: there is a table already. What a
 * read would refuse is refused here, with the same errno. -EMFILE: more files than the
 * caller may have descriptors (RLIMIT_NOFILE).
 */
#define NBREAD_REGISTER_FILES 1
/* addr: __s32 fd[nr] for the slots from off on; -1 empties one. Returns how many were set. */
#define NBREAD_REGISTER_FILES_UPDATE 2
#define NBREAD_UNREGISTER_FILES 3
/*
 * addr: struct nbread_buffer[nr], 1 to max_buffers; addr 0 in one leaves its slot empty,
 * and so does NBREAD_REGISTER_SPARSE for all. The memory is pinned until the buffer is
 * removed and its last read has ended. Unless the caller has CAP_IPC_LOCK it counts for his
 * user, with that of io_uring, against his RLIMIT_MEMLOCK (-ENOMEM): a huge page whole, and
 * once for a ring, however many buffers lie in it. Memory that cannot be
 * written to, or is mapped from a file, is -EFAULT; tmpfs, memfd, huge pages and private
 * mappings are allowed.
 */
#define NBREAD_REGISTER_BUFFERS 4
#define NBREAD_UNREGISTER_BUFFERS 5
/*
 * addr: one __s32 (nr 1), an eventfd(2). It is signalled when completions are posted, and
 * when reads came to be ready, that is when ENTER would make progress.
 * With NBREAD_REGISTER_EVENTFD_ASYNC only for what was not answered as its ENTER
 * submitted it. -EBUSY: there is one already.
 */
#define NBREAD_REGISTER_EVENTFD 6
#define NBREAD_UNREGISTER_EVENTFD 7
/* addr: struct nbread_buffer[nr] for the slots from off on. Returns how many were set. */
#define NBREAD_REGISTER_BUFFERS_UPDATE 8
/* An SQTHREAD ring reads with the caller's credentials of this moment from now on. */
#define NBREAD_REGISTER_CREDS 9
/* nr: reads that the ring's workers run at a time from now on; as nbread_setup.max_workers */
#define NBREAD_REGISTER_WORKERS 10

/* REGISTER flags */
#define NBREAD_REGISTER_SPARSE (1U << 0) /* FILES, BUFFERS: nr empty slots */
#define NBREAD_REGISTER_EVENTFD_ASYNC (1U << 1) /* EVENTFD */

/**
 * struct nbread_buffer - one buffer to register
 * @addr:	user address
 * @len:	bytes, at most 1 GiB; 0 with addr 0
 */
struct nbread_buffer {
	__u64 addr;
	__u64 len;
};

/**
 * struct nbread_register - NBREAD_IOC_REGISTER: add, update, remove
 * @op:		NBREAD_REGISTER_* or NBREAD_UNREGISTER_*
 * @flags:	NBREAD_REGISTER_*, where the operation knows it
 * @addr:	user address of the array the operation takes, else 0
 * @nr:		entries of the array, else 0
 * @off:	first index to update, else 0
 * @resv:	must be 0
 *
 * Returns 0 unless the operation says otherwise. An operation that QUERY does not
 * report is -EOPNOTSUPP, with a flag or a reserved word -EINVAL. -ENXIO: no ring yet;
 * -EPERM: another mm; -EINTR; removing what is not there is -ENXIO too. Reads in flight
 * keep the file or buffer that they began with; a slot may be changed or emptied at any
 * time.
 */
struct nbread_register {
	__u32 op;
	__u32 flags;
	__u64 addr;
	__u32 nr;
	__u32 off;
	__u64 resv[2];
};

/* CANCEL flags: what to match. None: user_data. */
#define NBREAD_CANCEL_FD (1U << 0) /* every read of this open file */
#define NBREAD_CANCEL_ANY (1U << 1) /* every read of the ring; excludes FD */
#define NBREAD_CANCEL_ALL (1U << 2) /* all that match, not only the oldest */
#define NBREAD_CANCEL_FIXED_FILE (1U << 3) /* with FD: fd is an index, see FIXED_FILE */

/**
 * struct nbread_cancel - NBREAD_IOC_CANCEL: end reads that wait
 * @user_data:	of the SQE; 0 with FD or ANY
 * @fd:		with FD, else 0
 * @flags:	NBREAD_CANCEL_*
 * @resv:	must be 0
 *
 * A parked or queued read ends at once with -ECANCELED in its CQE, which is
 * posted when the call returns; its buffer is not touched any more. Returns how
 * many ended so; -ENOENT when nothing matched; -EALREADY when all that matched
 * are being run this moment, by another thread or a worker, and will complete
 * by themselves: with their bytes, or with -ECANCELED where they would have waited
 * (anew). -EBADF, -EINVAL, -EPERM, -ENXIO as for ENTER.
 */
struct nbread_cancel {
	__u64 user_data;
	__s32 fd;
	__u32 flags;
	__u64 resv[2];
};

/* How a file is served: nbread_file_info.path */
#define NBREAD_PATH_REFUSED 0 /* error says with what */
#define NBREAD_PATH_FILEMAP 1 /* cached bytes by folio look-up; misses: see NBREAD_FILE_PARKS */
#define NBREAD_PATH_ASYNC 2 /* cached bytes by ->read_iter; misses by callback */
#define NBREAD_PATH_WORKER 3 /* reads by a worker; cached bytes: see NBREAD_FILE_RESIDENT */

/* Why: nbread_file_info.reason */
#define NBREAD_WHY_OK 0
#define NBREAD_WHY_NOT_READABLE 1 /* fd is not open for reading */
#define NBREAD_WHY_NOT_SEEKABLE 2 /* pipe, socket, terminal */
#define NBREAD_WHY_DIRECTORY 3
#define NBREAD_WHY_DIRECT_IO 4 /* O_DIRECT */
#define NBREAD_WHY_DAX 5
#define NBREAD_WHY_NBREAD 6 /* /dev/nbread itself */
#define NBREAD_WHY_NO_PAGE_CACHE 7 /* proc, sysfs, character device and the like */
#define NBREAD_WHY_NOT_IN_TABLE 8 /* ASYNC, since the file system has no filemap row */
#define NBREAD_WHY_FILEMAP_OFF 9 /* ASYNC, since the module runs with filemap=0 */
#define NBREAD_WHY_NO_ASYNC 10 /* misses by a worker: the file has no callback, or the ring */
#define NBREAD_WHY_PERM_LISTENER 11 /* WORKER: a fanotify permission listener watches it */
#define NBREAD_WHY_STACKED 12 /* misses by a worker: overlayfs reads another file */

/* nbread_file_info.flags */
#define NBREAD_FILE_ORACLE (1U << 0) /* NOIO and the HIT flag are given to the caller */
#define NBREAD_FILE_RESIDENT (1U << 1) /* bytes that are resident are answered in the call */
#define NBREAD_FILE_PARKS (1U << 2) /* a miss waits by callback; if not, in a worker */

/**
 * struct nbread_file_info - NBREAD_IOC_FILE_INFO: how this fd would be served, on this ring
 * @fd:		in
 * @path:	out: NBREAD_PATH_*
 * @reason:	out: NBREAD_WHY_*
 * @error:	out: the -errno a read would end with, when refused, else 0
 * @flags:	in: 0; out: NBREAD_FILE_*
 * @fs_magic:	out: statfs(2) f_type of the file system
 * @resv:	must be 0
 *
 * -EBADF when fd is not open; a refused file is no error of the call. On a ring with SQWQ
 * no miss parks, and without SQTHREAD resident bytes of FUSE, NFS and 9p are answered;
 * before SETUP it is told as for a ring without.
 */
struct nbread_file_info {
	__s32 fd;
	__u32 path;
	__u32 reason;
	__s32 error;
	__u32 flags;
	__u32 fs_magic;
	__u64 resv[2];
};

/**
 * struct nbread_query - NBREAD_IOC_QUERY: what this module can do
 * @abi_version: out: NBREAD_ABI_VERSION of the module
 * @sqe_flags:	out: NBREAD_SQE_* that are served
 * @cqe_flags:	out: NBREAD_CQE_* that can appear
 * @setup_flags: out: NBREAD_SETUP_* that are served
 * @enter_flags: out: NBREAD_ENTER_*
 * @cancel_flags: out: NBREAD_CANCEL_*
 * @opcodes:	out: bit n: opcode n is served
 * @register_ops: out: bit n: REGISTER operation n is served
 * @max_sq_entries: out
 * @max_cq_entries: out
 * @max_try:	out: entries of one TRY
 * @max_iov:	out: vectors of one READV
 * @max_len:	out: bytes of one read
 * @max_workers: out: reads that the workers of one ring run at a time
 * @filemap:	out: 1 if cached bytes are read by folio look-up where the table allows
 * @register_flags: out: NBREAD_REGISTER_* flags that are served
 * @max_files:	out: slots of a table of registered files
 * @max_buffers: out: slots of a table of registered buffers
 * @resv:	must be 0
 */
struct nbread_query {
	__u32 abi_version;
	__u32 sqe_flags;
	__u32 cqe_flags;
	__u32 setup_flags;
	__u32 enter_flags;
	__u32 cancel_flags;
	__u64 opcodes;
	__u64 register_ops;
	__u32 max_sq_entries;
	__u32 max_cq_entries;
	__u32 max_try;
	__u32 max_iov;
	__u32 max_len;
	__u32 max_workers;
	__u32 filemap;
	__u32 register_flags;
	__u32 max_files;
	__u32 max_buffers;
	__u64 resv[3];
};

#define NBREAD_IOC_MAGIC 0xBD
#define NBREAD_IOC_QUERY _IOWR(NBREAD_IOC_MAGIC, 0x00, struct nbread_query)
#define NBREAD_IOC_SETUP _IOWR(NBREAD_IOC_MAGIC, 0x01, struct nbread_setup)
#define NBREAD_IOC_ENTER _IOWR(NBREAD_IOC_MAGIC, 0x02, struct nbread_enter)
#define NBREAD_IOC_TRY _IOWR(NBREAD_IOC_MAGIC, 0x03, struct nbread_try_batch)
#define NBREAD_IOC_REGISTER _IOWR(NBREAD_IOC_MAGIC, 0x04, struct nbread_register)
#define NBREAD_IOC_CANCEL _IOWR(NBREAD_IOC_MAGIC, 0x05, struct nbread_cancel)
#define NBREAD_IOC_FILE_INFO _IOWR(NBREAD_IOC_MAGIC, 0x06, struct nbread_file_info)

#endif /* _UAPI_LINUX_NBREAD_H */
