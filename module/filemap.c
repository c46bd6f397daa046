// SPDX-License-Identifier: GPL-2.0-only
/*
 * filemap.c - cached bytes by folio look-up: the look, and the copy.
 *
 * Role: answer what is resident without ->read_iter, for the files whose
 * ->read_iter is the plain page-cache read. It never waits and never starts a read
 * of what is missing.
 * Callers: cached.c, submit.c and try.c (a read of one folio), miss.c, resident.c.
 * Context: task, or spread.c's worker. Locks: the inode's i_rwsem shared, by trylock, where
 * the row says so; held over the copy, as the file system's own read does.
 * References: a round's folios, the marked one to the end of the read; those of
 * nb_fm_resident() are the caller's.
 *
 * The order of the checks is that of filemap_read() (mm/filemap.c): folio, then
 * uptodate, then i_size, then a read barrier, then the bytes.
 */
#include <linux/instrumented.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "internal.h"

/* As filemap_read(): several reads of one folio in a row count as one access. */
static void mark_accessed(struct folio *folio, loff_t pos, loff_t prev, unsigned int shift)
{
	if (pos >> shift != prev >> shift)
		folio_mark_accessed(folio);
}

/*
 * The resident folios from @pos on, at most a batch: up to date, and one behind the other.
 * As filemap_get_read_batch(), which is private; that the walk may step on a sibling entry,
 * of a large folio that was inserted meanwhile, is seen here. Return: how many, each with
 * a reference.
 */
static unsigned int look_up(struct address_space *mapping, loff_t pos, size_t len,
			    struct nb_folios *fb)
{
	pgoff_t last = (pos + len - 1) >> PAGE_SHIFT;
	XA_STATE(xas, &mapping->i_pages, pos >> PAGE_SHIFT);
	struct folio *folio;
	unsigned int nr = 0;

	rcu_read_lock();
	for (folio = xas_load(&xas); folio; folio = xas_next(&xas)) {
		if (xas_retry(&xas, folio))
			continue;
		if (xas.xa_index > last || xa_is_value(folio) || xa_is_sibling(folio))
			break;
		if (unlikely(!folio_try_get(folio)))
			goto retry;
		if (unlikely(folio != xas_reload(&xas)))
			goto put;
		if (unlikely(!folio_test_uptodate(folio))) {
			folio_put(folio);
			break;
		}
		fb->folios[nr++] = folio;
		if (nr == ARRAY_SIZE(fb->folios))
			break;
		xas_advance(&xas, folio->index + folio_nr_pages(folio) - 1);
		continue;
put:
		folio_put(folio);
retry:
		xas_reset(&xas);
	}
	rcu_read_unlock();
	return nr;
}

/* Does the folio hold the byte? Behind a gap it does not. It lies at a multiple of its size. */
static bool covers(const struct folio *folio, loff_t pos, unsigned int shift)
{
	return pos >> shift == folio->index >> (shift - PAGE_SHIFT);
}

static noinline size_t copy_to_iter_of(struct folio *folio, size_t offset, size_t bytes,
				       const struct nb_dst *dst, size_t done)
{
	struct iov_iter iter;

	nb_dst_iter(dst, done, &iter);
	return copy_folio_to_iter(folio, offset, bytes, &iter);
}

/*
 * To one buffer of the program, straight: its range passed access_ok() when the read was
 * taken, and page-cache memory needs no check_object_size(), as in _copy_to_iter().
 */
static __always_inline size_t copy_to_program(struct folio *folio, size_t offset, size_t bytes,
					      u64 addr)
{
	const void *from = folio_address(folio) + offset;
	void __user *to = u64_to_user_ptr(addr);

	might_fault();
	instrument_copy_to_user(to, from, bytes);
	return bytes - raw_copy_to_user(to, from, bytes);
}

/*
 * Copy @bytes of a folio to @dst behind its @done bytes. Vectors take the iterator; a
 * registered buffer cannot fault.
 */
