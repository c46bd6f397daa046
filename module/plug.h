/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plug.h - misses of one batch that go to their disks together.
 *
 * Role: hold a block plug over a run of misses, so that the disk is handed many requests
 * at a time and neighbours in one, as io_submit(2) does. Callers: submit.c, and nobody
 * else. Context: task, under nb_ctx.lock. Locks, references: none; the plug lies on
 * the caller's stack and is current's from its start to its end.
 *
 * A plug holds up what is in it: its reads, and whoever else waits for these folios. So it
 * covers what misses, from the third in a row on, and nothing that may copy for long; it ends
 * where the batch gives the CPU away, and the row counts anew there. A caller that sleeps
 * sends off what it holds (sched_submit_work()); one that is preempted, or lets others run in
 * the midst of a read, does not, as elsewhere in the kernel.
 *
 * Requests are not taken from the block layer several at a time (blk_plug.nr_ios, as io_uring
 * does): with files of two disks in turn that would take a new lot for each, and until
 * dc278e9bf2b9 (7.1) a sleep in the wrong place freed one that was in use.
 */
#ifndef NBREAD_PLUG_H
#define NBREAD_PLUG_H

#include <linux/blkdev.h>
#include <linux/sizes.h>

/* As io_submit(2), fs/aio.c: AIO_PLUG_THRESHOLD. */
#define NB_PLUG_AFTER 2

/* Longer reads are not looked at under a plug: one could be a hit, and its copy takes time. */
#define NB_PLUG_MOST_BYTES SZ_64K

/**
 * struct nb_plug - the plug of a batch
 * @plug:	the block layer's
 * @run:	misses in a row so far; from NB_PLUG_AFTER on @plug is started
 * @last:	which entry the last of them was. So a hit has nothing to do here while no plug
 *		is started
 */
struct nb_plug {
	struct blk_plug plug;
	unsigned int run;
	int last;
};

static inline void nb_plug_init(struct nb_plug *p)
{
	p->run = 0;
	p->last = -1;
}

static inline bool nb_plug_is_on(const struct nb_plug *p)
{
	return unlikely(p->run >= NB_PLUG_AFTER);
}

/* May it be looked at while the plug is on? The length of vectors is not known yet. */
static inline bool nb_plug_covers(const struct nb_read *rd)
{
	return rd->opcode != NBREAD_OP_READV && rd->dst.len <= NB_PLUG_MOST_BYTES;
}

/* Entry @nth of the batch went the way of a miss: the next one may, too. */
static inline void nb_plug_missed(struct nb_plug *p, int nth)
{
	if (!nb_plug_is_on(p) && nth != p->last + 1)
		p->run = 0;
	p->last = nth;
	if (NB_MAY_PLUG && ++p->run == NB_PLUG_AFTER)
		blk_start_plug(&p->plug);
}

/* The run is over: send off what it held. */
static inline void nb_plug_end(struct nb_plug *p)
{
	if (nb_plug_is_on(p)) {
		blk_finish_plug(&p->plug);
		p->run = 0;
	}
}

#endif /* NBREAD_PLUG_H */
