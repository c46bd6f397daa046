// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thousand parked reads, and the proof that they left nothing behind. See
 * parked.h.
 */
#include <sys/resource.h>
#include "dm.h"
#include "parked.h"

static long files_open(void)
{
	char text[64];

	ck_assert_int_gt(nbtest_read_text("/proc/sys/fs/file-nr", text, sizeof(text)), 0);
	return strtol(text, NULL, 10);
}

/* Of the module's request cache; -1 where the kernel merged it with another one. */
static long slab_objects(void)
{
	char line[256];
	long n = -1;
	FILE *f;

	/* What CPUs keep for themselves would count as in use. */
	nbtest_write_text("/sys/kernel/slab/nbread_req/shrink", "1");
	f = fopen("/proc/slabinfo", "re");
	ck_assert(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "nbread_req ", 11))
			ck_assert_int_eq(sscanf(line, "%*s %ld", &n), 1);
	}
	fclose(f);
	return n;
}

void parked_base(struct parked *p, int kind)
{
	struct rlimit many = { 4096, 4096 };

	memset(p, 0, sizeof(*p));
	p->fs = dev_fs(kind);
	p->kind = kind;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &many), 0);
	p->fd = dev_cold_file(p->fs, PARKED * PG, 7);
	p->buf = dev_buf(PARKED * PARKED_LEN);
	p->refs = dev_module_idle();
	p->files = files_open();
	p->objects = slab_objects();
}

void parked_start(struct parked *p)
{
	for (int i = 0; i < PARKED; i++) {
		p->fds[i] = dev_reopen(p->fd, O_RDONLY);
		ck_assert_int_eq(posix_fadvise(p->fds[i], 0, 0, POSIX_FADV_RANDOM), 0);
	}
	dev_ring(&p->ring, 1024);
	dev_hold(p->fs);
	for (int i = 0; i < PARKED; i++)
		dev_prep(&p->ring, p->fds[i], p->buf + i * PARKED_LEN, PARKED_LEN, PARKED_OFF(i), 0,
			 i);
	dev_submit(&p->ring, PARKED);
	dev_check_none(&p->ring);
	ck_assert_uint_ge(dev_held(p->fs), PARKED);
	ck_assert_uint_eq(dev_fdinfo(&p->ring, "nbread-punted"), 0);
	ck_assert_int_ge(dev_module_refs(), p->refs + 1);
}

void parked_close(struct parked *p)
{
	nbread_queue_exit(&p->ring);
	for (int i = 0; i < PARKED; i++)
		close(p->fds[i]);
}

void parked_gone(struct parked *p)
{
	dev_release(p->fs);
	dev_await(dev_module_refs() == p->refs);
	/* file-nr is exact up to what each CPU has not yet added to the sum. */
	dev_await(labs(files_open() - p->files) < 300);
	if (p->objects >= 0)
		dev_await(slab_objects() <= p->objects);
	dev_check_same(p->buf, PARKED * PARKED_LEN, 0xa5);
	close(p->fd);
	if (p->fs->mnt[0]) {
		/* A file that is still referenced would keep it busy. */
		fs_umount(p->fs->mnt);
		fs_mount(p->fs->name, p->fs->dev, p->fs->mnt, NULL);
	}
}
