// SPDX-License-Identifier: GPL-2.0-only
/*
 * info.c - what this module can do, how a file would be served, how a ring is.
 *
 * Role: QUERY, FILE_INFO and fdinfo: discovery and diagnosis, no side effects.
 * Callers: main.c. Context: task. Locks: nb_ctx.cq_lock, files_lock and req_lock, for
 * fdinfo, one after the other. References: FILE_INFO holds the file for the call.
 */
#include <linux/seq_file.h>

#include "internal.h"

/* Requests shown in fdinfo: enough to see what hangs, bounded work under a lock. */
#define NB_FDINFO_REQS 64

void nb_query(struct nbread_query *q)
{
	memset(q, 0, sizeof(*q));
	q->abi_version = NBREAD_ABI_VERSION;
	q->sqe_flags = NB_SQE_FLAGS;
	q->cqe_flags = NB_CQE_FLAGS;
	q->setup_flags = NB_SETUP_FLAGS;
	q->enter_flags = NB_ENTER_FLAGS;
	q->cancel_flags = NB_CANCEL_FLAGS;
	q->register_ops = nb_register_served();
	q->opcodes = NB_OPCODES;
	q->max_sq_entries = NB_MAX_SQ_ENTRIES;
	q->max_cq_entries = NB_MAX_CQ_ENTRIES;
	q->max_try = NB_MAX_TRY;
	q->max_iov = UIO_MAXIOV;
	q->max_len = NB_MAX_LEN;
	q->max_workers = nb_max_workers;
	q->register_flags = nb_register_flags();
	q->max_files = NB_MAX_FILES;
	q->max_buffers = NB_MAX_BUFFERS;
	q->filemap = READ_ONCE(nb_filemap_on);
}

/**
 * nb_file_info() - NBREAD_IOC_FILE_INFO
 * @ctx: the context, since an SQWQ ring serves files in its own way
 * @info: in and out, see the uapi header
 */
int nb_file_info(struct nb_ctx *ctx, struct nbread_file_info *info)
{
	struct nb_file nf;

	if (info->flags || info->resv[0] || info->resv[1])
		return -EINVAL;
	nb_file_get(&nf, nb_ctx_ring(ctx) ? ctx : NULL, info->fd);
	if (!nf.file)
		return -EBADF;
	info->path = nf.path;
	info->reason = nf.why;
	info->error = nf.err;
	info->fs_magic = file_inode(nf.file)->i_sb->s_magic;
	if (!nf.err && !nb_file_noio(&nf, true))
		info->flags |= NBREAD_FILE_ORACLE;
	if (nf.blind)
		info->path = NBREAD_PATH_WORKER;
	if (nf.way != NB_WAY_WORKER && !nf.blind)
		info->flags |= NBREAD_FILE_RESIDENT;
	if (nf.may_park)
		info->flags |= NBREAD_FILE_PARKS;
	nb_file_put(&nf);
	return 0;
}

static const char *state_name(int state)
{
	switch (state & NB_STATE_MASK) {
	case NB_ARMED:
		return "parked";
	case NB_READY:
		return "ready";
	case NB_QUEUED:
		return "queued";
	case NB_WORK:
		return "working";
	default:
		return "running";
	}
}

void nb_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct nb_ctx *ctx = file->private_data;
	struct nb_ring *ring = nb_ctx_ring(ctx);
	unsigned int shown = 0;
	struct nb_stats s;
	struct nb_req *req;
	u32 inflight;

	if (!ring)
		return;
	spin_lock(&ctx->cq_lock);
	s = ctx->stats;
	inflight = ctx->cq_reserved;
	spin_unlock(&ctx->cq_lock);
	seq_printf(m, "nbread-sq-entries:\t%u\nnbread-cq-entries:\t%u\n", ring->sq_mask + 1,
		   ring->cq_mask + 1);
	seq_printf(m, "nbread-submitted:\t%llu\nnbread-completed:\t%llu\n", s.submitted,
		   s.completed);
	seq_printf(m, "nbread-hits:\t%llu\nnbread-waited:\t%llu\nnbread-punted:\t%llu\n", s.hits,
		   s.waited, s.punted);
	seq_printf(m, "nbread-files:\t%u\nnbread-buffers:\t%u\nnbread-eventfd:\t%u\n",
		   nb_files_set(ctx), READ_ONCE(ctx->nr_bufs), !!rcu_access_pointer(ctx->event));
	if (ctx->sq)
		seq_printf(m, "nbread-sq-thread:\t%d\n", task_pid_nr(ctx->sq->thread->task));
	seq_printf(m, "nbread-workers-max:\t%u\n", READ_ONCE(ctx->max_workers));
	seq_printf(m, "nbread-cancelled:\t%llu\nnbread-timed-out:\t%llu\n", s.cancelled,
		   s.timed_out);
	seq_printf(m, "nbread-inflight:\t%u\nnbread-sleepers:\t%u\n", inflight,
		   READ_ONCE(ctx->nr_sleepers));
	seq_printf(m, "nbread-spread:\t%lld\n", (long long)atomic64_read(&ctx->spread));
	spin_lock(&ctx->req_lock);
	list_for_each_entry(req, &ctx->reqs, node) {
		if (shown++ == NB_FDINFO_REQS)
			break;
		seq_printf(m, "nbread-req:\tuser_data=%llu state=%s off=%lld len=%zu\n",
			   req->user_data, state_name(atomic_read(&req->state)), req->pos,
			   req->dst.len);
	}
	spin_unlock(&ctx->req_lock);
}
