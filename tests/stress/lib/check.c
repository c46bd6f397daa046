// SPDX-License-Identifier: GPL-2.0-only
/* Does an answer fit the model? See model.h for what may be seen. */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/nbread.h>

#define PAGE 4096u
#define load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)

/* What one unit may hold: sampled before the read, completed after it. */
struct allowed {
	const struct model *m;
	uint64_t unit;
	uint32_t gen, seq, cut; /* settled before the read */
	uint32_t high;
	bool zero;
};

static void allow(struct allowed *w, const struct answer *a, uint64_t unit, struct fault *why)
{
	uint64_t base = a->base[unit - a->off / UNIT];

	w->m = a->m;
	w->unit = unit;
	w->gen = BASE_GEN(base);
	w->seq = BASE_SEQ(base);
	w->cut = BASE_CUT(base);
	w->high = load(&a->m->high[unit]);
	w->zero = load(&a->m->zero[unit]) > w->seq;
	why->raced |= w->high > w->seq;
}

/* @at: of the word, in the unit. */
static bool word_fits(const struct allowed *w, unsigned int at, uint64_t value)
{
	uint64_t index = w->unit * (UNIT / 8) + at / 8;
	uint32_t gen = (uint32_t)value;

	if (!value)
		return w->zero || !w->gen || at >= w->cut;
	if (value != model_word(w->m, index, gen))
		return false;
	if (gen == w->gen)
		return at < w->cut;
	return gen > w->seq && gen <= w->high;
}

/* One byte of a word: does any value that the word may have fit? */
static bool byte_fits(const struct allowed *w, unsigned int at, unsigned char value)
{
	uint64_t index = w->unit * (UNIT / 8) + at / 8;
	unsigned int shift = at % 8 * 8;
	uint32_t gen;

	if (w->zero || !w->gen || at >= w->cut) {
		if (!value)
			return true;
	}
	if (w->gen && at < w->cut &&
	    (unsigned char)(model_word(w->m, index, w->gen) >> shift) == value)
		return true;
	for (gen = w->seq + 1; gen <= w->high; gen++) {
		if ((unsigned char)(model_word(w->m, index, gen) >> shift) == value)
			return true;
	}
	return false;
}

static void describe(struct fault *why, const struct allowed *w, unsigned int at, const char *what,
		     unsigned long long got)
{
	unsigned long long index = w->unit * (UNIT / 8) + at / 8;
	uint32_t gen = at < w->cut ? w->gen : 0;
	char later[64] = "";

	if (w->high > w->seq)
		snprintf(later, sizeof(later), " or a generation in [%u, %u]%s", w->seq + 1,
			 w->high, w->zero && gen ? " or zero" : "");
	snprintf(
		why->text, sizeof(why->text),
		"%s at file offset %llu (word %llu of file %u): got %016llx, expected %s %u%s, that is %016llx",
		what, (unsigned long long)(w->unit * UNIT + at), index, w->m->id, got,
		gen ? "generation" : "zero, generation", gen, later,
		gen ? (unsigned long long)model_word(w->m, index, gen) : 0ull);
}

static bool check_bytes(const struct allowed *w, unsigned int at, const unsigned char *p,
			unsigned int n, struct fault *why)
{
	for (; n; n--, at++, p++) {
		if (byte_fits(w, at, *p))
			continue;
		describe(why, w, at, "wrong byte", *p);
		return false;
	}
	return true;
}

static bool check_words(const struct allowed *w, unsigned int at, const unsigned char *p,
			unsigned int n, struct fault *why)
{
	uint64_t expect = model_word(w->m, w->unit * (UNIT / 8) + at / 8, w->gen);
	uint64_t step = 1ull << 32;
	uint64_t wrong = 0;
	uint64_t value;
	unsigned int i;

	/* Nearly always: nothing changed, all words of one generation. */
	if (!w->gen)
		expect = step = 0;
	if (w->cut == UNIT) {
		for (i = 0; i < n; i++) {
			memcpy(&value, p + 8 * i, 8);
			wrong |= value ^ expect;
			expect += step;
		}
		if (!wrong)
			return true;
	}
	for (i = 0; i < n; i++) {
		memcpy(&value, p + 8 * i, 8);
		if (word_fits(w, at + 8 * i, value))
			continue;
		describe(why, w, at + 8 * i, "wrong word", value);
		return false;
	}
	return true;
}

/* @n bytes at @p answer the file's bytes from @off on. */
static bool check_data(const struct answer *a, uint64_t off, const unsigned char *p, uint64_t n,
		       struct fault *why)
{
	unsigned int at, part, head, words;
	struct allowed w;

