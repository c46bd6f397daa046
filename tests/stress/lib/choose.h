/* SPDX-License-Identifier: GPL-2.0-only */
/* What a read of the mix asks for. */
#ifndef STRESS_CHOOSE_H
#define STRESS_CHOOSE_H

#include "model.h"
#include "mutate.h"

/* Where: anywhere, on a unit or on a page; now and then across the end, or behind it. */
uint64_t choose_offset(const struct model *m, struct rng *r, uint32_t len);
/* How, and whether by vectors. */
void choose_kind(struct answer *a, struct rng *r);

#endif /* STRESS_CHOOSE_H */
