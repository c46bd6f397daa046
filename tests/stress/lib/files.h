/* SPDX-License-Identifier: GPL-2.0-only */
/* The files, or the windows of a block device, that the mix reads. */
#ifndef STRESS_FILES_H
#define STRESS_FILES_H

#include "model.h"

#define MAX_FILES 8

struct files {
	struct model m[MAX_FILES];
	unsigned int n;
	const char *kind; /* ext4, xfs, btrfs, block_device... */
	const char *dir;
};

/* Both fill them, with pread(2) shown to give back what the model says. */
int files_in_dir(struct files *f, const char *dir);
int files_on_device(struct files *f, const char *dev);
void files_close(struct files *f);

#endif /* STRESS_FILES_H */
