/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dst.h - where the bytes of a read go: user memory, or a registered buffer.
 *
 * Included by internal.h, before what is made of it.
 */
#ifndef NBREAD_DST_H
#define NBREAD_DST_H

#include <linux/bvec.h>
#include <linux/cacheflush.h>
#include <linux/sizes.h>
#include <linux/uio.h>

/**
 * struct nb_counted - what pinned memory counts as
 * @small:	pages, each a folio
 * @large:	runs of pages in large folios, which count whole
 */
struct nb_counted {
	unsigned long small;
	unsigned long large;
};

/**
 * struct nb_buf - a registered buffer
 * @refs:	one of its slot, one of each request that may write to it
 * @addr:	what the program calls it
 * @len:	bytes
 * @locked:	the account of its memory, with a reference
 * @counted:	what it is there
 * @work:	lets go of it, where the last reference goes in a context that may not sleep
 * @nr:		pieces
 * @start:	where in the buffer each piece begins
 * @bv:		the pieces, each of memory that is contiguous
 */
struct nb_buf {
	refcount_t refs;
	u32 nr;
	u64 addr;
	size_t len;
	struct nb_locked *locked;
	struct nb_counted counted;
	struct work_struct work;
	u32 *start;
	struct bio_vec bv[];
};

/* What a destination is. */
enum nb_dst_kind {
	NB_DST_USER, /* one buffer of the owner's mm */
	NB_DST_IOV, /* several */
	NB_DST_BUF, /* a part of a registered buffer */
};

/**
 * struct nb_dst - where the bytes go
 * @iov:	IOV: a copy of the program's vectors
 * @buf:	BUF: the buffer; a request has a reference, a submission nb_ctx.lock
 * @kind:	which of them
 * @nr_segs:	IOV: how many
 * @addr:	USER, BUF: the program's address
 * @len:	bytes wanted in all
 */
struct nb_dst {
	union {
		const struct iovec *iov;
		struct nb_buf *buf;
	};
	enum nb_dst_kind kind;
	unsigned int nr_segs;
	u64 addr;
	size_t len;
};

/* What of a buffer is pinned for one turn of a blocking read; it may begin within a page. */
#define NB_HELD_BYTES SZ_256K
#define NB_HELD_PAGES ((unsigned int)(NB_HELD_BYTES / PAGE_SIZE + 1))

/**
 * struct nb_held - a part of a program's buffer, pinned
 * @nr:		pages
 * @odd:	one of them may not be pinned and written to
 * @bv:		them
 */
struct nb_held {
	unsigned int nr;
	bool odd;
	struct bio_vec bv[NB_HELD_PAGES];
};

/*
 * Is what copy_folio_to_iter() does for a registered buffer just a copy in the kernel's
 * own mapping? Then filemap.c does it straight.
 */
#define NB_BUF_IS_MAPPED (!IS_ENABLED(CONFIG_HIGHMEM) && !ARCH_IMPLEMENTS_FLUSH_DCACHE_PAGE)

#endif /* NBREAD_DST_H */
