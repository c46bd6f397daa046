// SPDX-License-Identifier: GPL-2.0-only
/* See choose.h. */
#include "choose.h"

uint64_t choose_offset(const struct model *m, struct rng *r, uint32_t len)
{
	uint64_t size = model_size(m);
	uint64_t near = size > len ? size - len : 0;
	uint64_t off;

	if (!m->at_end) /* the next window is another file */
		off = rnd_below(r, m->max - len + 1);
	else if (rnd_below(r, 6)) /* else across the end, or behind it */
		off = rnd_below(r, size);
	else
		off = near + rnd_below(r, size + 4096 - near);
	switch (rnd_below(r, 4)) {
	case 0:
		return off;
	case 1:
		return off / UNIT * UNIT;
	default:
		return off / 4096 * 4096;
	}
}

void choose_kind(struct answer *a, struct rng *r)
{
	static const unsigned char share[KINDS] = { 30, 15, 15, 10, 15, 15 };
	unsigned int dice = rnd_below(r, 100);
	unsigned int sum = 0;
	unsigned int k;

	for (k = 0; k < KINDS - 1; k++) {
		sum += share[k];
		if (dice < sum)
			break;
	}
	a->kind = k;
	a->vec = k == KIND_READV || (k != KIND_READ && k != KIND_TRY && rnd(r) & 1);
}
