// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The portable backend: REGISTER. A registered file is a descriptor of our own, so its
 * reads go on when the program closes its one; a read holds a reference, and an update
 * waits for nobody. A registered buffer is a range that addresses are checked against;
 * nothing is pinned. All tables are under 'lock'.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "threads.h"

#define BUFFER_MAX (1ULL << 30)

/** struct op - one operation: what it does, and the members that it knows */
struct op {
	int (*run)(struct nbread_thr *t, const struct nbread_register *r);
	__u32 flags;
	bool addr, nr, off;
};

static void drop_file(struct nbread_thr *t, unsigned at)
{
	struct nbread_thr_file *file = t->files[at];

	/* First out of the table: a child forked in between may not find it there. */
	t->files[at] = NULL;
	if (file)
		nbread_thr_put_file(t, file);
}

/* A descriptor of our own of one that reads would take; NULL in @out for -1. No lock. */
static int new_file(struct nbread_thr *t, int fd, struct nbread_thr_file **out)
{
	struct nbread_thr_look look;
	struct nbread_thr_file *file;

	*out = NULL;
	if (fd == -1)
		return 0;
	memset(&look, 0, sizeof(look));
	nbread_thr_look(t, &look, fd, false, true);
	if (look.err)
		return look.err;
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->refs = 1;
	file->fd = nbread_sys_dup(fd);
	if (file->fd < 0) {
		int ret = file->fd;

		free(file);
		return ret;
	}
	*out = file;
	return 0;
}

/* Asked before what shall be registered is looked at, as the module does; and again later. */
static bool has_table(struct nbread_thr *t, bool of_buffers)
{
	bool has;

	pthread_mutex_lock(&t->lock);
	has = of_buffers ? !!t->buffers : !!t->files;
	pthread_mutex_unlock(&t->lock);
	return has;
}

static int register_files(struct nbread_thr *t, const struct nbread_register *r)
{
	const int *fds = (const int *)(uintptr_t)r->addr;
	struct nbread_thr_file **files;
	unsigned i = 0;
	int ret = 0;

	if (!r->nr || r->nr > NBREAD_THR_FILES || (fds && (r->flags & NBREAD_REGISTER_SPARSE)))
		return -EINVAL;
	if (has_table(t, false))
		return -EBUSY;
	if (!fds && !(r->flags & NBREAD_REGISTER_SPARSE))
		return -EFAULT;
	files = calloc(r->nr, sizeof(struct nbread_thr_file *));
	if (!files)
		return -ENOMEM;
	for (; fds && i < r->nr && !ret; i++)
		ret = new_file(t, fds[i], &files[i]);
	pthread_mutex_lock(&t->lock);
	if (!ret && t->files)
		ret = -EBUSY;
	if (!ret) {
		t->files = files;
		t->nr_files = r->nr;
	}
	while (ret && i--)
		if (files[i])
			nbread_thr_put_file(t, files[i]);
	nbread_thr_unlock(t);
	if (ret)
		free(files);
	return ret;
}

/* May these slots be updated? With lock. */
static int check_slots(const struct nbread_thr *t, const struct nbread_register *r)
{
	if (!t->files)
		return -ENXIO;
	return r->off > t->nr_files || r->nr > t->nr_files - r->off ? -EINVAL : 0;
}

/* The slots before a wrong one are set, and counted, as by read(2). */
static int update_files(struct nbread_thr *t, const struct nbread_register *r)
{
	const int *fds = (const int *)(uintptr_t)r->addr;
	unsigned i;
	int ret;

	pthread_mutex_lock(&t->lock);
	ret = check_slots(t, r);
	pthread_mutex_unlock(&t->lock);
	if (!ret && !r->nr)
		ret = -EINVAL;
	if (!ret && !fds)
		ret = -EFAULT;
	if (ret)
		return ret;
	for (i = 0; i < r->nr; i++) {
		struct nbread_thr_file *file;

		ret = new_file(t, fds[i], &file);
		if (ret)
			break;
		pthread_mutex_lock(&t->lock);
		ret = check_slots(t, r);
		if (ret) {
			if (file)
				nbread_thr_put_file(t, file);
		} else {
			drop_file(t, r->off + i);
			t->files[r->off + i] = file;
		}
		nbread_thr_unlock(t);
		if (ret)
			break;
	}
	return i ? (int)i : ret;
}

