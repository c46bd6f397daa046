// SPDX-License-Identifier: GPL-2.0-only
/*
 * close.c - the last close of the device: ends what waits, waits for nothing (promise 5).
 *
 * Role: the end of a ring, in three parts:
 *   nb_ctx_close()  in the closing task: parked and queued requests are detached, what
 *                   was registered is given back (a read in flight keeps its own). An
 *                   SQTHREAD ring is handed to its thread, which may be in the middle of a
 *                   batch; it detaches again when it drops it, and only then gives back
 *   close_work      a grace period later: no wake callback is still between taking
 *                   a request and pushing it to ctx->ready, nor about to wake
 *                   sleepers and pollers; the timer and what tells of ready reads are
 *                   stopped, what was pushed is freed, the file's reference dropped
 *   free_work       after the last reference (a worker may still read), in ctx.c
 * Callers: main.c (release); sqthread.c. Context: task, then the module's workqueue. No
 * locks here. References: gives back the one of the file.
 */
#include "internal.h"

static void nb_ctx_close_late(struct work_struct *work)
{
	struct nb_ctx *ctx = container_of(to_rcu_work(work), struct nb_ctx, close_work);

	nb_deadline_stop(ctx);
	cancel_work_sync(&ctx->tell_work);
	nb_miss_reap(ctx);
	nb_ctx_put(ctx);
}

/**
 * nb_ctx_close_end() - nobody takes entries, parks reads or looks an index up any more
 * @ctx: the context; may be gone a grace period later
 */
void nb_ctx_close_end(struct nb_ctx *ctx)
{
	nb_files_close(ctx);
	nb_buffers_close(ctx);
	nb_event_close(ctx);
	INIT_RCU_WORK(&ctx->close_work, nb_ctx_close_late);
	queue_rcu_work(nb_ctx_wq, &ctx->close_work);
}

/**
 * nb_ctx_close() - the last close of the file
 * @ctx: the context; no ioctl, mmap or poll of it runs or can begin
 *
 * Context: task; returns without waiting for any read.
 */
void nb_ctx_close(struct nb_ctx *ctx)
{
	nb_detach_all(ctx);
	if (ctx->sq)
		nb_sq_close(ctx->sq);
	else
		nb_ctx_close_end(ctx);
}
