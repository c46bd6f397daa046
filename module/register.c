// SPDX-License-Identifier: GPL-2.0-only
/*
 * register.c - NBREAD_IOC_REGISTER: what a ring keeps beyond one call.
 *
 * Role: check the call as a whole and hand it to the file that owns what is
 * registered; serve the limit of the ring's workers, which needs no file of its own.
 * Callers: main.c. Context: task with the ring's mm (others get -EPERM).
 * Locks: nb_ctx.lock over the operation, so that no entry is taken meanwhile.
 * References: the ioctl's file holds the context.
 */
#include <linux/nospec.h>

#include "internal.h"

/**
 * struct nb_register_op - one operation
 * @run:	does it; nb_ctx.lock is held. Returns 0, a count or -errno
 * @flags:	those it knows
 * @addr:	it takes an address
 * @nr:		it takes a number
 * @off:	it takes a first index
 */
struct nb_register_op {
	long (*run)(struct nb_ctx *ctx, const struct nbread_register *p);
	u32 flags;
	bool addr;
	bool nr;
	bool off;
};

static long register_workers(struct nb_ctx *ctx, const struct nbread_register *p)
{
	u32 max = nb_workers_of(p->nr);

	if (!max)
		return -EINVAL;
	nb_set_workers(ctx, max);
	return 0;
}

/* Operation 0 is none: it stands for all that are not served. */
static const struct nb_register_op nb_register_ops[] = {
	[NBREAD_REGISTER_FILES] = { .run = nb_register_files,
				    .flags = NBREAD_REGISTER_SPARSE,
				    .addr = true,
				    .nr = true },
	[NBREAD_REGISTER_FILES_UPDATE] = { .run = nb_update_files,
					   .addr = true,
					   .nr = true,
					   .off = true },
	[NBREAD_UNREGISTER_FILES] = { .run = nb_unregister_files },
	[NBREAD_REGISTER_BUFFERS] = { .run = nb_register_buffers,
				      .flags = NBREAD_REGISTER_SPARSE,
				      .addr = true,
				      .nr = true },
	[NBREAD_REGISTER_BUFFERS_UPDATE] = { .run = nb_update_buffers,
					     .addr = true,
					     .nr = true,
					     .off = true },
	[NBREAD_UNREGISTER_BUFFERS] = { .run = nb_unregister_buffers },
	[NBREAD_REGISTER_EVENTFD] = { .run = nb_register_eventfd,
				      .flags = NBREAD_REGISTER_EVENTFD_ASYNC,
				      .addr = true,
				      .nr = true },
	[NBREAD_UNREGISTER_EVENTFD] = { .run = nb_unregister_eventfd },
	[NBREAD_REGISTER_CREDS] = { .run = nb_sq_register_creds },
	[NBREAD_REGISTER_WORKERS] = { .run = register_workers, .nr = true },
};

/* Bit n: operation n is served. */
u64 nb_register_served(void)
{
	u64 ops = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nb_register_ops); i++)
		if (nb_register_ops[i].run)
			ops |= BIT_ULL(i);
	return ops;
}

/* The flags that some operation knows. */
u32 nb_register_flags(void)
{
	u32 flags = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nb_register_ops); i++)
		flags |= nb_register_ops[i].flags;
	return flags;
}

static int check_register(const struct nb_register_op *op, const struct nbread_register *p)
{
	if (p->resv[0] || p->resv[1] || (p->flags & ~op->flags))
		return -EINVAL;
	if ((p->addr && !op->addr) || (p->nr && !op->nr) || (p->off && !op->off))
		return -EINVAL;
	return p->addr != (unsigned long)p->addr ? -EINVAL : 0;
}

/**
 * nb_register() - NBREAD_IOC_REGISTER
 * @ctx: the context
 * @p: the call, copied
 *
 * Return: see struct nbread_register.
 */
long nb_register(struct nb_ctx *ctx, const struct nbread_register *p)
{
	const struct nb_register_op *op = &nb_register_ops[0];
	long ret;

	if (p->op < ARRAY_SIZE(nb_register_ops))
		op += array_index_nospec(p->op, ARRAY_SIZE(nb_register_ops));
	if (!op->run)
		return p->flags || p->resv[0] || p->resv[1] ? -EINVAL : -EOPNOTSUPP;
	ret = check_register(op, p);
	if (ret)
		return ret;
	if (!nb_ctx_ring(ctx))
		return -ENXIO;
	if (current->mm != ctx->mm)
		return -EPERM;
	if (mutex_lock_interruptible(&ctx->lock))
		return -EINTR;
	ret = op->run(ctx, p);
	mutex_unlock(&ctx->lock);
	return ret;
}
