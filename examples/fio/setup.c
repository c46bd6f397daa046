// SPDX-License-Identifier: MIT
/*
 * The options of the engine, and what is done once a job: refuse what nbread does not do,
 * set the ring up, register the buffers, give the ring up.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "nbread.h"
#include "optgroup.h"

#define ENGINE_OPTION .category = FIO_OPT_C_ENGINE, .group = FIO_OPT_G_INVALID

/* What fio's io_uring engine has too bears the same name: one job file for both. */
struct fio_option nb_options[] = {
	{
		.name = "backend",
		.lname = "nbread backend",
		.help = "What serves the reads",
		.off1 = offsetof(struct options, backend),
		.type = FIO_OPT_STR,
		.def = "auto",
		.posval = {
			{
				.ival = "auto",
				.oval = BACKEND_AUTO,
				.help = "The module, without it threads; or as NBREAD_BACKEND says",
			},
			{
				.ival = "module",
				.oval = BACKEND_MODULE,
				.help = "The kernel module; without it the job fails",
			},
			{
				.ival = "threads",
				.oval = BACKEND_THREADS,
				.help = "Threads of the job, as without the module",
			},
		},
		ENGINE_OPTION,
	},
	{
		.name = "registerfiles",
		.lname = "nbread registerfiles",
		.help = "Register files with the ring as fio opens them",
		.off1 = offsetof(struct options, registerfiles),
		.type = FIO_OPT_STR_SET,
		ENGINE_OPTION,
	},
	{
		.name = "fixedbufs",
		.lname = "nbread fixedbufs",
		.help = "Register the buffers of the job with the ring",
		.off1 = offsetof(struct options, fixedbufs),
		.type = FIO_OPT_STR_SET,
		ENGINE_OPTION,
	},
	{
		.name = "try",
		.lname = "nbread try",
		.help = "Ask nbread_try() for each read first, without the ring (for iodepth=1)",
		.off1 = offsetof(struct options, try_first),
		.type = FIO_OPT_STR_SET,
		ENGINE_OPTION,
	},
	{
		.name = "cached_only",
		.lname = "nbread cached_only",
		.help = "Never wait for the disk: what is not cached is EAGAIN (see ignore_error)",
		.off1 = offsetof(struct options, cached_only),
		.type = FIO_OPT_STR_SET,
		ENGINE_OPTION,
	},
	{
		.name = "sqthread_poll",
		.lname = "nbread sqthread_poll",
		.help = "A kernel thread takes the reads, without a system call (module only)",
		.off1 = offsetof(struct options, sqthread_poll),
		.type = FIO_OPT_STR_SET,
		ENGINE_OPTION,
	},
	{
		.name = "sqthread_poll_cpu",
		.lname = "nbread sqthread_poll_cpu",
		.help = "The CPU that this thread runs on",
		.off1 = offsetof(struct options, sqthread_poll_cpu),
		.type = FIO_OPT_INT,
		.def = "-1",
		ENGINE_OPTION,
	},
	{
		.name = "sqwq",
		.lname = "nbread sqwq",
		.help = "Leave all that is not cached to workers, at once",
		.off1 = offsetof(struct options, sqwq),
		.type = FIO_OPT_STR_SET,
		ENGINE_OPTION,
	},
	{ .name = NULL },
};

/*
 * fio looks at a version of struct ioengine_ops only, which stays the same while the
 * structs behind it change from one release of fio to the next. Where this engine would
 * read other memory than it means, the two of these differ sooner or later.
 */
static bool built_for_this_fio(const struct thread_data *td)
{
	if (!strcmp(fio_version_string, BUILT_FOR) && td->io_ops == &ioengine)
		return true;
	log_err("nbread: this engine was built for %s, and this is %s: build it for this one ('make fio-engine').\n",
		BUILT_FOR, fio_version_string);
	return false;
}

/* Whether the job asks for what nbread does not do. */
static bool refused(struct thread_data *td)
{
	if (!built_for_this_fio(td))
		return true;
	if (td_write(td) || td_trim(td))
		log_err("nbread: the job '%s' has rw=%s, and this engine only reads: take rw=read or rw=randread, or another engine to write.\n",
			td->o.name, ddir_str(td->o.td_ddir));
	else if (td->o.odirect)
		log_err("nbread: the job '%s' has direct=1, and nbread reads through the page cache: take direct=0.\n",
			td->o.name);
	else
		return false;
	td_verror(td, EOPNOTSUPP, "nbread");
	return true;
}

/* Of all that fio calls the first, and before it creates or extends a file for the job. */
int nb_get_file_size(struct thread_data *td, struct fio_file *f)
{
	return refused(td) ? 1 : generic_get_file_size(td, f);
}

/* What to do about a set-up that failed. */
static const char *remedy(const struct options *o, int err)
{
	switch (err) {
	case ENODEV:
		return "there is no /dev/nbread: load the module, or take backend=threads";
	case EACCES:
	case EPERM:
		return "/dev/nbread may not be opened: be in its group, or take backend=threads";
	case EOPNOTSUPP:
		if (o->sqthread_poll)
			return "sqthread_poll needs the module: load it, or do without";
		return "the module that is loaded is older than this engine: load its own";
	case EINVAL:
		if (o->sqthread_poll_cpu >= 0)
			return "take sqthread_poll_cpu with sqthread_poll, and a CPU that the job may use";
		return "take an iodepth of at most 32768, and module or threads for NBREAD_BACKEND";
	case EMFILE:
		return "the user has as many rings or polling threads as he may: take fewer jobs";
	default:
		return "take a lower iodepth or fewer jobs";
	}
}

