// SPDX-License-Identifier: GPL-2.0-only
/* The mutator's and the sampling side of the model; see model.h. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const kind_name[KINDS] = { "READ", "READV", "CACHED", "NOIO", "TRY", "ASYNC" };

#define load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)

/* A new model holds zeroes; fill it with a mutation. */
int model_init(struct model *m, unsigned int id, uint64_t max, uint64_t size)
{
	uint64_t units = max / UNIT;
	uint64_t u;

	memset(m, 0, sizeof(*m));
	m->id = id;
	m->clone_fd = -1;
	m->max = max;
	m->base = calloc(units, sizeof(*m->base));
	m->high = calloc(units, sizeof(*m->high));
	m->zero = calloc(units, sizeof(*m->zero));
	m->sizes = calloc(SIZE_LOG, sizeof(*m->sizes));
	if (!m->base || !m->high || !m->zero || !m->sizes)
		return -1;
	for (u = 0; u < units; u++)
		m->base[u] = BASE(0, 0, UNIT);
	m->sizes[0] = size;
	m->sizes_started = 1;
	m->sizes_done = 1;
	return 0;
}

void model_free(struct model *m)
{
	free(m->base);
	free(m->high);
	free(m->zero);
	free(m->sizes);
	free(m->name);
}

uint64_t model_size(const struct model *m)
{
	return m->sizes[(load(&m->sizes_done) - 1) % SIZE_LOG];
}

/* @off and @len in whole words. */
void model_fill(const struct model *m, uint64_t off, uint64_t len, uint32_t gen, void *buf)
{
	uint64_t *word = buf;
	uint64_t i;

	for (i = 0; i < len / 8; i++)
		word[i] = model_word(m, off / 8 + i, gen);
}

uint32_t model_begin(struct model *m, uint64_t from, uint64_t to, bool zeroes, uint64_t size)
{
	uint32_t seq = ++m->seq;
	uint64_t u;

	/* 27 bits in a base; a run makes some ten thousand. */
	if (seq >> 27)
		abort();
	for (u = from / UNIT; u < (to + UNIT - 1) / UNIT; u++) {
		if (zeroes)
			store(&m->zero[u], seq);
		store(&m->high[u], seq);
	}
	if (size != model_size(m)) {
		m->sizes[m->sizes_started % SIZE_LOG] = size;
		store(&m->sizes_started, m->sizes_started + 1);
	}
	return seq;
}

void model_end(struct model *m, uint32_t seq, uint64_t from, uint64_t to, bool zeroes)
{
	uint64_t u = from / UNIT;
	uint64_t base;

	if (from % UNIT) { /* only truncate: the unit's head stays, its tail is zero */
		base = m->base[u];
		store(&m->base[u],
		      BASE(BASE_GEN(base), seq,
			   BASE_CUT(base) < from % UNIT ? BASE_CUT(base) : from % UNIT));
		u++;
	}
	for (; u < (to + UNIT - 1) / UNIT; u++)
		store(&m->base[u], BASE(zeroes ? 0 : seq, seq, UNIT));
	store(&m->sizes_done, m->sizes_started);
}

void model_sample(const struct model *m, struct answer *a)
{
	uint64_t first = a->off / UNIT;
	uint64_t end = (a->off + a->len + UNIT - 1) / UNIT;
	uint64_t u;

	a->size_index = load(&m->sizes_done) - 1;
	if (end > m->max / UNIT)
		end = m->max / UNIT;
	for (u = first; u < end; u++)
		a->base[u - first] = load(&m->base[u]);
}

/* The stretch of memory that the read's vectors lie in, canaries not counted. */
static void span(const struct answer *a, unsigned char **from, unsigned char **to)
{
	const struct iovec *last = &a->iov[a->niov - 1];

	*from = a->iov[0].iov_base;
	*to = (unsigned char *)last->iov_base + last->iov_len;
}

void buffer_poison(const struct answer *a)
{
	unsigned char *from, *to;

	span(a, &from, &to);
	memset(from - CANARY, POISON, to - from + 2 * CANARY);
}

static const unsigned char *not_poison(const unsigned char *p, const unsigned char *end)
{
	static const unsigned char poison[64] = { [0 ... 63] = POISON };

	while (end - p >= 64 && !memcmp(p, poison, 64))
		p += 64;
	while (p < end && *p == POISON)
		p++;
	return p < end ? p : NULL;
}

/*
 * May bytes behind those that were counted have been written? In a file that others
 * truncate, yes: pread too may have copied what a truncate then took away. With no
 * bytes at all only a read that came in steps can have done so (docs/design.md,
 * reread): never one that does not wait.
 */
static bool may_spill(const struct answer *a)
{
	bool waits = a->kind == KIND_READ || a->kind == KIND_READV || a->kind == KIND_ASYNC;

	return !a->m->quiet && (a->res > 0 || (a->res == 0 && waits));
}

/*
 * Nothing outside the vectors was touched; nothing inside when there is no data;
 * nothing behind the bytes that were counted, but for may_spill().
 */
bool buffer_check(const struct answer *a, struct fault *why)
{
	uint64_t left = a->res > 0 ? a->res : 0;
	const unsigned char *p, *gap, *bad;
	unsigned char *from, *to;
	unsigned int i;

	span(a, &from, &to);
	gap = from - CANARY;
	for (i = 0; i < a->niov; i++) {
		p = a->iov[i].iov_base;
		bad = not_poison(gap, p);
		if (bad) {
			snprintf(
				why->text, sizeof(why->text),
				"the byte %td before vector %u of the buffer was overwritten with %02x",
				p - bad, i, *bad);
			return false;
		}
		gap = p + a->iov[i].iov_len;
		if (may_spill(a))
			continue;
		p += left < a->iov[i].iov_len ? left : a->iov[i].iov_len;
		left -= left < a->iov[i].iov_len ? left : a->iov[i].iov_len;
		bad = not_poison(p, gap);
		if (bad) {
			snprintf(why->text, sizeof(why->text),
				 "byte %td of vector %u was overwritten, but res is %d",
				 bad - (unsigned char *)a->iov[i].iov_base, i, a->res);
			return false;
		}
	}
	bad = not_poison(gap, to + CANARY);
	if (bad) {
		snprintf(why->text, sizeof(why->text),
			 "the byte %td behind the buffer was overwritten with %02x", bad - gap,
			 *bad);
		return false;
	}
	return true;
}