static void drop_files(struct nbread_thr *t)
{
	struct nbread_thr_file **files = t->files;
	unsigned i, nr = t->nr_files;

	for (i = 0; i < nr; i++)
		drop_file(t, i);
	/* In this order: a child forked in between goes by the number. */
	t->nr_files = 0;
	__atomic_store_n(&t->files, NULL, __ATOMIC_RELEASE);
	free(files);
}

static int unregister_files(struct nbread_thr *t, const struct nbread_register *r)
{
	int ret = 0;

	(void)r;
	pthread_mutex_lock(&t->lock);
	if (!t->files)
		ret = -ENXIO;
	drop_files(t);
	nbread_thr_unlock(t);
	return ret;
}

static int check_buffer(const struct nbread_buffer *b)
{
	if (b->addr != (uintptr_t)b->addr || b->len > BUFFER_MAX || !b->addr != !b->len)
		return -EINVAL;
	return b->addr + b->len < b->addr ? -EFAULT : 0;
}

static int register_buffers(struct nbread_thr *t, const struct nbread_register *r)
{
	const struct nbread_buffer *from = (const struct nbread_buffer *)(uintptr_t)r->addr;
	struct nbread_buffer *table;
	unsigned i;
	int ret = 0;

	if (!r->nr || r->nr > NBREAD_THR_BUFFERS || (from && (r->flags & NBREAD_REGISTER_SPARSE)))
		return -EINVAL;
	if (has_table(t, true))
		return -EBUSY;
	if (!from && !(r->flags & NBREAD_REGISTER_SPARSE))
		return -EFAULT;
	table = calloc(r->nr, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (i = 0; from && i < r->nr && !ret; i++) {
		table[i] = from[i];
		ret = check_buffer(&table[i]);
	}
	pthread_mutex_lock(&t->lock);
	if (!ret && t->buffers)
		ret = -EBUSY;
	if (!ret) {
		t->buffers = table;
		t->nr_buffers = r->nr;
		table = NULL;
	}
	pthread_mutex_unlock(&t->lock);
	free(table);
	return ret;
}

static int update_buffers(struct nbread_thr *t, const struct nbread_register *r)
{
	const struct nbread_buffer *from = (const struct nbread_buffer *)(uintptr_t)r->addr;
	unsigned i = 0;
	int ret = 0;

	pthread_mutex_lock(&t->lock);
	if (!t->buffers)
		ret = -ENXIO;
	else if (!r->nr || r->off > t->nr_buffers || r->nr > t->nr_buffers - r->off)
		ret = -EINVAL;
	for (; !ret && i < r->nr; i++) {
		ret = check_buffer(&from[i]);
		if (ret)
			break;
		t->buffers[r->off + i] = from[i];
	}
	pthread_mutex_unlock(&t->lock);
	return i ? (int)i : ret;
}

static void drop_buffers(struct nbread_thr *t)
{
	struct nbread_buffer *buffers = t->buffers;

	t->buffers = NULL;
	t->nr_buffers = 0;
	free(buffers);
}

static int unregister_buffers(struct nbread_thr *t, const struct nbread_register *r)
{
	int ret = 0;

	(void)r;
	pthread_mutex_lock(&t->lock);
	if (!t->buffers)
		ret = -ENXIO;
	drop_buffers(t);
	pthread_mutex_unlock(&t->lock);
	return ret;
}

/* Do these bytes lie in the registered buffer? 0 or -EFAULT. */
int nbread_thr_fixed_buffer(struct nbread_thr *t, unsigned index, __u64 addr, __u32 len)
{
	const struct nbread_buffer *b;
	int ret = -EFAULT;

	pthread_mutex_lock(&t->lock);
	if (index < t->nr_buffers) {
		b = &t->buffers[index];
		if (b->len && addr >= b->addr && addr - b->addr <= b->len &&
		    len <= b->len - (addr - b->addr))
			ret = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return ret;
}

/*
 * An eventfd shares its inode with the one we have, as all that have no file system of
 * their own, and is the only one of those that takes eight bytes of 0.
 */
static int check_eventfd(const struct nbread_thr *t, int fd)
{
	struct nbread_sys_id st, own;

	if (nbread_sys_file_flags(fd) < 0)
		return -EBADF;
	if (nbread_sys_stat(fd, &st) < 0 || nbread_sys_stat(t->ring_fd, &own) < 0 ||
	    st.dev != own.dev || st.ino != own.ino)
		return -EINVAL;
	return nbread_sys_event_add(fd, 0) == 0 ? 0 : -EINVAL;
}

static int register_event(struct nbread_thr *t, const struct nbread_register *r)
{
	int fd, ret;

	if (r->nr != 1 || !r->addr)
		return -EINVAL;
	fd = *(const int *)(uintptr_t)r->addr;
	ret = check_eventfd(t, fd);
	if (ret < 0)
		return ret;
	fd = nbread_sys_dup(fd);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&t->lock);
	if (t->event >= 0) {
		ret = -EBUSY;
	} else {
		t->event = fd;
		t->event_async = r->flags & NBREAD_REGISTER_EVENTFD_ASYNC;
		fd = -1;
	}
	pthread_mutex_unlock(&t->lock);
	if (fd >= 0)
		nbread_sys_close(fd);
	return ret;
}

static int unregister_event(struct nbread_thr *t, const struct nbread_register *r)
{
	int fd;

	(void)r;
	pthread_mutex_lock(&t->lock);
	fd = t->event;
	t->event = -1;
	pthread_mutex_unlock(&t->lock);
	if (fd < 0)
		return -ENXIO;
	nbread_sys_close(fd);
	return 0;
}

static int register_workers(struct nbread_thr *t, const struct nbread_register *r)
{
	if (r->nr > NBREAD_THR_WORKERS)
		return -EINVAL;
	pthread_mutex_lock(&t->lock);
	t->max_workers = r->nr ? r->nr : NBREAD_THR_WORKERS;
	nbread_thr_more_workers(t);
	/* Those that are too many go when they see it. */
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

void nbread_thr_drop_tables(struct nbread_thr *t)
{
	drop_files(t);
	drop_buffers(t);
}

/* CREDS is for the thread of SQTHREAD, which SETUP refuses. */
static const struct op ops[] = {
	[NBREAD_REGISTER_FILES] = { register_files, NBREAD_REGISTER_SPARSE, true, true, false },
	[NBREAD_REGISTER_FILES_UPDATE] = { update_files, 0, true, true, true },
	[NBREAD_UNREGISTER_FILES] = { unregister_files, 0, false, false, false },
	[NBREAD_REGISTER_BUFFERS] = { register_buffers, NBREAD_REGISTER_SPARSE, true, true, false },
	[NBREAD_UNREGISTER_BUFFERS] = { unregister_buffers, 0, false, false, false },
	[NBREAD_REGISTER_EVENTFD] = { register_event, NBREAD_REGISTER_EVENTFD_ASYNC, true, true,
				      false },
	[NBREAD_UNREGISTER_EVENTFD] = { unregister_event, 0, false, false, false },
	[NBREAD_REGISTER_BUFFERS_UPDATE] = { update_buffers, 0, true, true, true },
	[NBREAD_REGISTER_WORKERS] = { register_workers, 0, false, true, false },
};

#define BIT(op) (1ULL << (op))
const __u64 nbread_thr_register_ops =
	BIT(NBREAD_REGISTER_FILES) | BIT(NBREAD_REGISTER_FILES_UPDATE) |
	BIT(NBREAD_UNREGISTER_FILES) | BIT(NBREAD_REGISTER_BUFFERS) |
	BIT(NBREAD_UNREGISTER_BUFFERS) | BIT(NBREAD_REGISTER_EVENTFD) |
	BIT(NBREAD_UNREGISTER_EVENTFD) | BIT(NBREAD_REGISTER_BUFFERS_UPDATE) |
	BIT(NBREAD_REGISTER_WORKERS);

int nbread_thr_register(struct nbread *ring, struct nbread_register *r)
{
	struct nbread_thr *t = nbread_thr_of(ring);
	const struct op *op = NULL;
	int ret, saved = errno;

	if (r->op < sizeof(ops) / sizeof(ops[0]) && ops[r->op].run)
		op = &ops[r->op];
	if (!op)
		return r->flags || r->resv[0] || r->resv[1] ? -EINVAL : -EOPNOTSUPP;
	if (r->resv[0] || r->resv[1] || (r->flags & ~op->flags))
		return -EINVAL;
	if ((r->addr && !op->addr) || (r->nr && !op->nr) || (r->off && !op->off) ||
	    r->addr != (uintptr_t)r->addr)
		return -EINVAL;
	if (nbread_thr_foreign(t))
		return -EPERM;
	ret = op->run(t, r);
	errno = saved; /* of allocations that failed */
	return ret;
}
