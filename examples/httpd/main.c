// SPDX-License-Identifier: MIT
/*
 * nbhttpd: a file server over HTTP/1.1, with sockets and the ring of nbread in one epoll loop.
 *
 *   nbhttpd [OPTION...] ROOT
 *
 * One thread does it all: no read waits for the bytes of a file to come from a disk (the open of
 * one may, and what says where its bytes are may be read in the call), and cached data costs no
 * second thread.
 * The other engines are the ways in which servers read files without nbread, behind the same
 * loop, parser and response, so that they can be compared: 'sendfile' and 'pread' wait for the
 * disk in the loop, 'pool' hands each read to a thread, 'try+pool' only those that
 * preadv2(RWF_NOWAIT) does not answer.
 *
 * Prints where it listens; and on SIGUSR1, and when SIGTERM or SIGINT ends it, a line of
 * counters, among them its CPU time and context switches.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "nbhttpd.h"

#define EVENTS 256

struct options opt = {
	.address = "127.0.0.1",
	.port = "8080",
	.engine = "nbread",
	.conns = 1024,
	.files = 16384,
	.threads = 32,
	.chunk = 128 * 1024,
	.timeout_ms = 30000,
	.fresh_ms = 60000,
};
struct stats stats;
uint64_t now_ms;
const struct engine *engine;

static int epfd, listener, signals;
static bool accept_paused;
static uint64_t paused_ms;
/* What an event is about, where it is not a connection. */
static char is_listener, is_signal, is_engine;

void die(const char *what, int err)
{
	fprintf(stderr, "nbhttpd: %s: %s\n", what, strerror(err));
	exit(1);
}

void *must(void *p)
{
	if (!p)
		die("memory", ENOMEM);
	return p;
}

bool loop_watch(int fd, uint32_t events, void *what)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void must_watch(int fd, void *what)
{
	if (!loop_watch(fd, EPOLLIN, what))
		die("epoll", errno);
}

/* Those that come meanwhile wait in the backlog of the socket. */
void loop_pause_accept(bool pause)
{
	struct epoll_event ev = { .events = pause ? 0 : EPOLLIN, .data.ptr = &is_listener };

	if (pause != accept_paused && epoll_ctl(epfd, EPOLL_CTL_MOD, listener, &ev))
		die("epoll", errno);
	if (pause && !accept_paused)
		paused_ms = now_ms;
	accept_paused = pause;
}

static void tick(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void print_stats(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	printf("stats engine=%s requests=%lu bytes=%lu conns=%lu refused=%lu errors=%lu timeouts=%lu "
	       "reads=%lu calls=%lu hits=%lu waited=%lu punted=%lu cpu_us=%llu user_us=%llu "
	       "voluntary=%ld involuntary=%ld span_ms=%llu\n",
	       engine->name, stats.requests, stats.bytes, stats.conns, stats.refused, stats.errors,
	       stats.timeouts, stats.reads, stats.calls, stats.hits, stats.waited, stats.punted,
	       (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000ull +
		       (unsigned long long)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec),
	       ru.ru_utime.tv_sec * 1000000ull + (unsigned long long)ru.ru_utime.tv_usec,
	       ru.ru_nvcsw, ru.ru_nivcsw, (unsigned long long)(stats.last_ms - stats.first_ms));
	fflush(stdout);
	stats.first_ms = stats.last_ms = 0;
}

static void listen_failed(int err)
{
	fprintf(stderr, "nbhttpd: cannot listen on %s port %s: %s%s\n", opt.address, opt.port,
		strerror(err),
		err == EADDRINUSE ? ". Another program does; take another --port" :
		err == EACCES	  ? ". Ports below 1024 are root's; take another --port" :
				    "");
	exit(1);
}

static int open_listener(void)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM };
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[64], port[16];
	struct addrinfo *ai;
	int fd, ret, one = 1;

	ret = getaddrinfo(opt.address, opt.port, &hints, &ai);
	if (ret) {
		fprintf(stderr, "nbhttpd: %s, port %s: %s\n", opt.address, opt.port,
			gai_strerror(ret));
		exit(1);
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Its connections inherit it: a response leaves at once, also after another one. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		listen_failed(errno);
	freeaddrinfo(ai);
	getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	printf("nbhttpd: engine %s, root %s, listening on %s port %s\n", engine->name, opt.root,
	       host, port);
	fflush(stdout);
	return fd;
}

