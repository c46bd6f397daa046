/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lower layer of an overlay: files get there while the overlay is not mounted,
 * since a layer must not be changed below a mounted one.
 */
#ifndef STRESS_LOWER_H
#define STRESS_LOWER_H

#include <stdbool.h>

struct lower {
	const char *on; /* the overlay's mount point; NULL: this is no overlay */
	char options[4096]; /* for the next mount */
	char lower[1024], upper[1024]; /* folders of the layers */
};

/* Takes down the overlay on @dir, if it is one. -1 and errno when it cannot. */
int lower_begin(struct lower *l, const char *dir);

/* Mounts it again. */
int lower_end(const struct lower *l);

#endif /* STRESS_LOWER_H */