static __always_inline size_t copy_out(struct folio *folio, size_t offset, size_t bytes,
				       const struct nb_dst *dst, size_t done)
{
	if (likely(dst->kind == NB_DST_USER) && !IS_ENABLED(CONFIG_HIGHMEM))
		return copy_to_program(folio, offset, bytes, dst->addr + done);
	if (dst->kind == NB_DST_BUF && NB_BUF_IS_MAPPED) {
		nb_dst_write(dst, done, folio_address(folio) + offset, bytes);
		return bytes;
	}
	return copy_to_iter_of(folio, offset, bytes, dst, done);
}

/**
 * nb_fm_heed_ra_mark() - go on reading ahead, as the mark on @folio asks of a reader
 * @file: who reads
 * @folio: of its page cache, with a reference
 * @left: bytes the reader still wants from it on
 *
 * Readahead takes the invalidate lock sleeping, and may reclaim: a hit must wait for
 * neither. If the lock is not to be had the mark stays, for the next reader.
 */
void nb_fm_heed_ra_mark(struct file *file, struct folio *folio, size_t left)
{
	struct address_space *mapping = file->f_mapping;
	DEFINE_READAHEAD(ractl, file, &file->f_ra, mapping, folio->index);
	unsigned int noio;

	if (!filemap_invalidate_trylock_shared(mapping))
		return;
	filemap_invalidate_unlock_shared(mapping);
	noio = memalloc_noio_save();
	page_cache_async_ra(&ractl, folio, DIV_ROUND_UP(left, PAGE_SIZE) + 1);
	memalloc_noio_restore(noio);
}

/**
 * nb_fm_resident() - pin the leading resident folios, at most a batch
 * @mapping: of a regular file
 * @pos: from where
 * @len: bytes of interest, not 0
 * @fb: out: folios with a reference each, maybe more than are counted
 *
 * Return: how many bytes from @pos on they hold, up to the end of the file. Neither
 * reclaim nor drop_caches takes a pinned folio; a truncation or direct write does.
 */
size_t nb_fm_resident(struct address_space *mapping, loff_t pos, size_t len, struct nb_folios *fb)
{
	loff_t at = pos, end = min_t(loff_t, i_size_read(mapping->host), pos + len);
	unsigned int i, nr = look_up(mapping, pos, len, fb);

	fb->nr = nr;
	for (i = 0; i < nr && at < end; i++) {
		if (!covers(fb->folios[i], at, folio_shift(fb->folios[i])))
			break;
		at = min_t(loff_t, end, folio_pos(fb->folios[i]) + folio_size(fb->folios[i]));
	}
	return at - pos;
}

/*
 * As nb_get_folio(), in line, since it is what most reads do. -EAGAIN where only another look
 * can tell: an entry that changes this moment.
 */
static __always_inline struct folio *get_folio_fast(struct address_space *mapping, pgoff_t index)
{
	XA_STATE(xas, &mapping->i_pages, index);
	struct folio *folio;

	rcu_read_lock();
	folio = xas_load(&xas);
	if (unlikely(!folio || xa_is_value(folio))) {
		folio = NULL;
	} else if (unlikely(xa_is_internal(folio) || !folio_try_get(folio))) {
		folio = ERR_PTR(-EAGAIN);
	} else if (unlikely(folio != xas_reload(&xas))) {
		/* It was freed, and is something else now. */
		folio_put(folio);
		folio = ERR_PTR(-EAGAIN);
	}
	rcu_read_unlock();
	return folio;
}

/*
 * All @len bytes from the folio at @pos, if it has them and all is as usual: the checks and
 * their order are those of read_round(), to which everything else is left. To @dst, or where
 * that is NULL to @addr.
 */
