// SPDX-License-Identifier: MIT
/*
 * nbhttpd: reads in the loop itself, by pread(2) or sendfile(2). As long as all is cached,
 * nothing is simpler; a file that is not makes every connection wait for the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "nbhttpd.h"

static struct link work;

static int pread_start(void)
{
	link_init(&work);
	return -1;
}

static void pread_read(struct conn *c)
{
	link_add_tail(&c->work, &work);
}

static bool pread_flush(bool ready)
{
	struct link now;

	(void)ready;
	link_take(&work, &now);
	while (!link_empty(&now)) {
		struct conn *c = container(now.next, struct conn, work);
		ssize_t n;

		link_del(&c->work);
		do {
			n = pread(c->file->fd, c->buf, c->want, (off_t)c->off);
		} while (n < 0 && errno == EINTR);
		stats.calls++;
		conn_read_done(c, n < 0 ? -errno : (int)n);
	}
	return !link_empty(&work);
}

const struct engine pread_engine = {
	.name = "pread",
	.start = pread_start,
	.read = pread_read,
	.flush = pread_flush,
};

static int sendfile_start(void)
{
	return -1;
}

static ssize_t sendfile_send(struct conn *c)
{
	off_t off = (off_t)c->off;
	size_t most = opt.chunk - c->phase_sent;
	ssize_t n = sendfile(c->fd, c->file->fd, &off, c->left < most ? c->left : most);

	stats.calls++;
	if (n > 0) {
		c->off += (uint64_t)n;
		c->left -= (uint64_t)n;
	}
	return n;
}

static bool sendfile_flush(bool ready)
{
	(void)ready;
	return false;
}

const struct engine sendfile_engine = {
	.name = "sendfile",
	.start = sendfile_start,
	.flush = sendfile_flush,
	.send = sendfile_send,
};
