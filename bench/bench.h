/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bench: many ways to read the same bytes, measured side by side.
 *
 * An engine is a way to read. It is given ops in the order in which they are to be
 * started, and hands them back as they end. A job is a thread that submits, with its
 * own buffers and its own instance of an engine. What an engine is asked to do is in
 * drive.c; what comes out of it, and in which order the engines take turns, in measure.c.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_DEPTH 128
#define MAX_LEN (64u << 10)
#define MAX_RUNS 32
#define MAX_ENGINES 32
#define MAX_JOBS 8
#define ONE_FILE (64u << 20) /* what a workload of one file reads */

/** struct op - one read */
struct op {
	uint64_t off;
	unsigned char *buf;
	uint32_t len;
	int32_t fd;
	uint32_t file; /* index of fd among the files, as they are registered */
	uint16_t slot; /* of its buffer, as they are registered */
	bool hot; /* in the page cache before the run began */
	bool flying;
	uint64_t began;
};

/** struct files - what is read; the bytes are those of nbtest_fill() */
struct files {
	int *fd;
	unsigned int n;
	uint64_t size; /* of each */
	bool random; /* so it was advised */
};

/**
 * struct job - a thread that submits reads
 * @done:	the engine appends the ops that ended
 * @inline_hits: of an engine that can tell: reads answered in the call that submitted them
 * @bad, @bad_res, @bad_op: reads that failed or were short; the first of them
 * @why:	what went wrong, when a call returned -1
 * @lat:	NULL, or receives the time that each read took
 */
struct job {
	const struct engine *e;
	const struct files *files;
	unsigned int depth;
	bool cold;
	bool verify;
	bool once; /* a stream with an end does not start over: it ends when the ops do */
	unsigned char *mem; /* of all buffers, page-aligned */
	struct op *done[MAX_DEPTH];
	unsigned int nr_done;
	uint64_t inline_hits;
	unsigned int bad;
	long bad_res;
	const char *why;
	int err;
	void *priv;

	struct op *ops;
	unsigned int nr_ops;
	uint32_t *lat;
	uint32_t *hit_lat;
	unsigned int nr_lat, nr_hit_lat;
	uint64_t submit_max;
	uint64_t nr_ended; /* before the time was over */
	uint64_t nr_reaped, nr_hot; /* all */
};

/* One read at a time, in the call: a depth means nothing to it. */
#define E_SYNC (1u << 0)
/* Misses are not served. */
#define E_CACHED_ONLY (1u << 1)
/* Counts what was answered in the call. */
#define E_TELLS_HITS (1u << 2)

/**
 * struct engine - a way to read
 * @open:	0, or -1 with job->why (and job->err): not to be had here
 * @run:	starts n reads and waits until @min of all that were started have ended;
 *		0, or -1 with job->why. A read that fails is no failure of the call:
 *		op_ended() counts it
 */
struct engine {
	const char *name;
	unsigned int flags;
	int (*open)(struct job *j);
	int (*run)(struct job *j, struct op *op, unsigned int n, unsigned int min);
	void (*close)(struct job *j);
};

extern const struct engine *const engines[]; /* NULL-terminated */
const struct engine *engine_by_name(const char *name, size_t len);

/* Each in the file of its interface. */
extern const struct engine engine_pread, engine_preadv2_nowait, engine_mmap, engine_pool,
	engine_posix_aio, engine_libaio, engine_io_uring, engine_io_uring_fixed,
	engine_io_uring_fixedbuf, engine_io_uring_all, engine_io_uring_sqpoll,
	engine_io_uring_async, engine_io_uring_async_wide, engine_nbread, engine_nbread_try,
	engine_nbread_fixed, engine_nbread_sqthread, engine_nbread_sqwq;

/** job_fail() - notes why a call failed; -1 */
int job_fail(struct job *j, const char *why, int err);

/** op_ended() - what an engine does with each read that ended; res as of pread(2), or -errno */
static inline void op_ended(struct job *j, struct op *op, long res)
{
	if (__builtin_expect(res != (long)op->len, 0)) {
		if (!j->bad++)
			j->bad_res = res;
	}
	j->done[j->nr_done++] = op;
}

/* clock.c */
uint64_t now_ns(void);
/* CPU time of this process: of all its threads, io_uring's own ones too. */
uint64_t process_cpu_ns(void);
/* Of all tasks of the machine, kernel threads too; 0 where the kernel does not tell. */
uint64_t machine_cpu_ns(void);
/* Voluntary and involuntary, of this process. */
uint64_t context_switches(void);
/* Of all tasks of the machine, since it was started. */
uint64_t machine_switches(void);
/* Under -icount shift=0 the guest's clock goes on by 1 ns with each instruction. */
bool clock_counts_instructions(void);

/* files.c: each but file_id() ends the program when it cannot. */
unsigned int file_id(unsigned int index);
void files_open(struct files *f, const char *where, unsigned int n, uint64_t size);
void files_warm(const struct files *f);
void files_advise(struct files *f, bool sequential);
void files_evict(const struct files *f);
void files_close(struct files *f);

