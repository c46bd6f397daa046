// SPDX-License-Identifier: MIT
/*
 * nbhttpd: a response, from the request that was understood to its last byte, the same way
 * for every engine. The head waits for the first chunk of the file, and both leave in one
 * call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "nbhttpd.h"

static char **buffers; /* free ones; each belongs to one response at a time */
static unsigned nr_buffers;

void response_init(void)
{
	buffers = must(calloc(opt.conns, sizeof(*buffers)));
}

void response_end(struct conn *c)
{
	if (c->file)
		file_put(c->file);
	if (c->buf)
		buffers[nr_buffers++] = c->buf;
	c->file = NULL;
	c->buf = NULL;
	c->fill = c->sent = 0;
	c->head_fill = c->head_sent = 0;
}

/* The next chunk of the file. */
static void read_on(struct conn *c)
{
	if (engine->send) {
		conn_phase(c, SEND);
		c->phase_sent = 0;
		response_send(c);
		return;
	}
	if (!c->buf)
		c->buf = nr_buffers ? buffers[--nr_buffers] : aligned_alloc(4096, opt.chunk);
	if (!c->buf) {
		/* The first chunk, so nothing was sent yet. */
		respond_error(c, 503, false, false);
		return;
	}
	c->want = c->left < opt.chunk ? (unsigned)c->left : opt.chunk;
	c->fill = c->sent = 0;
	conn_phase(c, READ);
	stats.reads++;
	engine->read(c);
}

/* 0: the file is shorter by now than it was when it was opened. */
static void read_failed(struct conn *c, int res)
{
	static bool told;

	stats.errors++;
	if (res < 0 && !told) {
		told = true;
		fprintf(stderr,
			"nbhttpd: %s: cannot be read: %s. %sFurther errors are counted only.\n",
			c->file->path, strerror(-res),
			res == -EOPNOTSUPP ?
				"nbread does not read such a file, which 'nbread-info FILE' explains; --engine pread does. " :
				"");
	}
	if (!res)
		file_stale(c->file);
	if (c->head_sent) {
		/* Its length was promised: only an end of the connection tells. */
		c->state = SEND;
		conn_close(c);
		return;
	}
	respond_error(c, res == -ENOMEM ? 503 : 500, false, false);
}

void conn_read_done(struct conn *c, int res)
{
	if (c->gone) {
		conn_close(c);
		return;
	}
	if (res <= 0) {
		read_failed(c, res);
		return;
	}
	c->fill = (unsigned)res;
	c->off += (unsigned)res;
	c->left -= (unsigned)res;
	conn_phase(c, SEND);
	response_send(c);
}

static void respond_done(struct conn *c)
{
	stats.requests++;
	stats.last_ms = now_ms;
	if (!stats.first_ms)
		stats.first_ms = now_ms;
	response_end(c);
	if (!c->keep_alive) {
		conn_finish(c);
		return;
	}
	conn_phase(c, REQUEST);
	if (c->in_fill > c->in_used || c->readable)
		conn_run_later(c);
}

/* Sends what there is, and reads on. */
void response_send(struct conn *c)
{
	while (c->head_sent < c->head_fill || c->sent < c->fill || (engine->send && c->left)) {
		struct iovec iov[2];
		struct msghdr msg = { .msg_iov = iov };
		unsigned head = c->head_fill - c->head_sent;
		ssize_t n;

		if (!c->writable)
			return;
		if (head)
			iov[msg.msg_iovlen++] = (struct iovec){ c->head + c->head_sent, head };
		if (c->sent < c->fill)
			iov[msg.msg_iovlen++] =
				(struct iovec){ c->buf + c->sent, c->fill - c->sent };
		if (msg.msg_iovlen)
			n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | (c->left ? MSG_MORE : 0));
		else
			n = engine->send(c);
		if (n < 0 && errno == EAGAIN) {
			c->writable = false;
			return;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* A client that left is its own affair; a file that shrank is not. */
			if (n == 0 || (errno != EPIPE && errno != ECONNRESET))
				stats.errors++;
			if (n == 0)
				file_stale(c->file);
			conn_close(c);
			return;
		}
		stats.bytes += (unsigned long)n;
		if (!msg.msg_iovlen) {
			/* A phase is a chunk, in as many turns as the client takes for it. */
			c->phase_sent += (unsigned)n;
			if (c->phase_sent == opt.chunk) {
				conn_phase(c, SEND);
				c->phase_sent = 0;
			}
			/* At most one a turn, so that nobody has to wait for a big file. */
			if (c->left) {
				conn_run_later(c);
				return;
			}
			continue;
		}
		if (head > n)
			head = (unsigned)n;
		c->head_sent += head;
		c->sent += (unsigned)n - head;
	}
	if (c->left)
		read_on(c);
	else
		respond_done(c);
}

