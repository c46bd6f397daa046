// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which backend serves a ring: NBREAD_BACKEND in the environment decides, else
 * the module. A backend that was asked for by name is never replaced by another
 * one: who names it wants to know when it is not there.
 */
#include <stdlib.h>
#include "internal.h"

int nbread_backend_select(const struct nbread_backend_ops **ops)
{
	/* Not for set-user-ID programs: their caller must not steer them. */
	const char *name = secure_getenv("NBREAD_BACKEND");

	/* Unset and empty are the same, as for most variables. */
	if (!name || !*name || !strcmp(name, "module")) {
		*ops = &nbread_module_ops;
		return 0;
	}
	return strcmp(name, "threads") ? -EINVAL : -EOPNOTSUPP;
}

enum nbread_backend nbread_backend(const struct nbread *ring)
{
	return ring->ops->id;
}
