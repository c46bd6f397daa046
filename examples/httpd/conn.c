// SPDX-License-Identifier: MIT
/*
 * nbhttpd: a connection, from request to request:
 *
 *	REQUEST -> READ -> SEND -> READ ... -> SEND -> REQUEST ... -> DRAIN
 *
 * READ belongs to the engine, the rest to the socket. Sockets are watched edge-triggered, both
 * ways, once and for all, so that no epoll_ctl() is needed while a connection lives; what the
 * edges said is kept in readable and writable.
 *
 * Each phase (waiting for a request, reading a chunk, sending it) has the same time from its
 * begin on, whatever trickles in or out during it. So the connections lie in one list by the
 * begin of their phase, and a slow client cannot stretch one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "nbhttpd.h"

static struct link run; /* connections that can go on */
static struct link ages;
static unsigned nr_conns;

void conn_init(void)
{
	link_init(&run);
	link_init(&ages);
}

void conn_phase(struct conn *c, int state)
{
	c->state = state;
	c->since_ms = now_ms;
	link_del(&c->age);
	link_add_tail(&c->age, &ages);
}

void conn_run_later(struct conn *c)
{
	link_del(&c->run);
	link_add_tail(&c->run, &run);
}

/* Ends it. The memory of a read in flight has to stay until the engine says that it ended. */
void conn_close(struct conn *c)
{
	bool reading = c->state == READ && c->buf;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	link_del(&c->run);
	link_del(&c->age);
	if (reading && !c->gone) {
		c->gone = true;
		if (engine->cancel)
			engine->cancel(c);
		return;
	}
	response_end(c);
	free(c);
	if (nr_conns-- == opt.conns)
		loop_pause_accept(false);
}

/*
 * We want no more of it. A close() with unread input would be a reset, which can overtake the
 * response; so the client is told first, and what it still sends is thrown away for a while.
 */
void conn_finish(struct conn *c)
{
	if (c->eof || shutdown(c->fd, SHUT_WR)) {
		conn_close(c);
		return;
	}
	conn_phase(c, DRAIN);
	conn_run_later(c);
}

/* -1: an end of the connection; 0: nothing there; else how much. */
static ssize_t receive(struct conn *c, char *to, size_t room)
{
	ssize_t n = recv(c->fd, to, room, 0);

	if (n > 0) {
		/* Less than there was room for: that was all, unless the end follows. */
		c->readable = (size_t)n == room || c->end_seen;
		return n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->readable = errno == EINTR;
		return 0;
	}
	c->eof = true;
	c->readable = false;
	return -1;
}

/* Forgets the request that was answered; what follows it is the next one already. */
static void next_request(struct conn *c)
{
	c->in_fill -= c->in_used;
	memmove(c->in, c->in + c->in_used, c->in_fill);
	c->in_used = 0;
	c->scanned = 0;
}

static void receive_request(struct conn *c)
{
	static struct request req; /* there is one thread, and nothing of it is kept */
	ssize_t n;
	int ret;

	if (c->in_used)
		next_request(c);
	while ((ret = http_parse(c->in, c->in_fill, &c->scanned, &req)) == 0) {
		if (c->in_fill == sizeof(c->in)) {
			respond_error(c, 431, false, false);
			return;
		}
		if (!c->readable)
			return;
		n = receive(c, c->in + c->in_fill, sizeof(c->in) - c->in_fill);
		if (n < 0) {
			conn_close(c);
			return;
		}
		c->in_fill += (size_t)n;
	}
	if (ret < 0) {
		respond_error(c, -ret, false, false);
		return;
	}
	c->in_used = (size_t)ret;
	respond(c, &req);
}

static void drain(struct conn *c)
{
	while (c->readable) {
		ssize_t n = receive(c, c->in, sizeof(c->in));

		c->drained += n > 0 ? (size_t)n : 0;
		if (n < 0 || c->drained > MAX_DRAIN) {
			conn_close(c);
			return;
		}
	}
}

/* What epoll said. Frees nothing, since the caller has more events to look at. */
void conn_event(struct conn *c, uint32_t events)
{
	c->readable |= !!(events & (EPOLLIN | EPOLLRDHUP));
	c->writable |= !!(events & EPOLLOUT);
	c->end_seen |= !!(events & EPOLLRDHUP);
	c->dead |= !!(events & (EPOLLERR | EPOLLHUP));
	conn_run_later(c);
}

/* Whether some can go on without another word from epoll. */
bool conn_more(void)
{
	return !link_empty(&run);
}

/* One step of each connection that can go on. */
void conn_run_all(void)
{
	struct link now;

	link_take(&run, &now);
	while (!link_empty(&now)) {
		struct conn *c = container(now.next, struct conn, run);

		link_del(&c->run);
		if (c->dead)
			conn_close(c);
		else if (c->state == REQUEST)
			receive_request(c);
		else if (c->state == SEND)
			response_send(c);
		else if (c->state == DRAIN)
			drain(c);
	}
}

/*
 * Room for one more, if need be by closing the connection that has been idle for longest. One
 * that has asked for nothing yet gets a second for it.
 */
static bool make_room(void)
{
	struct link *l;
	unsigned looked = 0;

	if (nr_conns < opt.conns)
		return true;
	for (l = ages.next; l != &ages && looked < 64; l = l->next, looked++) {
		struct conn *c = container(l, struct conn, age);

		if (c->state == REQUEST && c->in_fill == c->in_used && !c->readable &&
		    (c->in_used || now_ms - c->since_ms >= 1000)) {
			conn_close(c);
			return true;
		}
	}
	return false;
}

/* Takes those that wait; false when there is no room for more. */
bool conn_accept(int listener)
{
	unsigned n;

	for (n = 0; n < 64; n++) {
		struct conn *c;
		int fd;

		if (!make_room())
			return false;
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return errno != EMFILE && errno != ENFILE && errno != ENOMEM &&
			       errno != ENOBUFS;
		c = calloc(1, sizeof(*c));
		if (!c) {
			close(fd);
			return false;
		}
		c->fd = fd;
		c->writable = true;
		link_init(&c->run);
		link_init(&c->age);
		link_init(&c->work);
		nr_conns++;
		stats.conns++;
		conn_phase(c, REQUEST);
		if (!loop_watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c))
			conn_close(c);
	}
	return true;
}

void conn_expire(void)
{
	while (!link_empty(&ages)) {
		struct conn *c = container(ages.next, struct conn, age);

		if (now_ms - c->since_ms < opt.timeout_ms)
			return;
		stats.timeouts++;
		conn_close(c);
	}
}

/* Milliseconds until the next one expires, or -1. */
int conn_next_timeout(void)
{
	uint64_t age;

	if (link_empty(&ages))
		return -1;
	age = now_ms - container(ages.next, struct conn, age)->since_ms;
	return age < opt.timeout_ms ? (int)(opt.timeout_ms - age) : 0;
}
