// SPDX-License-Identifier: MIT
/*
 * nbhttpd: reads by nbread. All reads of a turn of the loop go to the kernel in one call,
 * which answers those that are cached; the ring's descriptor lies in the loop's epoll and says
 * when others can be finished. This is all that a server needs for it.
 */
#include <errno.h>
#include <stdio.h>
#include <libnbread.h>
#include "nbhttpd.h"

static struct nbread ring;

static int ring_start(void)
{
	/* An entry for each connection: there is always one, and room for its completion. */
	int ret = nbread_queue_init(opt.conns, &ring, 0);

	if (ret < 0)
		die("no ring", -ret);
	if (nbread_backend(&ring) != NBREAD_BACKEND_MODULE)
		fprintf(stderr,
			"nbhttpd: threads serve the reads: /dev/nbread cannot be used here; nbread-info says why\n");
	return nbread_ring_fd(&ring);
}

static void ring_read(struct conn *c)
{
	struct nbread_sqe *sqe = nbread_get_sqe(&ring);

	nbread_prep_read(sqe, c->file->fd, c->buf, c->want, c->off);
	nbread_sqe_set_data(sqe, c);
	/* A cancel comes too early for a read that is in the queue still: it ends by itself. */
	nbread_sqe_set_timeout_ns(sqe, opt.timeout_ms * 1000000LL);
}

static bool ring_flush(bool ready)
{
	struct nbread_cqe *cqe;
	unsigned head, n = 0;
	int ret = 0;

	/* Both finish the reads whose data came in. */
	if (nbread_sq_ready(&ring)) {
		ret = nbread_submit(&ring);
		stats.calls++;
	} else if (ready) {
		ret = nbread_get_events(&ring);
		stats.calls++;
	}
	if (ret < 0 && ret != -EINTR && ret != -EAGAIN)
		die("nbread", -ret);

	nbread_for_each_cqe(&ring, head, cqe) {
		stats.hits += !!(cqe->flags & NBREAD_CQE_HIT);
		stats.waited += !!(cqe->flags & NBREAD_CQE_WAITED);
		stats.punted += !!(cqe->flags & NBREAD_CQE_PUNTED);
		n++;
		/* It may queue the next read, never submit: that is for the next turn. */
		conn_read_done(nbread_cqe_get_data(cqe), cqe->res);
	}
	nbread_cq_advance(&ring, n);
	return nbread_sq_ready(&ring) != 0;
}

/* The client is gone. The completion comes all the same: -ECANCELED, or the read's own. */
static void ring_cancel(struct conn *c)
{
	nbread_cancel64(&ring, (uintptr_t)c, 0);
}

const struct engine nbread_engine = {
	.name = "nbread",
	.start = ring_start,
	.read = ring_read,
	.flush = ring_flush,
	.cancel = ring_cancel,
};