static __always_inline enum nb_fm_one copy_one(const struct nb_fm_row *row, struct file *file,
					       const struct nb_dst *dst, u64 addr, size_t len,
					       loff_t pos)
{
	struct address_space *mapping = file->f_mapping;
	loff_t end = pos + (loff_t)len;
	enum nb_fm_one ret = NB_FM_ONE_UNKNOWN;
	struct folio *folio;
	unsigned int shift;
	size_t offset;
	bool copied;

	/* What goes over a page needs large folios. */
	if (unlikely(!len || (offset_in_page(pos) + len > PAGE_SIZE &&
			      !mapping_large_folio_support(mapping))))
		return NB_FM_ONE_UNKNOWN;
	if (unlikely(!nb_fm_lock(row, file)))
		return NB_FM_ONE_UNKNOWN;
	folio = get_folio_fast(mapping, pos >> PAGE_SHIFT);
	if (IS_ERR_OR_NULL(folio)) {
		if (!folio && pos < i_size_read(mapping->host))
			ret = NB_FM_ONE_ABSENT;
		goto unlock;
	}
	if (unlikely(!folio_test_uptodate(folio) || folio_test_readahead(folio) ||
		     (row->poison && nb_folio_poisoned(folio))))
		goto put;
	shift = folio_shift(folio);
	if (unlikely((end - 1) >> shift != pos >> shift))
		goto put;
	/* After uptodate, as in read_round() */
	if (unlikely(end > i_size_read(mapping->host)))
		goto put;
	/* Pairs with the write side that makes data visible before i_size grows. */
	smp_rmb();
	if (mapping_writably_mapped(mapping))
		flush_dcache_folio(folio);
	offset = pos & ((1UL << shift) - 1);
	if (dst)
		copied = copy_out(folio, offset, len, dst, 0) == len;
	else
		copied = copy_to_program(folio, offset, len, addr) == len;
	if (likely(copied)) {
		mark_accessed(folio, pos, READ_ONCE(file->f_ra.prev_pos) - 1, shift);
		file->f_ra.prev_pos = end;
		ret = NB_FM_ONE_DONE;
	}
put:
	folio_put(folio);
unlock:
	nb_fm_unlock(row, file);
	return ret;
}

/**
 * nb_fm_read_one() - a read that one resident folio answers, all of it: most are that
 * @row: of the file
 * @file: the file, which is served by folio look-up, and verified
 * @dst: where to
 * @pos: from where
 *
 * Return: see enum nb_fm_one.
 */
enum nb_fm_one nb_fm_read_one(const struct nb_fm_row *row, struct file *file,
			      const struct nb_dst *dst, loff_t pos)
{
	return copy_one(row, file, dst, 0, dst->len, pos);
}

/**
 * nb_fm_read_user() - the same to one buffer of the program, in registers all the way
 * @nf: a file that is served by folio look-up, and verified
 * @addr: where to; passed access_ok()
 * @len: how many bytes
 * @pos: from where
 *
 * Not with CONFIG_HIGHMEM. Return: as nb_fm_read_one().
 */
enum nb_fm_one nb_fm_read_user(const struct nb_file *nf, u64 addr, u32 len, loff_t pos)
{
	return copy_one(nf->row, nf->file, NULL, addr, len, pos);
}

/* What one round of the look-up ends with. */
enum nb_fm_stop {
	NB_FM_GO_ON, /* all that was found was copied */
	NB_FM_MISS, /* the next byte is not resident */
	NB_FM_EOF, /* there is no next byte */
	NB_FM_FAULT, /* the buffer did not take it all */
};

/*
 * One round: at most a batch of folios. *done grows by what was copied; *marked is
 * the first with the readahead mark, with a reference.
 */
static enum nb_fm_stop read_round(const struct nb_fm_row *row, struct file *file,
				  const struct nb_dst *dst, size_t *done, loff_t start,
				  struct folio **marked)
{
	struct address_space *mapping = file->f_mapping;
	unsigned int i, nr, shift;
	enum nb_fm_stop stop = NB_FM_GO_ON;
	size_t offset, bytes, copied, at = *done;
	loff_t prev = READ_ONCE(file->f_ra.prev_pos) - 1;
	loff_t pos = start + at, end;
	struct nb_folios fb __uninitialized;
	struct folio *folio;

