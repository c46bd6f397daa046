// SPDX-License-Identifier: GPL-2.0-only
/*
 * blocking.c - one blocking read by a worker.
 *
 * Role: read what cannot wait by callback, in turns, until all is there or the file ends; and
 * let no program that was killed wait for that: a turn that may wait for a disk or a server is
 * made without the program's memory map, into pages that were pinned before (held.c).
 * Callers: worker.c. Context: worker, with the submitter's credentials and cgroups. Locks: none;
 * ->read_iter takes its own. References: the request's; the stead's of the mm, as long as
 * a turn needs it.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

/* A blocking read that says -EAGAIN all the same is asked so many times. */
#define NB_EAGAIN_TRIES 8

/* Is one ->read_iter one read to others that write? More than one would be several. */
static bool is_one_read(const struct nb_req *req)
{
	return nb_fm_is_atomic(req->row) || nb_stacked_is_atomic(req->file);
}

/*
 * May it be cut? Where the file system's own code was looked at: of others (NFS, 9p, ceph) one
 * read may be atomic, too, as long as it does not come short.
 */
static bool may_cut(const struct nb_req *req)
{
	return req->row || nb_is_stacked(req->file) ||
	       file_inode(req->file)->i_sb->s_magic == FUSE_SUPER_MAGIC;
}

/*
 * May rw_verify_area() wait for somebody who may take for ever? For a listener; and SELinux reads a
 * label anew that a cluster's file system (gfs2, ceph) has dropped.
 */
static bool check_may_wait(const struct nb_req *req)
{
	return !nb_is_local(req->row, file_inode(req->file)) ||
	       nb_file_may_have_listener(req->file);
}

/*
 * May the next turn have to wait before it looks at the page cache? For a server that says whether
 * what is cached is good, for a listener, for a lock, for direct I/O. Where that was not
 * looked at, yes.
 */
static bool may_wait_first(const struct nb_req *req, struct inode *host)
{
	if (nb_is_stacked(req->file)) {
		if (!nb_fm_host_is_known(host) || nb_real_has_listeners(host))
			return true;
	} else if (!nb_is_local(req->row, host)) {
		return true;
	}
	if (!req->row && atomic_read(&host->i_dio_count))
		return true;
	if (!inode_trylock_shared(host))
		return true;
	inode_unlock_shared(host);
	return false;
}

/* Is the next turn answered out of the page cache, and nobody waited for? */
static bool is_resident(const struct nb_req *req, size_t len)
{
	struct file *file = req->file;
	struct inode *host = nb_is_stacked(file) ? nb_real_inode(file) : file->f_mapping->host;
	loff_t pos = req->pos + req->done;
	struct nb_folios fb;
	size_t got = 0, n;

	if (may_wait_first(req, host))
		return false;
	do {
		n = nb_fm_resident(host->i_mapping, pos + got, len - got, &fb);
		while (fb.nr)
			folio_put(fb.folios[--fb.nr]);
		got += n;
	} while (n && got < len);
	return got == len || pos + (loff_t)got >= i_size_read(host);
}

/*
 * Can the next turn do without the mm? Then its pages are pinned in @s. 9p without a cache would
 * ask its server for each page by itself (until 6.8), and come short in between.
 */
static bool pin_turn(struct nb_req *req, struct nb_stead *s, size_t len)
{
	if (!len || len > NB_HELD_BYTES || is_resident(req, len) ||
	    file_inode(req->file)->i_sb->s_magic == V9FS_MAGIC)
		return false;
	if (!s->held)
		s->held = kmalloc(sizeof(*s->held), GFP_KERNEL_ACCOUNT);
	return s->held && nb_held_pin(s->held, &req->dst, req->done, len);
}

/* Not more pages than one behind the @end: all are faulted in. Behind it i_size is no guide. */
static size_t up_to_end(size_t left, loff_t pos, loff_t end)
{
	if (pos < end && end - pos < (loff_t)left)
		left = min_t(size_t, left, end - pos + PAGE_SIZE - offset_in_page(end));
	return left;
}

