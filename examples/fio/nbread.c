// SPDX-License-Identifier: MIT
/*
 * nbread for fio: an engine that fio loads by 'ioengine=external:…/libnbread-fio.so'.
 *
 * One ring a job. fio hands over reads one by one (queue), says when they are to be
 * submitted (commit: one nbread_submit() for all of them) and asks for completions
 * (getevents, then event for each). All of a job is done by one thread, the job's own.
 *
 * The setup_files() of fio calls get_file_size, open_file and close_file in fio's main
 * process, before there is a ring; a NULL td->io_ops_data tells. README.md says what the
 * options mean.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nbread.h"

/* A file's slot in the table is its number in the job. */
static int set_slot(struct job *j, const struct fio_file *f, int fd)
{
	int ret;

	do {
		ret = nbread_register_files_update(&j->ring, f->fileno, &fd, 1);
	} while (ret == -EINTR);
	return ret;
}

static int nb_open_file(struct thread_data *td, struct fio_file *f)
{
	struct job *j = td->io_ops_data;
	int ret = generic_open_file(td, f);

	if (ret || !nb_uses_slots(j))
		return ret;
	ret = set_slot(j, f, f->fd);
	if (ret > 0)
		return 0;
	log_err("nbread: the file '%s' could not be registered: %s; 'nbread-info FILE' says how it would be read.\n",
		f->file_name, strerror(-ret));
	td_verror(td, -ret, "nbread");
	ret = generic_close_file(td, f);
	return 1;
}

static int nb_close_file(struct thread_data *td, struct fio_file *f)
{
	struct job *j = td->io_ops_data;

	/* Else the ring would keep it open. */
	if (nb_uses_slots(j))
		set_slot(j, f, -1);
	return generic_close_file(td, f);
}

static bool hit(struct thread_data *td, struct job *j, struct io_u *io_u, int fd, unsigned int len)
{
	if (fio_fill_issue_time(td))
		fio_gettime(&io_u->issue_time, NULL);
	if (nbread_try(&j->ring, fd, io_u->xfer_buf, len, (off_t)io_u->offset,
		       j->sqe_flags & NBREAD_SQE_FIXED_FILE) != (ssize_t)len)
		return false;
	io_u->resid = io_u->xfer_buflen - len;
	io_u_mark_submit(td, 1);
	io_u_mark_complete(td, 1);
	return true;
}

static enum fio_q_status nb_queue(struct thread_data *td, struct io_u *io_u)
{
	const struct options *o = td->eo;
	struct job *j = td->io_ops_data;
	struct nbread_sqe *sqe;
	unsigned int len;
	int fd;

	fio_ro_check(td, io_u);
	if (io_u->ddir != DDIR_READ) {
		io_u->error = EOPNOTSUPP;
		td_verror(td, io_u->error, "nbread only reads");
		return FIO_Q_COMPLETED;
	}
	fd = nb_uses_slots(j) ? io_u->file->fileno : io_u->file->fd;
	/* What is longer ends short, and fio asks for the rest. */
	len = min(io_u->xfer_buflen, (unsigned long long)j->ring.max_len);
	/* All or nothing: only the ring says why it was less. */
	if (o->try_first && hit(td, j, io_u, fd, len))
		return FIO_Q_COMPLETED;

	sqe = nbread_get_sqe(&j->ring);
	/* The thread of the ring has not taken those of before. */
	if (!sqe)
		return FIO_Q_BUSY;
	if (o->fixedbufs)
		nbread_prep_read_fixed(sqe, fd, io_u->xfer_buf, len, io_u->offset, io_u->index);
	else
		nbread_prep_read(sqe, fd, io_u->xfer_buf, len, io_u->offset);
	nbread_sqe_set_flags(sqe, j->sqe_flags);
	nbread_sqe_set_data(sqe, io_u);
	j->queued[j->nr_queued++] = io_u;
	return FIO_Q_QUEUED;
}

