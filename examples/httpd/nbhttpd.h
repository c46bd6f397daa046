/* SPDX-License-Identifier: MIT */
/*
 * nbhttpd: what its files share. Data flows one way: main.c (the loop) finds out which
 * connections can go on, conn.c takes each to its next request, http.c understands that,
 * response.c answers it, files.c has the open file, an engine brings the bytes.
 */
#ifndef NBHTTPD_H
#define NBHTTPD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* A request line and its headers must fit; longer ones are 431. */
#define MAX_REQUEST 8192
/* Bytes that a client may still send to a connection that we close. */
#define MAX_DRAIN (256 * 1024)

struct options {
	const char *root;
	const char *address;
	const char *port;
	const char *engine;
	unsigned conns; /* connections at a time */
	unsigned files; /* open files kept */
	unsigned threads; /* of the pool */
	unsigned chunk; /* bytes of one read */
	unsigned timeout_ms; /* for each phase of a connection */
	unsigned fresh_ms; /* for so long an open file is not looked up again */
};

struct stats {
	unsigned long conns, requests, bytes, errors, timeouts, refused;
	unsigned long reads, hits, waited, punted, calls;
	uint64_t first_ms, last_ms; /* responses since they were last printed */
};

extern struct options opt;
extern struct stats stats;
extern uint64_t now_ms;

/* A doubly linked list with a head, as the kernel's. */
struct link {
	struct link *prev, *next;
};

static inline void link_init(struct link *l)
{
	l->prev = l->next = l;
}

static inline bool link_empty(const struct link *l)
{
	return l->next == l;
}

static inline void link_del(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	link_init(l);
}

static inline void link_add_tail(struct link *l, struct link *head)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Moves all of @from, which becomes empty, to @to, whose content does not matter. */
static inline void link_take(struct link *from, struct link *to)
{
	link_init(to);
	if (!link_empty(from)) {
		*to = *from;
		to->prev->next = to;
		to->next->prev = to;
		link_init(from);
	}
}

#define container(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* An open file: files.c */
struct file {
	struct file *chain;
	struct link lru;
	unsigned refs;
	bool hashed;
	int fd;
	uint64_t size;
	uint64_t opened_ms;
	struct timespec mtime;
	uint32_t hash;
	char modified[32];
	char path[];
};

int files_init(void);
struct file *file_get(const char *path, int *error);
void file_put(struct file *f);
void file_stale(struct file *f);
bool file_is_of(const struct file *f, const char *date);

/* A request, understood: http.c */
struct request {
	bool head;
	bool keep_alive, close; /* close: it was said, and is not taken back */
	enum { RANGE_NONE, RANGE_FROM, RANGE_LAST } range;
	uint64_t first, last; /* RANGE_LAST: the last 'last' bytes */
	const char *if_modified, *if_range; /* within the buffer that was parsed */
	char path[PATH_MAX];
};

int http_parse(char *buf, size_t len, size_t *scanned, struct request *req);
const char *http_reason(int status);
const char *http_type(const char *path);
const char *http_date(void);
void http_format_time(char *out, size_t size, int64_t seconds);

/* A connection: conn.c. Its buffer belongs to the engine while the state is READ. */
struct conn {
	int fd; /* -1: closed, but the engine still owes the end of a read */
	enum { REQUEST, READ, SEND, DRAIN } state;
	bool readable, writable; /* as far as the last edge of epoll said */
	bool end_seen, eof; /* the client sends no more: by epoll, and read */
	bool dead, gone; /* by epoll; and closed, while a read is in flight */
	bool keep_alive;
	struct link run; /* it can go on */
	struct link age; /* by the begin of the phase, oldest first */
	uint64_t since_ms;

	struct file *file;
	uint64_t off, left; /* of the file: the next byte to read, how many */
	char *buf;
	unsigned want; /* bytes that the engine is to read */
	unsigned fill, sent; /* of buf */
	unsigned phase_sent; /* by engine->send, since the phase began */
	unsigned head_fill, head_sent;
	size_t drained;
	struct link work; /* of the engine, as res */
	int res;

	size_t in_fill, in_used, scanned; /* of 'in'; in_used: the request being answered */
	char head[512];
	char in[MAX_REQUEST];
};

void conn_init(void);
bool conn_accept(int listener);
void conn_event(struct conn *c, uint32_t events);
void conn_run_all(void);
bool conn_more(void);
void conn_expire(void);
int conn_next_timeout(void);
void conn_phase(struct conn *c, int state);
void conn_run_later(struct conn *c);
void conn_finish(struct conn *c);
void conn_close(struct conn *c);

/* A response: response.c. Each of these may be the end of the connection. */
void response_init(void);
void respond(struct conn *c, const struct request *req);
void respond_error(struct conn *c, int status, bool keep_alive, bool head_only);
void response_send(struct conn *c);
void response_end(struct conn *c);
/* From the engine: the read that it was given ended. Never called within engine->read(). */
void conn_read_done(struct conn *c, int res);

/*
 * Who brings the bytes. 'read' takes a job: c->want bytes at c->off of c->file into c->buf.
 * 'flush' is called once in each turn of the loop, with whether the descriptor that 'start'
 * returned is readable; it starts the jobs, hands over those that are done, and says whether
 * it has more to do at once.
 */
struct engine {
	const char *name;
	int (*start)(void); /* a descriptor to watch, or -1 */
	void (*read)(struct conn *c);
	bool (*flush)(bool ready);
	void (*cancel)(struct conn *c); /* may be NULL: then it has to be waited for */
	ssize_t (*send)(struct conn *c); /* or: from file to socket, without 'read' */
};

extern const struct engine nbread_engine, pread_engine, sendfile_engine, pool_engine,
	try_pool_engine;
extern const struct engine *engine;

bool loop_watch(int fd, uint32_t events, void *what);
void loop_pause_accept(bool pause);
void die(const char *what, int err) __attribute__((noreturn));
void *must(void *p);

#endif
