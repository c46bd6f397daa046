/* SPDX-License-Identifier: MIT */
/* What the two parts of the engine share: set-up (setup.c) and reading (nbread.c). */
#ifndef NBREAD_FIO_H
#define NBREAD_FIO_H

#include <libnbread.h>
#include "fio.h"

enum backend { BACKEND_AUTO, BACKEND_MODULE, BACKEND_THREADS };

struct options {
	struct thread_data *td; /* written by fio; no option may be the first member */
	enum backend backend;
	unsigned int registerfiles;
	unsigned int fixedbufs;
	unsigned int try_first;
	unsigned int cached_only;
	unsigned int sqthread_poll;
	int sqthread_poll_cpu; /* -1: any */
	unsigned int sqwq;
};

struct job {
	struct nbread ring;
	unsigned int sqe_flags;
	struct io_u **queued; /* in the submission queue, not submitted yet */
	unsigned int nr_queued;
	struct io_u **ended; /* of the last getevents() */
};

/* fio finds it by this name. */
extern struct ioengine_ops ioengine __attribute__((visibility("default")));

extern struct fio_option nb_options[];

int nb_get_file_size(struct thread_data *td, struct fio_file *f);
int nb_init(struct thread_data *td);
int nb_post_init(struct thread_data *td);
void nb_cleanup(struct thread_data *td);

static inline bool nb_uses_slots(const struct job *j)
{
	return j && (j->sqe_flags & NBREAD_SQE_FIXED_FILE);
}

#endif /* NBREAD_FIO_H */