/* As fio's own engines do: what passes before this is submission latency, then completion's. */
static void account(struct thread_data *td, struct io_u **taken, unsigned int nr)
{
	struct timespec now;
	unsigned int i;

	io_u_mark_submit(td, nr);
	if (!fio_fill_issue_time(td))
		return;
	fio_gettime(&now, NULL);
	for (i = 0; i < nr; i++) {
		taken[i]->issue_time = now;
		io_u_queued(td, taken[i]);
	}
	if (td->o.read_iolog_file)
		td->last_issue = now;
}

/* The completion queue has room for iodepth results, so that all is taken sooner or later. */
static int nb_commit(struct thread_data *td)
{
	struct job *j = td->io_ops_data;
	unsigned int done = 0;
	int ret = 0;

	while (done < j->nr_queued) {
		ret = nbread_submit(&j->ring);
		if (ret == -EINTR)
			continue;
		if (ret < 0)
			break;
		account(td, j->queued + done, ret);
		done += ret;
	}
	j->nr_queued -= done;
	memmove(j->queued, j->queued + done, j->nr_queued * sizeof(*j->queued));
	return ret < 0 ? ret : 0;
}

static void end_read(struct io_u *io_u, int res)
{
	if (res < 0) {
		io_u->error = -res;
		return;
	}
	io_u->resid = io_u->xfer_buflen - res;
	/*
	 * fio asks for nothing past the end of a file, so the file has shrunk. Its
	 * own rule is EIO, but it applies that to synchronous engines only.
	 */
	if (!res)
		io_u->error = EIO;
}

/* What is there, without a system call. */
static unsigned int reap(struct job *j, unsigned int nr, unsigned int max)
{
	struct nbread_cqe *cqe;
	unsigned int head, first = nr;

	nbread_for_each_cqe(&j->ring, head, cqe) {
		if (nr == max)
			break;
		j->ended[nr] = nbread_cqe_get_data(cqe);
		end_read(j->ended[nr++], cqe->res);
	}
	nbread_cq_advance(&j->ring, nr - first);
	return nr;
}

/* fio has called commit before. A signal makes a wait with a time-out begin anew. */
static int nb_getevents(struct thread_data *td, unsigned int min, unsigned int max,
			const struct timespec *t)
{
	struct job *j = td->io_ops_data;
	struct nbread_cqe *cqe;
	unsigned int nr;
	int ret;

	nr = reap(j, 0, max);
	if (!nr && !min) {
		ret = nbread_get_events(&j->ring);
		if (ret < 0)
			return ret;
		nr = reap(j, 0, max);
	}
	while (nr < min) {
		ret = nbread_wait_cqes(&j->ring, &cqe, min - nr, t, NULL);
		if (ret < 0 && ret != -EINTR && ret != -ETIME)
			return ret;
		nr = reap(j, nr, max);
		if (ret == -ETIME || (!ret && t))
			break;
	}
	return nr;
}

static struct io_u *nb_event(struct thread_data *td, int event)
{
	struct job *j = td->io_ops_data;

	return j->ended[event];
}

/* fio prints it below the errno, and frees it. */
static char *nb_errdetails(struct io_u *io_u)
{
	const char *what;

	if (io_u->error == EAGAIN)
		what = "the bytes are not cached, and the job has cached_only; ignore_error=EAGAIN counts such reads and goes on";
	else if (io_u->error == EIO && io_u->resid == io_u->xfer_buflen)
		what = "the file ends before this offset: it has become shorter since the job began";
	else if (io_u->error == EIO)
		what = "the file system or the disk could not read it; the kernel's log may say more";
	else
		what = "'nbread-info FILE' says how this file is read, and why";
	return strdup(what);
}

struct ioengine_ops ioengine = {
	.name = "nbread",
	.version = FIO_IOOPS_VERSION,
	/* A pool of fio's that submits for the job would need a ring a thread. */
	.flags = FIO_NO_OFFLOAD | FIO_ASYNCIO_SETS_ISSUE_TIME,
	.init = nb_init,
	.post_init = nb_post_init,
	.queue = nb_queue,
	.commit = nb_commit,
	.getevents = nb_getevents,
	.event = nb_event,
	.errdetails = nb_errdetails,
	.cleanup = nb_cleanup,
	.open_file = nb_open_file,
	.close_file = nb_close_file,
	.get_file_size = nb_get_file_size,
	.option_struct_size = sizeof(struct options),
	.options = nb_options,
};