/* Descriptors for all that the options allow, or less of it. */
static void fit_limits(void)
{
	struct rlimit lim;
	rlim_t want = 2 * (rlim_t)opt.conns + opt.files + 64;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		die("RLIMIT_NOFILE", errno);
	if (lim.rlim_cur < want) {
		lim.rlim_cur = lim.rlim_max < want ? lim.rlim_max : want;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (lim.rlim_cur >= want)
		return;
	if (lim.rlim_cur < 256)
		die("too few descriptors (ulimit -n)", EMFILE);
	if (opt.conns > lim.rlim_cur / 4)
		opt.conns = (unsigned)lim.rlim_cur / 4;
	if (opt.files > lim.rlim_cur - 2 * opt.conns - 64)
		opt.files = (unsigned)lim.rlim_cur - 2 * opt.conns - 64;
	fprintf(stderr, "nbhttpd: ulimit -n allows %u connections and %u open files\n", opt.conns,
		opt.files);
}

static bool stop_signal(void)
{
	struct signalfd_siginfo si;
	bool stop = false;

	while (read(signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR1)
			print_stats();
		else
			stop = true;
	}
	return stop;
}

static void loop(void)
{
	struct epoll_event ev[EVENTS];
	bool more = false;

	for (;;) {
		bool ready = false, accepting = false;
		int i, n, timeout = conn_next_timeout();

		/* Not only a closed connection makes room: so does another process. */
		if (accept_paused && (timeout < 0 || timeout > 1000))
			timeout = 1000;
		n = epoll_wait(epfd, ev, EVENTS, more ? 0 : timeout);
		if (n < 0 && errno != EINTR)
			die("epoll", errno);
		tick();
		if (accept_paused && now_ms - paused_ms >= 1000)
			loop_pause_accept(false);
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == &is_listener)
				accepting = true;
			else if (ev[i].data.ptr == &is_engine)
				ready = true;
			else if (ev[i].data.ptr != &is_signal)
				conn_event(ev[i].data.ptr, ev[i].events);
			else if (stop_signal())
				return;
		}
		/* From here on connections may go. */
		if (accepting && !conn_accept(listener))
			loop_pause_accept(true);
		conn_run_all();
		more = engine->flush(ready);
		more |= conn_more();
		conn_expire();
	}
}

static unsigned arg(const char *name, const char *s, unsigned least, unsigned most)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*end || end == s || n < least || n > most) {
		fprintf(stderr, "nbhttpd: --%s wants a number from %u to %u\n", name, least, most);
		exit(2);
	}
	return (unsigned)n;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: nbhttpd [OPTION...] ROOT\n"
		"  --engine E   nbread (default), sendfile, pread, pool, try+pool\n"
		"  --bind A     address, default 127.0.0.1; --port N, default 8080, 0: any\n"
		"  --conns N    connections at a time, default 1024\n"
		"  --files N    open files kept, default 16384; --fresh S: for so long, default 60\n"
		"  --threads N  of the pool, default 32; --chunk N: KiB of a read, default 128\n"
		"  --timeout S  for a request to come, a read, a chunk to go, default 30\n");
	exit(2);
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "engine", 1, NULL, 'e' },  { "bind", 1, NULL, 'b' },	{ "port", 1, NULL, 'p' },
		{ "conns", 1, NULL, 'c' },   { "files", 1, NULL, 'f' }, { "fresh", 1, NULL, 'r' },
		{ "threads", 1, NULL, 't' }, { "chunk", 1, NULL, 'k' }, { "timeout", 1, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	static const struct engine *const engines[] = { &nbread_engine, &sendfile_engine,
							&pread_engine, &pool_engine,
							&try_pool_engine };
	unsigned i;
	int o;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (o) {
		case 'e':
			opt.engine = optarg;
			break;
		case 'b':
			opt.address = optarg;
			break;
		case 'p':
			opt.port = optarg;
			break;
		case 'c':
			opt.conns = arg("conns", optarg, 1, 32768);
			break;
		case 'f':
			opt.files = arg("files", optarg, 1, 1 << 20);
			break;
		case 'r':
			opt.fresh_ms = 1000 * arg("fresh", optarg, 0, 86400);
			break;
		case 't':
			opt.threads = arg("threads", optarg, 1, 1024);
			break;
		case 'k':
			opt.chunk = 1024 * arg("chunk", optarg, 4, 1024);
			break;
		case 'o':
			opt.timeout_ms = 1000 * arg("timeout", optarg, 1, 86400);
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1)
		usage();
	opt.root = argv[optind];
	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (!strcmp(opt.engine, engines[i]->name))
			engine = engines[i];
	if (!engine)
		usage();
}

int main(int argc, char **argv)
{
	sigset_t mask;
	int fd;

	parse_options(argc, argv);
	fit_limits();
	tick();
	fd = files_init();
	if (fd)
		die(opt.root, -fd);

	/* Before any thread is there, so that all have them blocked. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (signals < 0 || epfd < 0)
		die("epoll", errno);
	conn_init();
	response_init();
	fd = engine->start();
	if (fd >= 0)
		must_watch(fd, &is_engine);
	must_watch(signals, &is_signal);
	listener = open_listener();
	must_watch(listener, &is_listener);

	loop();
	print_stats();
	return 0;
}
