// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which backend serves a ring: NBREAD_BACKEND in the environment decides, else
 * the module if it is to be had, else threads. A backend that was asked for by name is
 * never replaced by another one: who names it wants to know when it is not there.
 */
#include <stdlib.h>
#include "internal.h"

/* Unset and empty are the same, as for most variables. */
static const char *wanted(void)
{
	/* Not for set-user-ID programs: their caller must not steer them. */
	const char *name = secure_getenv("NBREAD_BACKEND");

	return name && *name ? name : NULL;
}

int nbread_backend_select(const struct nbread_backend_ops **ops)
{
	const char *name = wanted();

	if (name && !strcmp(name, "threads")) {
		*ops = &nbread_threads_ops;
		return 0;
	}
	if (name && strcmp(name, "module") != 0)
		return -EINVAL;
	*ops = &nbread_module_ops;
	return 0;
}

/*
 * No device, no permission on its node, or a device cgroup or security module that refuses
 * it: this program cannot have the module. Everything else is told: a module that does
 * not fit (-EPROTO, -ENOTTY) is broken, and a limit that is reached (-EMFILE, -ENOMEM, …)
 * would be so for threads too, or pass.
 */
const struct nbread_backend_ops *nbread_backend_instead(const struct nbread_backend_ops *ops,
							int err, __u32 setup_flags)
{
	if (ops != &nbread_module_ops || wanted())
		return NULL;
	/* The ring to attach to is another process's, it seems; threads have none that fits. */
	if (err == -EPERM && (setup_flags & NBREAD_SETUP_ATTACH))
		return NULL;
	return err == -ENODEV || err == -EACCES || err == -EPERM ? &nbread_threads_ops : NULL;
}

enum nbread_backend nbread_backend(const struct nbread *ring)
{
	return ring->ops->id;
}