/*
 * nbread_queue_init_params() with a backend. The environment is the library's only way to be
 * told, and with thread=1 it is that of other jobs too.
 */
static int ring_by(enum backend backend, unsigned int entries, struct nbread *ring,
		   struct nbread_setup *p, bool *named)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const char *env;
	char *before = NULL;
	int ret;

	/* Also without a name of ours: another job's may be in the environment this moment. */
	pthread_mutex_lock(&lock);
	env = getenv("NBREAD_BACKEND");
	*named = (env && *env) || backend != BACKEND_AUTO;
	if (backend != BACKEND_AUTO) {
		before = env ? strdup(env) : NULL;
		setenv("NBREAD_BACKEND", backend == BACKEND_MODULE ? "module" : "threads", 1);
	}
	ret = nbread_queue_init_params(entries, ring, p);
	if (before)
		setenv("NBREAD_BACKEND", before, 1);
	else if (backend != BACKEND_AUTO)
		unsetenv("NBREAD_BACKEND");
	pthread_mutex_unlock(&lock);
	free(before);
	return ret;
}

static int set_up(struct thread_data *td, struct job *j)
{
	const struct options *o = td->eo;
	struct nbread_setup p = { 0 };
	bool named;
	int ret;

	if (o->sqthread_poll)
		p.flags |= NBREAD_SETUP_SQTHREAD;
	if (o->sqthread_poll_cpu >= 0) {
		p.flags |= NBREAD_SETUP_SQ_AFF;
		p.sq_thread_cpu = o->sqthread_poll_cpu;
	}
	if (o->sqwq)
		p.flags |= NBREAD_SETUP_SQWQ;
	ret = ring_by(o->backend, td->o.iodepth, &j->ring, &p, &named);
	if (ret < 0) {
		log_err("nbread: no ring for the job '%s' with iodepth=%u: %s; %s.\n", td->o.name,
			td->o.iodepth, strerror(-ret), remedy(o, -ret));
		return ret;
	}
	/* Nobody shall take the one's figures for the other's. */
	if (!named && !td->subjob_number && nbread_backend(&j->ring) == NBREAD_BACKEND_THREADS)
		log_err("nbread: threads serve the job '%s', as /dev/nbread is not to be had; backend=module makes this an error.\n",
			td->o.name);
	if (o->cached_only)
		j->sqe_flags |= NBREAD_SQE_CACHED;
	if (!o->registerfiles)
		return 0;
	j->sqe_flags |= NBREAD_SQE_FIXED_FILE;
	ret = nbread_register_files_sparse(&j->ring, td->files_index);
	if (ret < 0)
		log_err("nbread: no table of %u registered files for the job '%s': %s; take fewer files, or do without registerfiles.\n",
			td->files_index, td->o.name, strerror(-ret));
	return ret;
}

int nb_init(struct thread_data *td)
{
	struct job *j;
	int ret;

	if (refused(td))
		return 1;
	j = calloc(1, sizeof(*j));
	if (!j)
		return ENOMEM;
	/* From here on nb_cleanup() frees it. */
	td->io_ops_data = j;
	j->queued = calloc(td->o.iodepth, sizeof(*j->queued));
	j->ended = calloc(td->o.iodepth, sizeof(*j->ended));
	if (!j->queued || !j->ended)
		return ENOMEM;
	ret = set_up(td, j);
	if (ret < 0)
		td_verror(td, -ret, "nbread");
	return ret < 0;
}

/* After init, when the buffers are there. Each read of fio has its own, io_u->index. */
int nb_post_init(struct thread_data *td)
{
	const struct options *o = td->eo;
	const char *advice = "take a lower iodepth, a bs of at most 1g, or do without fixedbufs";
	struct job *j = td->io_ops_data;
	struct iovec *iov;
	struct io_u *io_u;
	unsigned int i;
	int ret;

	if (!o->fixedbufs)
		return 0;
	iov = calloc(td->o.iodepth, sizeof(*iov));
	if (!iov) {
		td_verror(td, ENOMEM, "nbread");
		return 1;
	}
	for (i = 0; i < td->o.iodepth; i++) {
		io_u = td->io_u_all.io_us[i];
		iov[io_u->index].iov_base = io_u->buf;
		iov[io_u->index].iov_len = td_max_bs(td);
	}
	ret = nbread_register_buffers(&j->ring, iov, td->o.iodepth);
	free(iov);
	if (!ret)
		return 0;
	if (ret == -ENOMEM)
		advice = "raise RLIMIT_MEMLOCK (ulimit -l), or take a lower iodepth or bs";
	else if (ret == -EFAULT)
		advice = "take a mem= that is not a mapped file";
	log_err("nbread: the %u buffers of the job '%s' could not be registered: %s; %s.\n",
		td->o.iodepth, td->o.name, strerror(-ret), advice);
	td_verror(td, -ret, "nbread");
	return 1;
}

/* The ring's end waits for nothing: fio reaps all reads before it comes here. */
void nb_cleanup(struct thread_data *td)
{
	struct job *j = td->io_ops_data;

	if (!j)
		return;
	nbread_queue_exit(&j->ring);
	free(j->queued);
	free(j->ended);
	free(j);
}