void respond_error(struct conn *c, int status, bool keep_alive, bool head_only)
{
	const char *reason = http_reason(status);

	stats.refused++;
	c->keep_alive = keep_alive;
	c->left = 0;
	c->head_fill = (unsigned)snprintf(
		c->head, sizeof(c->head),
		"HTTP/1.1 %d %s\r\nDate: %s\r\n%sContent-Type: text/plain\r\n"
		"Content-Length: %zu\r\nConnection: %s\r\n\r\n%s%s",
		status, reason, http_date(), status == 405 ? "Allow: GET, HEAD\r\n" : "",
		strlen(reason) + 1, keep_alive ? "keep-alive" : "close", head_only ? "" : reason,
		head_only ? "" : "\n");
	conn_phase(c, SEND);
	response_send(c);
}

/* What of the file is asked for: the status, with c->off and c->left. */
static int choose(struct conn *c, const struct request *req, uint64_t size)
{
	uint64_t first = req->first, last = req->last;

	c->off = 0;
	c->left = size;
	if (req->if_modified && !strcmp(req->if_modified, c->file->modified)) {
		c->left = 0;
		return 304;
	}
	if (req->range == RANGE_NONE || (req->if_range && !file_is_of(c->file, req->if_range)))
		return 200;
	if (req->range == RANGE_LAST) {
		first = last < size ? size - last : 0;
		if (!last)
			first = size;
		last = UINT64_MAX;
	}
	if (first >= size)
		return 416;
	if (last >= size)
		last = size - 1;
	c->off = first;
	c->left = last - first + 1;
	return 206;
}

/* Why a file could not be opened. EXDEV: it is outside the root. */
static int status_of(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV:
	case ENAMETOOLONG:
	case ENXIO:
		return 404;
	case EACCES:
	case EPERM:
		return 403;
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return 503;
	}
	return 500;
}

void respond(struct conn *c, const struct request *req)
{
	char range[96] = "", length[48] = "";
	int status, err = 0;

	c->keep_alive = req->keep_alive;
	c->file = file_get(req->path, &err);
	if (!c->file) {
		respond_error(c, status_of(err), req->keep_alive, req->head);
		return;
	}
	status = choose(c, req, c->file->size);
	if (status == 206)
		snprintf(range, sizeof(range), "Content-Range: bytes %ju-%ju/%ju\r\n",
			 (uintmax_t)c->off, (uintmax_t)(c->off + c->left - 1),
			 (uintmax_t)c->file->size);
	else if (status == 416)
		snprintf(range, sizeof(range), "Content-Range: bytes */%ju\r\n",
			 (uintmax_t)c->file->size);
	if (status == 416)
		c->left = 0;
	if (status != 304)
		snprintf(length, sizeof(length), "Content-Length: %ju\r\n", (uintmax_t)c->left);
	c->head_fill = (unsigned)snprintf(
		c->head, sizeof(c->head),
		"HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n%s%sLast-Modified: %s\r\n"
		"Accept-Ranges: bytes\r\nConnection: %s\r\n\r\n",
		status, http_reason(status), http_date(), http_type(c->file->path), length, range,
		c->file->modified, req->keep_alive ? "keep-alive" : "close");
	if (req->head)
		c->left = 0;
	if (c->left) {
		read_on(c);
		return;
	}
	conn_phase(c, SEND);
	response_send(c);
}
