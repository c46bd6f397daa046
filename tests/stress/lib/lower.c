// SPDX-License-Identifier: GPL-2.0-only
/* See lower.h. */
#include "lower.h"

#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

/* The value of an option 'KEY=...' of a mount, cut at the comma behind it */
static int option(const struct mntent *m, const char *key, char *value, size_t size)
{
	const char *at = hasmntopt(m, key);
	size_t n;

	if (!at || at[strlen(key)] != '=')
		return -1;
	at += strlen(key) + 1;
	n = strcspn(at, ",");
	if (n >= size)
		return -1;
	memcpy(value, at, n);
	value[n] = 0;
	return 0;
}

int lower_begin(struct lower *l, const char *dir)
{
	char work[1024];
	struct mntent *m;
	struct statfs s;
	bool found = false;
	FILE *f;

	memset(l, 0, sizeof(*l));
	if (statfs(dir, &s))
		return -1;
	if (s.f_type != OVERLAYFS_SUPER_MAGIC)
		return 0;
	f = setmntent("/proc/self/mounts", "r");
	if (!f)
		return -1;
	while (!found && (m = getmntent(f)))
		found = !strcmp(m->mnt_dir, dir) && !strcmp(m->mnt_type, "overlay") &&
			!option(m, "lowerdir", l->lower, sizeof(l->lower)) &&
			!option(m, "upperdir", l->upper, sizeof(l->upper)) &&
			!option(m, "workdir", work, sizeof(work));
	endmntent(f);
	/* A folder within an overlay (of a container, say) has to do without. */
	if (!found || strchr(l->lower, ':'))
		return 0;
	snprintf(l->options, sizeof(l->options), "lowerdir=%s,upperdir=%s,workdir=%s", l->lower,
		 l->upper, work);
	if (umount(dir))
		return -1;
	l->on = dir;
	return 0;
}

int lower_end(const struct lower *l)
{
	return l->on ? mount("overlay", l->on, "overlay", 0, l->options) : 0;
}
