// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has an engine do the ops of a job.
 */
#include "bench.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "nbtest.h"

/* In place before a clock starts. */
void job_buffers(struct job *j)
{
	unsigned int i;

	if (!j->mem)
		j->mem = shared_memory((size_t)MAX_DEPTH * MAX_LEN);
	for (i = 0; i < j->nr_ops; i++) {
		j->ops[i].slot = (uint16_t)(i % j->depth);
		j->ops[i].buf = j->mem + (size_t)j->ops[i].slot * MAX_LEN;
	}
}

/*
 * A child has them, but none of their pages in its page table; and some engines register them,
 * which faults them in before a clock starts. So for all engines alike.
 */
static void touch_buffers(const struct job *j)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), at;
	volatile unsigned char *mem = j->mem;

	for (at = 0; at < (size_t)j->depth * MAX_LEN; at += page)
		mem[at] = mem[at];
}

int job_open(struct job *j)
{
	unsigned int i;

	/* An engine that failed left some. */
	for (i = 0; i < j->nr_ops; i++)
		j->ops[i].flying = false;
	j->bad = 0;
	j->why = NULL;
	j->err = 0;
	j->nr_done = 0;
	j->inline_hits = 0;
	j->nr_lat = 0;
	j->nr_hit_lat = 0;
	j->submit_max = 0;
	j->nr_ended = 0;
	j->nr_reaped = 0;
	j->nr_hot = 0;
	touch_buffers(j);
	return j->e->open(j);
}

void job_close(struct job *j)
{
	j->e->close(j);
}

static void clear(const struct job *j, const struct op *op)
{
	if (j->verify)
		memset(op->buf, 0, op->len);
}

static int check(struct job *j, const struct op *op)
{
	if (!j->verify || nbtest_mismatch(op->buf, op->len, op->off, file_id(op->file), 1) < 0)
		return 0;
	return job_fail(j, "it read wrong bytes", EILSEQ);
}

int drive_batches(struct job *j)
{
	unsigned int depth = j->depth;
	unsigned int i, k;

	for (i = 0; i + depth <= j->nr_ops; i += depth) {
		for (k = 0; j->verify && k < depth; k++)
			clear(j, &j->ops[i + k]);
		j->nr_done = 0;
		if (j->e->run(j, &j->ops[i], depth, depth))
			return -1;
		if (j->nr_done != depth)
			return job_fail(j, "not every read came back", 0);
		for (k = 0; j->verify && k < depth; k++) {
			if (check(j, &j->ops[i + k]))
				return -1;
		}
	}
	return j->bad ? job_fail(j, "a read failed or was short", 0) : 0;
}

/* The buffers that no read in flight has. */
struct slots {
	uint16_t free[MAX_DEPTH];
	unsigned int n;
};

static int lend(struct job *j, struct slots *s, struct op *op, uint64_t now)
{
	/* Of a plan that starts over: an op of the round before. */
	if (op->flying)
		return job_fail(j, "a read does not end", 0);
	op->flying = true;
	op->slot = s->free[--s->n];
	op->buf = j->mem + (size_t)op->slot * MAX_LEN;
	op->began = now;
	clear(j, op);
	return 0;
}

static int take_back(struct job *j, struct slots *s, bool late, uint64_t now)
{
	uint64_t took;
	struct op *op;
	unsigned int i;

	for (i = 0; i < j->nr_done; i++) {
		op = j->done[i];
		if (!op->flying)
			return job_fail(j, "a read ended twice", 0);
		op->flying = false;
		s->free[s->n++] = op->slot;
		if (check(j, op))
			return -1;
		j->nr_reaped++;
		j->nr_hot += op->hot;
		if (late)
			continue;
		j->nr_ended++;
		took = now - op->began;
		if (j->lat && j->nr_lat < j->nr_ops)
			j->lat[j->nr_lat++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
		if (j->hit_lat && op->hot && j->nr_hit_lat < j->nr_ops)
			j->hit_lat[j->nr_hit_lat++] = took < UINT32_MAX ? (uint32_t)took :
									  UINT32_MAX;
	}
	return 0;
}

/* Return: when the stream is over; 0: with its last op. */
static uint64_t end_of(const struct job *j, _Atomic uint64_t *until, unsigned int next)
{
	uint64_t end = until ? *until : 0, now;

	/* For all jobs of the run; the least moment of those that say so. */
	if (end && j->once && next == j->nr_ops) {
		now = now_ns();
		while (now < end && !atomic_compare_exchange_weak(until, &end, now))
			;
		end = now < end ? now : end;
	}
	return end;
}

int drive_stream(struct job *j, _Atomic uint64_t *until, bool split)
{
	unsigned int depth = j->e->flags & E_SYNC ? 1 : j->depth;
	unsigned int next = 0;
	uint64_t now = now_ns();
	uint64_t before, end;
	struct slots s = { .n = 0 };
	unsigned int k, n;

	while (s.n < depth) {
		s.free[s.n] = (uint16_t)(depth - 1 - s.n);
		s.n++;
	}
	for (;;) {
		end = end_of(j, until, next);
		if (end && !j->once && next == j->nr_ops)
			next = 0;
		n = j->nr_ops - next < s.n ? j->nr_ops - next : s.n;
		if (end && now >= end)
			n = 0;
		if (!n && s.n == depth)
			break;
		for (k = 0; k < n; k++) {
			if (lend(j, &s, &j->ops[next + k], now))
				return -1;
		}
		j->nr_done = 0;
		before = now;
		if (j->e->run(j, &j->ops[next], n, split && n ? 0 : 1))
			return -1;
		next += n;
		now = now_ns();
		if (n && now - before > j->submit_max)
			j->submit_max = now - before;
		if (take_back(j, &s, until && now > *until, now))
			return -1;
	}
	return j->bad ? job_fail(j, "a read failed or was short", 0) : 0;
}