	while (n) {
		at = off % UNIT;
		part = n < UNIT - at ? n : UNIT - at;
		allow(&w, a, off / UNIT, why);
		head = -at & 7;
		if (head > part)
			head = part;
		words = (part - head) / 8;
		if (!check_bytes(&w, at, p, head, why) ||
		    !check_words(&w, at + head, p + head, words, why) ||
		    !check_bytes(&w, at + head + 8 * words, p + head + 8 * words,
				 part - head - 8 * words, why))
			return false;
		off += part;
		p += part;
		n -= part;
	}
	return true;
}

static uint32_t up_to(uint64_t size, const struct answer *a)
{
	uint64_t there = size > a->off ? size - a->off : 0;

	return there < a->len ? there : a->len;
}

/*
 * The file had sizes between two bounds during the read (a write that extends
 * it grows it in steps), so a whole answer has a length between two bounds:
 * one length exactly when the size did not change.
 *
 * Up to 6.12 tmpfs's own read, which a worker does, looks at the size once more when it has
 * the page, and only asks whether the file ends in that very page: a truncation in between
 * to an earlier page has it deliver the page's rest too, behind what ever was the end
 * (shmem_file_read_iter(); pread(2) does the same).
 */
static void whole_answer(const struct answer *a, uint32_t *least, uint32_t *most, struct fault *why)
{
	uint64_t end = load(&a->m->sizes_started);
	uint64_t min = UINT64_MAX;
	uint64_t max = 0;
	uint64_t i, size;

	/* A log that wrapped would excuse anything. */
	if (end - a->size_index >= SIZE_LOG)
		abort();
	for (i = a->size_index; i < end; i++) {
		size = a->m->sizes[i % SIZE_LOG];
		min = size < min ? size : min;
		max = size > max ? size : max;
	}
	*least = up_to(min, a);
	*most = up_to(max, a);
	if (a->m->pageout && min < max && (!a->have_flags || a->flags & NBREAD_CQE_PUNTED)) {
		max = (max + PAGE - 1) / PAGE * PAGE;
		*most = up_to(max < a->m->max ? max : a->m->max, a);
	}
	why->raced = *least != *most;
}

static bool check_flags(const struct answer *a, uint32_t least, uint32_t most, bool cached)
{
	bool hit = a->flags & NBREAD_CQE_HIT;
	bool later = a->flags & (NBREAD_CQE_WAITED | NBREAD_CQE_PUNTED);

	if (a->res <= 0)
		return !(cached && later) && !(hit && a->res < 0);
	if (a->kind == KIND_ASYNC)
		return a->flags & NBREAD_CQE_PUNTED;
	if (hit && (later || (uint32_t)a->res < least))
		return false;
	/* A cached-only read that is complete found every byte resident. */
	if (cached && least == most && !hit && (uint32_t)a->res == most)
		return false;
	return !(cached && later);
}

bool model_check(const struct answer *a, struct fault *why)
{
	bool cached = a->kind == KIND_CACHED || a->kind == KIND_NOIO || a->kind == KIND_TRY;
	uint64_t off = a->off;
	uint32_t least, most, left;
	const char *what = NULL;
	unsigned int i;

	whole_answer(a, &least, &most, why);
	if (a->res < 0) {
		if (!cached || a->res != -EAGAIN)
			what = "an error";
		else if (!most && a->m->quiet && !a->m->window && !a->m->worker)
			what = "-EAGAIN at end of file (a lock that would explain it is held by nobody)";
	} else if ((uint32_t)a->res > most) {
		what = "more than the file had";
	} else if (cached ? !a->res && least : (uint32_t)a->res < least) {
		what = a->res ? "a short read" : "a false end of file";
	}
	if (what) {
		snprintf(why->text, sizeof(why->text),
			 "wrong length, %s: a whole answer has %u to %u bytes, res is %d%s%s", what,
			 least, most, a->res, a->res < 0 ? ", " : "",
			 a->res < 0 ? strerror(-a->res) : "");
		return false;
	}
	left = a->res > 0 ? a->res : 0;
	for (i = 0; i < a->niov && left; i++) {
		uint32_t n = left < a->iov[i].iov_len ? left : a->iov[i].iov_len;

		if (!check_data(a, off, a->iov[i].iov_base, n, why))
			return false;
		off += n;
		left -= n;
	}
	if (a->have_flags && !check_flags(a, least, most, cached)) {
		snprintf(why->text, sizeof(why->text),
			 "wrong flags %#x%s%s%s: a whole answer has %u to %u bytes, res is %d",
			 a->flags, a->flags & NBREAD_CQE_HIT ? " HIT" : "",
			 a->flags & NBREAD_CQE_WAITED ? " WAITED" : "",
			 a->flags & NBREAD_CQE_PUNTED ? " PUNTED" : "", least, most, a->res);
		return false;
	}
	return true;
}
