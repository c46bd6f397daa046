// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of engines, in the order of the tables that are printed.
 */
#include "bench.h"

#include <string.h>

const struct engine *const engines[] = {
	&engine_mmap,
	&engine_pread,
	&engine_preadv2_nowait,
	&engine_pool,
	&engine_posix_aio,
	&engine_libaio,
	&engine_io_uring,
	&engine_io_uring_fixed,
	&engine_io_uring_fixedbuf,
	&engine_io_uring_all,
	&engine_io_uring_sqpoll,
	&engine_io_uring_async,
	&engine_io_uring_async_wide,
	&engine_nbread,
	&engine_nbread_try,
	&engine_nbread_fixed,
	&engine_nbread_sqthread,
	&engine_nbread_sqwq,
	NULL,
};

const struct engine *engine_by_name(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; engines[i]; i++) {
		if (strlen(engines[i]->name) == len && !memcmp(engines[i]->name, name, len))
			return engines[i];
	}
	return NULL;
}

int job_fail(struct job *j, const char *why, int err)
{
	j->why = why;
	j->err = err;
	return -1;
}