	nr = look_up(mapping, pos, dst->len - at, &fb);
	if (!nr)
		stop = NB_FM_MISS;
	/*
	 * i_size after uptodate, so that the zeroed tail of a folio is not taken
	 * for data of a file that was longer a moment ago.
	 */
	end = min_t(loff_t, i_size_read(mapping->host), start + dst->len);
	/* Pairs with the write side that makes data visible before i_size grows. */
	smp_rmb();
	for (i = 0; i < nr && pos < end; i++) {
		folio = fb.folios[i];
		shift = folio_shift(folio);
		if (unlikely(!covers(folio, pos, shift) ||
			     (row->poison && nb_folio_poisoned(folio)))) {
			stop = NB_FM_MISS;
			break;
		}
		if (mapping_writably_mapped(mapping))
			flush_dcache_folio(folio);
		mark_accessed(folio, pos, prev, shift);
		offset = pos & ((1UL << shift) - 1);
		bytes = min_t(loff_t, end - pos, (1UL << shift) - offset);
		copied = copy_out(folio, offset, bytes, dst, at);
		at += copied;
		pos += copied;
		prev = pos - 1;
		if (unlikely(folio_test_readahead(folio)) && !*marked) {
			folio_get(folio);
			*marked = folio;
		}
		if (unlikely(copied < bytes)) {
			stop = NB_FM_FAULT;
			break;
		}
	}
	if (stop == NB_FM_GO_ON && pos >= end && at < dst->len)
		stop = NB_FM_EOF;
	if (at > *done)
		file->f_ra.prev_pos = pos;
	*done = at;
	for (i = 0; i < nr; i++)
		folio_put(fb.folios[i]);
	return stop;
}

/**
 * nb_fm_read() - copy the leading resident bytes
 * @row: of the file
 * @file: the file
 * @dst: where to
 * @done: how many bytes @dst has already
 * @start: where its first byte comes from
 * @noio: start no readahead either
 * @eof: out: the last byte is that before the end of the file, by a look under the
 *	lock that the row holds
 *
 * Return: bytes of this call (fewer than asked for at the first that is not
 * resident, at end of file and at a bad buffer), 0 at end of file only, -EAGAIN,
 * -EFAULT.
 */
ssize_t nb_fm_read(const struct nb_fm_row *row, struct file *file, const struct nb_dst *dst,
		   size_t done, loff_t start, bool noio, bool *eof)
{
	const struct inode *inode = file->f_mapping->host;
	enum nb_fm_stop stop = NB_FM_GO_ON;
	struct folio *marked = NULL;
	size_t before = done;

	*eof = false;
	if (unlikely(done == dst->len))
		return 0;
	if (unlikely(!nb_fm_lock(row, file)))
		return -EAGAIN;
	while (done < dst->len && stop == NB_FM_GO_ON) {
		stop = read_round(row, file, dst, &done, start, &marked);
		if (done == dst->len)
			break;
		cond_resched();
		if (fatal_signal_pending(current))
			break;
	}
	if (unlikely(done < dst->len && stop != NB_FM_FAULT))
		*eof = start + (loff_t)done >= i_size_read(inode);
	nb_fm_unlock(row, file);
	/* Behind the last look: what readahead brings at once must not count as a hit. */
	if (unlikely(marked)) {
		if (!noio)
			nb_fm_heed_ra_mark(file, marked, start + dst->len - folio_pos(marked));
		folio_put(marked);
	}
	/* What is not there behind the end is an end and not a miss. */
	if (done > before || *eof)
		return done - before;
	return stop == NB_FM_FAULT ? -EFAULT : -EAGAIN;
}
