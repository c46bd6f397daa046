/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plug.h - reads of one batch that go to their disks together.
 *
 * Role: hold a block plug over a run of reads that may start I/O, so that the disk is handed many
 * requests at a time and neighbours in one, as io_submit(2) does. Callers: submit.c, and
 * nobody else. Context: task, under nb_ctx.lock. Locks, references: none; the plug lies on
 * the caller's stack and is current's from its start to its end.
 *
 * Such reads are the misses, and, by their length alone, those of more than a page: in a
 * sequential run a hit meets the mark that starts the next window, and each window by itself
 * would be a request.
 *
 * A plug holds up what is in it: its reads, and whoever else waits for these folios. So it begins
 * with the third in a row, is sent off when NB_PLUG_MOST_HELD bytes were read while it was on, and
 * ends with the first that is none of these, before one that may copy for long, and where the
 * batch gives the CPU away; the row counts anew there. A caller that sleeps sends off what it
 * holds (sched_submit_work()); one that is preempted, or lets others run in the midst of a
 * read, does not, as elsewhere in the kernel.
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

/*
 * Longer reads are not looked at under a plug: one could be a hit, and its copy takes time. An
 * aligned one of so much is one round of the look-up, which gives the CPU away between two.
 */
#define NB_PLUG_MOST_BYTES SZ_128K

/* Some windows of readahead, so that they are one request; io_uring and aio hold all of a batch. */
#define NB_PLUG_MOST_HELD SZ_1M

/**
 * struct nb_plug - the plug of a batch
 * @plug:	the block layer's
 * @run:	reads in a row so far that may have started I/O; from NB_PLUG_AFTER on @plug is
 *		started
 * @last:	which entry the last of them was. So a short hit has nothing to do here while no
 *		plug is started
 * @held:	bytes that were asked for since it was started, or last sent off
 */
struct nb_plug {
	struct blk_plug plug;
	unsigned int run;
	int last;
	size_t held;
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

/* Entry @nth of the batch, of @len bytes, may have started I/O: so may the next one. */
static inline void nb_plug_started(struct nb_plug *p, int nth, size_t len)
{
	if (!nb_plug_is_on(p) && nth != p->last + 1)
		p->run = 0;
	p->last = nth;
	if (!NB_MAY_PLUG)
		return;
	if (++p->run == NB_PLUG_AFTER) {
		blk_start_plug(&p->plug);
		p->held = 0;
	} else if (nb_plug_is_on(p)) {
		p->held += len;
		if (p->held >= NB_PLUG_MOST_HELD) {
			blk_finish_plug(&p->plug);
			blk_start_plug(&p->plug);
			p->held = 0;
		}
	}
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
