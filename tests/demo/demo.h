/* SPDX-License-Identifier: GPL-2.0-only */
/* The demo's files, and the engines that read them all through. */
#ifndef DEMO_H
#define DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK (128u << 10)
#define DEPTH 32

struct file {
	char *source;
	char *copy;
	int fd;
	size_t size;
	unsigned char *data; /* where the engines put what they read */
	unsigned char sha256[32]; /* of the source */
};

/* One read of up to CHUNK bytes; an engine shortens it as bytes come in. */
struct chunk {
	struct file *file;
	size_t off;
	size_t len;
};

struct chunks {
	struct chunk *chunk;
	unsigned int n;
};

/* What one pass over all files took. */
struct pass {
	double ms;
	uint64_t hits, waited, punted;
	long switches;
	int threads;
	const char *why; /* what went wrong */
};

struct engine {
	const char *name;
	bool counts_hits; /* knows which reads were hits and which it handed to a worker */
	bool counts_waits;
	int (*init)(void); /* 0 or -errno; outside the clock */
	int (*run)(const struct chunks *c, struct pass *p);
	void (*exit)(void);
};

extern const struct engine engines[];
extern const unsigned int nr_engines;

#endif /* DEMO_H */
