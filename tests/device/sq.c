// SPDX-License-Identifier: GPL-2.0-only
/* Rings with a kernel side, see sq.h. */
#include <signal.h>
#include "sq.h"

void sq_ring(struct raw *r, unsigned int entries, unsigned int flags, unsigned int idle_ms)
{
	int ret;

	memset(r, 0, sizeof(*r));
	r->p.sq_entries = entries;
	r->p.flags = flags;
	r->p.sq_thread_idle_ms = idle_ms;
	ret = raw_open_p(r);
	dev_must(ret == 0, "SETUP with flags %#x: %s", flags, strerror(-ret));
}

struct nbread_sqe *sq_prep(struct raw *r, int fd, void *buf, size_t len, off_t off,
			   unsigned int flags, uint64_t user_data)
{
	struct nbread_sqe *sqe = raw_sqe(r);

	dev_must(sqe, "the submission queue is full");
	raw_prep_read(sqe, fd, buf, (uint32_t)len, (uint64_t)off, user_data);
	sqe->flags = (uint16_t)flags;
	return sqe;
}

struct nbread_cqe sq_next(struct raw *r)
{
	struct nbread_cqe cqe;

	/* A thread that polls is faster than a step of dev_await(). */
	for (int spins = 0; spins < 100000 && !raw_cq_ready(r); spins++)
		;
	dev_await(raw_cq_ready(r));
	raw_reap(r, &cqe);
	return cqe;
}

struct nbread_cqe sq_read(struct raw *r, int fd, void *buf, size_t len, off_t off,
			  unsigned int flags)
{
	static uint64_t serial;
	struct nbread_cqe cqe;

	sq_prep(r, fd, buf, len, off, flags, ++serial);
	dev_must(raw_hand_over(r) >= 0, "ENTER failed");
	cqe = sq_next(r);
	dev_must(cqe.user_data == serial, "user_data %#llx", (unsigned long long)cqe.user_data);
	return cqe;
}

/* What stands behind 'name:' in a file of proc. Return: whether it does. */
static bool find(const char *path, const char *name, char *value, size_t size)
{
	char line[256];
	bool found = false;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':') {
			snprintf(value, size, "%s", line + strlen(name) + 2);
			value[strcspn(value, "\n")] = 0;
			found = true;
		}
	if (f)
		fclose(f);
	return found;
}

static long number(const char *path, const char *name)
{
	char value[64];

	return find(path, name, value, sizeof(value)) ? strtol(value, NULL, 10) : -1;
}

long sq_info(const struct raw *r, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r->fd);
	return number(path, name);
}

pid_t sq_thread(const struct raw *r)
{
	pid_t pid = (pid_t)sq_info(r, "nbread-sq-thread");

	dev_must(pid > 0, "fdinfo names no thread");
	return pid;
}

long sq_status(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return number(path, name);
}

char sq_state(pid_t pid)
{
	char path[64], value[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return find(path, "State", value, sizeof(value)) ? value[0] : 0;
}

void sq_cpus(pid_t pid, char *list, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	dev_must(find(path, "Cpus_allowed_list", list, size), "no status of %d", pid);
}

bool sq_ended(pid_t pid)
{
	return kill(pid, 0) && errno == ESRCH;
}
