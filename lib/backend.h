/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The seam between the library and what serves a ring.
 *
 * A backend owns the memory of the rings. The inline functions of the public
 * header only follow the pointers in struct nbread, so that memory may be a
 * mapping of /dev/nbread or, for a backend without the module, plain memory.
 * What a backend must keep to is what <linux/nbread.h> says of the ioctls: one
 * CQE for each entry taken, the release and acquire pairs of
 * libnbread/barrier.h, and their return values.
 */
#ifndef NBREAD_BACKEND_H
#define NBREAD_BACKEND_H

#include <stdbool.h>
#include <libnbread.h>

/**
 * struct nbread_backend_ops - one backend; all return 0 or a count, or -errno
 * @id:		what nbread_backend() says
 * @always_enter: ENTER has something to do even when nothing is in flight
 * @init:	set up the rings as @p says and fill @ring (zeroed, ops set, ring_fd
 *		-1) and the out members of @p; after an error nothing is left behind
 * @exit:	undo that, without waiting for reads in flight
 * @enter:	NBREAD_IOC_ENTER
 * @try_many:	NBREAD_IOC_TRY, for 1 to ring->max_try requests
 * @reg:	NBREAD_IOC_REGISTER
 * @cancel:	NBREAD_IOC_CANCEL
 * @file_info:	NBREAD_IOC_FILE_INFO
 * @query:	NBREAD_IOC_QUERY; @ring may be NULL: what a ring would be served by
 */
struct nbread_backend_ops {
	enum nbread_backend id;
	bool always_enter;
	int (*init)(struct nbread *ring, struct nbread_setup *p);
	void (*exit)(struct nbread *ring);
	int (*enter)(struct nbread *ring, struct nbread_enter *e);
	int (*try_many)(struct nbread *ring, struct nbread_try *reqs, unsigned n);
	int (*reg)(struct nbread *ring, struct nbread_register *r);
	int (*cancel)(struct nbread *ring, struct nbread_cancel *c);
	int (*file_info)(struct nbread *ring, struct nbread_file_info *info);
	int (*query)(struct nbread *ring, struct nbread_query *q);
};

extern const struct nbread_backend_ops nbread_module_ops;
extern const struct nbread_backend_ops nbread_threads_ops;

/* The backend that the environment asks for, or the best one; 0 or -errno. */
int nbread_backend_select(const struct nbread_backend_ops **ops);

/* The one to take when @ops said @err; NULL: none, the error is the program's to know. */
const struct nbread_backend_ops *nbread_backend_instead(const struct nbread_backend_ops *ops,
							int err, __u32 setup_flags);

#endif /* NBREAD_BACKEND_H */