/*
 * How much is asked for in the next turn. Two turns meet where two pages of the file do, as two
 * steps of filemap_read(): else a word that is written meanwhile could be half old. More than
 * there is, so that a read that ends with the file comes short. One that must not be cut is asked
 * for what there is, too, as long as that is the @whole of it.
 */
static size_t size_of_turn(const struct nb_req *req, bool cut, bool whole, loff_t end)
{
	size_t left = req->dst.len - req->done;
	loff_t pos = req->pos + req->done;

	if (cut)
		left = min_t(size_t, left, NB_HELD_BYTES - offset_in_page(pos));
	return cut || whole ? up_to_end(left, pos, end) : left;
}

/*
 * Where the next @len bytes go. Return: 1 if that is pinned in @s, 0 if not, -ECANCELED: there
 * is no program any more.
 */
static int begin_turn(struct nb_req *req, struct nb_stead *s, size_t len, struct iov_iter *iter)
{
	if (req->dst.kind == NB_DST_BUF) {
		nb_stead_drop_mm(req->ctx, s);
		if (nb_mm_is_abandoned(req->ctx->mm))
			return -ECANCELED;
	} else {
		if (!nb_stead_take_mm(req->ctx, s))
			return -ECANCELED;
		if (pin_turn(req, s, len)) {
			nb_stead_drop_mm(req->ctx, s);
			nb_held_iter(s->held, len, iter);
			return 1;
		}
	}
	nb_dst_iter(&req->dst, req->done, iter);
	iov_iter_truncate(iter, len);
	return 0;
}

/**
 * nb_read_blocking() - do the rest of a read, and wait for what it takes
 * @req:	whose worker this is
 * @s:		what the worker has taken over
 *
 * Return: 0 or -errno; how much was read is in @req.
 */
int nb_read_blocking(struct nb_req *req, struct nb_stead *s)
{
	struct file *file = req->file;
	bool at_once = is_one_read(req), cut = !at_once && may_cut(req), whole = at_once;
	unsigned int tries = 0;
	struct iov_iter iter;
	struct kiocb kiocb;
	loff_t pos = req->pos + req->done, end;
	int flags, pinned;
	size_t asked;
	ssize_t ret;

	if (!req->verified) {
		if (check_may_wait(req))
			nb_stead_drop_mm(req->ctx, s);
		ret = rw_verify_area(READ, file, &pos, req->dst.len - req->done);
		if (ret)
			return ret;
	}
	/* Once: a change in the midst would end a read short that has no end there. */
	init_sync_kiocb(&kiocb, file);
	flags = kiocb.ki_flags;
	if (flags & IOCB_DIRECT)
		return -EOPNOTSUPP;
	do {
		end = i_size_read(file->f_mapping->host);
		asked = size_of_turn(req, cut, whole, end);
		pinned = begin_turn(req, s, asked, &iter);
		if (pinned < 0) {
			req->done = 0; /* who shares the memory may not take it for the end */
			return pinned;
		}
		init_sync_kiocb(&kiocb, file);
		kiocb.ki_flags = flags;
		kiocb.ki_pos = req->pos + req->done;
		ret = file->f_op->read_iter(&kiocb, &iter);
		if (pinned)
			nb_held_unpin(s->held, true);
		if (ret > 0) {
			/* It grew meanwhile, over what was asked for: once more, whole. */
			if (whole && (size_t)ret == asked && asked < req->dst.len - req->done) {
				whole = false;
				continue;
			}
			req->done += ret;
			tries = 0;
			if (at_once)
				break;
			/*
			 * What was appended since is not part of it, as with pread(2). But one that
			 * is behind that end goes on: a server may know of more than i_size.
			 */
			if ((size_t)ret < asked && req->pos + (loff_t)req->done == end)
				break;
		} else if (ret != -EAGAIN || ++tries == NB_EAGAIN_TRIES) {
			break;
		}
		cond_resched();
	} while (req->done < req->dst.len);

	/* promise 1: a READ never ends with -EAGAIN */
	return ret == -EAGAIN ? -EIO : min_t(ssize_t, ret, 0);
}