/* plan.c: 0 to @n - 1 in an order that is the same for the same @seed; */
void plan_order(unsigned int *order, unsigned int n, uint64_t seed);
/* ops of @len in the files; the same for the same @seed. */
void plan_random(struct op *op, unsigned int n, const struct files *f, uint32_t len, uint64_t seed);
/* Each block of the one file once, at random; run @turn goes on where the one before ended. */
void plan_once(struct op *op, unsigned int n, const struct files *f, uint32_t len,
	       unsigned int turn);
void plan_sequence(struct op *op, unsigned int n, const struct files *f, uint32_t len);
/* Zipf's law with exponent @theta; the most wanted blocks, @share of all ops, are hot. */
void plan_zipf(struct op *op, unsigned int n, const struct files *f, uint32_t len, uint64_t seed,
	       double theta, double share);

/* drive.c */
void job_buffers(struct job *j);
/* Batches of the job's depth, each awaited before the next. */
int drive_batches(struct job *j);
/*
 * Keeps depth reads in flight, until all ops ended; or, with @until, starts over with them
 * until that point of now_ns(), which a job that does not start over may bring forward.
 * @split: submits and waits in two calls, for submit_max.
 */
int drive_stream(struct job *j, _Atomic uint64_t *until, bool split);
int job_open(struct job *j);
void job_close(struct job *j);

/* measure.c */
struct cell {
	const char *workload;
	const char *where; /* a folder, or a block device */
	uint32_t len;
	unsigned int depth;
	unsigned int nr_files;
	unsigned int threads;
	unsigned int runs;
	unsigned int ops; /* of a run; 0: what suits the workload */
	const struct engine *const *engines;
	unsigned int nr_engines;
	bool switches; /* those of the whole machine too, and what is left without them */
};

struct figures;

/** struct take - what a run took */
struct take {
	uint64_t ns, cpu, switches;
	uint64_t machine, all_switches; /* of the machine, where that was asked for */
};

/* @machine: also what all tasks of the machine took, and their switches, which costs a moment. */
void take_begin(struct take *t, bool machine);
void take_end(struct take *t, bool machine);

/* One cell; f[]: of each engine of it, from shared_memory(). */
void measure(const struct cell *c, struct figures *f);
/* The same, written out. Return: as report_refused(). */
bool measure_and_report(const struct cell *c);
/* The reads of the first engine again and again, see the top of main.c. */
int measure_steady(const struct cell *c, const char *prefix);

/* switch.c: of one switch from a task to another, on one CPU. */
double switch_ns(void);

/* child.c */
/** struct turn - what a process does: run @nr of the runs of an engine */
struct turn {
	const struct cell *cell;
	const struct engine *engine;
	unsigned int nr;
	struct figures *figures; /* shared; of the mix: of each of its ways */
};

/* What a child writes and its parent reads; for as long as the program runs. */
void *shared_memory(size_t size);
void in_child(void (*fn)(const struct turn *t), const struct turn *t);

/* mix.c */
bool measure_mix(const struct cell *c);

/*
 * Prints which were refused. Return: whether what is left is sound: others may be missing
 * here, but nbread must be there, and nobody may read wrong bytes.
 */
bool report_refused(const struct cell *c, const struct figures *f);

/* emit.c */
enum metric {
	INSNS_PER_OP,
	NS_PER_OP,
	OPS_PER_S,
	CPU_NS_PER_OP,
	MACHINE_CPU_NS_PER_OP,
	CONTEXT_SWITCHES,
	MACHINE_SWITCHES,
	SWITCH_NS,
	SWITCHLESS_INSNS_PER_OP,
	BANDWIDTH_KIB_S,
	INLINE_SHARE,
	HOT_SHARE, /* of the reads: resident before the run */
	SUBMIT_MAX_NS,
	HIT_P10_NS,
	HIT_P25_NS,
	HIT_P50_NS,
	HIT_P75_NS,
	HIT_P90_NS,
	HIT_P99_NS,
	HIT_P999_NS,
	HIT_MAX_NS,
	LAT_P10_NS,
	LAT_P25_NS,
	LAT_P50_NS,
	LAT_P75_NS,
	LAT_P90_NS,
	LAT_P99_NS,
	LAT_P999_NS,
	LAT_MAX_NS,
	NR_METRICS,
};

/** struct figures - what the runs of one engine came to */
struct figures {
	unsigned int runs;
	unsigned int ops; /* of the last run of a span of time */
	const char *why; /* it is not reported */
	char text[160];
	unsigned int n[NR_METRICS];
	double v[NR_METRICS][MAX_RUNS];
};

void figure(struct figures *f, enum metric m, double value);
/* The percentiles of @lat, which gets sorted, from HIT_P10_NS or LAT_P10_NS on. */
void figure_latency(struct figures *f, enum metric first, uint32_t *lat, unsigned int n);
void emit_open(const char *name);
void emit(const struct cell *c, const char *workload, const struct engine *e,
	  const struct figures *f, unsigned int ops);
void emit_unreported(const struct cell *c, const struct engine *e, const struct figures *f);
double figure_median(const struct figures *f, enum metric m);
void refuse(struct figures *f, const struct job *j);

#endif /* BENCH_H */
