/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device without a kernel: fake_sys.c takes the place of lib/sys.c and plays
 * /dev/nbread in memory, with the ring semantics of <linux/nbread.h>. Reads are
 * done with pread(2) on real files. A test programs the faults it wants in
 * 'fake' before the call and looks at what was asked for after it.
 *
 * Each test runs in a process of its own (libcheck forks), so 'fake' starts as
 * fake_sys.c initialises it.
 */
#ifndef NB_FAKE_H
#define NB_FAKE_H

#include <stdbool.h>
#include <libnbread.h>

/** FAKE_FD - the descriptor that opening the device returns */
#define FAKE_FD 1000

/* Calls that can be told one by one what to do, and those whose place is kept. */
#define FAKE_STEPS 16
#define FAKE_LOG 256
/** FAKE_EOF - a step: the file ends here */
#define FAKE_EOF (-100000L)

struct fake {
	/* What the device is like */
	struct nbread_query query;
	__u32 first_index; /* where SQ and CQ indices start */
	__u64 now_ns; /* what the clock says; 0: the time */
	bool shared; /* many threads use it, and a wait really waits */

	/* Faults: -errno, or 0 */
	int open_error;
	int query_error;
	int setup_error;
	int mmap_error;
	int enter_error; /* of the next ENTER alone; nothing is taken */
	int wait_error; /* what ends a wait that has to wait; 0: time-out or a failed test */
	int call_error; /* TRY, CANCEL, REGISTER, FILE_INFO */
	unsigned try_error_at; /* call_error holds from this TRY on, counted from 0 */
	unsigned reg_error_at; /* likewise for REGISTER */
	void (*spoil_setup)(struct nbread_setup *p); /* changes what SETUP says */
	bool wrong_sq_mask, wrong_cq_mask;
	unsigned take_max; /* entries that one ENTER takes */

	/* Reads park instead of ending; fake_release() lets them end in an ENTER */
	bool park;
	/* Called in each ENTER before its wait, as another thread would run then */
	void (*during_enter)(void);
	bool all_miss; /* TRY finds nothing cached */
	unsigned set_max; /* slots that one REGISTER of an update sets */

	/*
	 * The portable backend: fake_files.c, and fake_threads.h. A file is as if it were
	 * resident, with RWF_NOWAIT too, wherever it lies. Steps are for the calls of a
	 * kind in turn: 0: as else; -errno; FAKE_EOF; or so many bytes at most.
	 */
	int nowait_error; /* of each RWF_NOWAIT read */
	int blocking_error; /* of each other read of a file */
	long nowait_steps[FAKE_STEPS], blocking_steps[FAKE_STEPS];
	long copy_steps[FAKE_STEPS]; /* of bytes to the program */
	int thread_error, thread_steps[FAKE_STEPS]; /* of pthread_create(3): errno */
	size_t stacks[FAKE_STEPS]; /* that it was asked for */
	unsigned fail_memory, fail_eventfd, fail_dup; /* the nth one fails */
	int memfd_error; /* -EFBIG: of one that is not empty */
	int empty_memfd_error, null_error;
	bool forked; /* this is a child of who was there before */
	int wipe_error, dup_error, may_write_error, copy_error;
	bool dax, other_owner; /* what files are like */
	int kernel; /* 256 * major + minor; 0: that of this machine */
	void (*during_nowait)(void); /* called in each RWF_NOWAIT read */
	void (*during_wait)(void); /* called in the next wait, as another thread would run then */
	unsigned nowait_reads, blocking_reads, copies, own_copies, waits, readaheads, forgotten;
	unsigned statfs;
	unsigned portable_maps;
	__u64 blocking_offs[FAKE_LOG]; /* where the first blocking reads were */
	__u64 blocking_mask; /* signals that are blocked in one: bit n - 1 is signal n */
	__u64 readahead_off, readahead_len;

	/* What was asked for */
	char path[64];
	unsigned opens, closes, mmaps, munmaps, enters, tries;
	struct nbread_setup setup; /* as the library passed it */
	struct nbread_enter enter; /* the last one */
	struct nbread_try_batch batch;
	unsigned regs;
	struct nbread_register reg; /* the last one */
	int reg_first_int; /* *(int *)reg.addr */
	struct nbread_buffer buffers[256]; /* slots as BUFFERS and its update left them */
	struct nbread_cancel cancel;
	struct nbread_file_info info;
};

extern struct fake fake;

/* The next 'nr' parked reads, oldest first, end in the next ENTER. */
void fake_release(unsigned nr);

/* Parked reads, released or not. */
unsigned fake_parked(void);

/* A ring over the fake device; fails the test when it cannot be set up. */
void fake_ring(struct nbread *ring, unsigned entries);

/* A ring with a thread, which sleeps. */
void fake_thread_ring(struct nbread *ring, unsigned entries);

/* The thread takes what was published; it does that too when an ENTER wakes it. */
void fake_thread_run(void);

/* The thread goes to sleep, with what was published meanwhile or not. */
void fake_thread_sleep(void);

/* Gives n NOPs to the ring's SQ, with user_data first, first + 1, … */
void fake_queue_nops(struct nbread *ring, unsigned n, __u64 first);

#endif /* NB_FAKE_H */
