// SPDX-License-Identifier: GPL-2.0-only
/*
 * resident.c - resident bytes by the file's own ->read_iter, on an SQWQ ring.
 *
 * Role: the files that have a page cache and no other way to it than their own read
 * (FUSE, NFS, 9p): see that all of a READ is in the page cache, and let ->read_iter copy it,
 * with IOCB_NOIO, so that what left the cache meanwhile is not fetched in the call. All
 * or nothing, by one read, since that may be atomic: what is not all there is for a worker.
 * And the pins of a look, which stacked.c uses too.
 * Callers: cached.c; stacked.c. Context: task, the owner's mm.
 * Locks: none held; that ->read_iter takes its own. Where a writer has the inode's lock, and
 * may wait for a server with it, the read is not begun.
 * References: the folios of the look, until they are copied.
 *
 * IOCB_NOIO is known to mm/filemap.c alone (and gfs2, which is left out), IOCB_NOWAIT to file
 * systems too, which take it for a promise that they never made: so this is not a NOWAIT read.
 * It may ask the server whether the cache is still good (NFS's attributes, FUSE's), as pread(2)
 * would.
 *
 * An open file may also read past the page cache, though another one left pages there (FUSE
 * with FOPEN_DIRECT_IO, SMB without an oplock, 9p with cache=none), and nothing that a
 * module may look at says so before. But filemap_read() leaves where it ended in
 * f_ra.prev_pos, so it is seen afterwards: what such a read brought is not told as a HIT but
 * left to a worker, and the open file is remembered there, until a read of a worker moves it
 * (it got its oplock). So the first read of such a file may wait for its server.
 */
#include <linux/gfs2_ondisk.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "internal.h"

/* A READ that spans more pages than this is for a worker. */
#define NB_MAX_PINNED ((size_t)256)

/*
 * Not gfs2: gfs2_file_read_iter() takes IOCB_NOIO off and asks again with a lock of the
 * cluster, for which it may wait.
 */
bool nb_resident_serves(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic != GFS2_MAGIC;
}

/**
 * nb_pins_take() - pin the leading resident folios, and take their readahead marks off
 * @pins: out, for nb_pins_drop()
 * @mapping: of a regular file
 * @pos: from where
 * @len: bytes of interest, not 0
 *
 * Under IOCB_NOIO, which RWF_NOWAIT may mean too, a marked folio is a miss; without it the
 * mark starts I/O, whose pages the next look might take for resident.
 * Return: see nb_fm_resident(), of which this is one batch.
 */
size_t nb_pins_take(struct nb_pins *pins, struct address_space *mapping, loff_t pos, size_t len)
{
	struct nb_folios *fb = &pins->fb;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(fb->folios) > BITS_PER_LONG);
	pins->marked = 0;
	len = nb_fm_resident(mapping, pos, len, fb);
	for (i = 0; i < fb->nr; i++) {
		if (!folio_test_uptodate(fb->folios[i]) || !folio_test_readahead(fb->folios[i]))
			continue;
		folio_clear_readahead(fb->folios[i]);
		__set_bit(i, &pins->marked);
	}
	return len;
}

/* Give the folios back, and those their marks: the next reader does what they ask. */
void nb_pins_drop(struct nb_pins *pins)
{
	struct nb_folios *fb = &pins->fb;
	unsigned int i;

	for (i = 0; i < fb->nr; i++) {
		if (test_bit(i, &pins->marked))
			folio_set_readahead(fb->folios[i]);
		folio_put(fb->folios[i]);
	}
	fb->nr = 0;
}

/* Does a writer hold the lock that some of these reads take, NFS's for one; or f2fs wait? */
static bool may_have_to_wait(const struct file *file)
{
	struct inode *host = file->f_mapping->host;

	if (nb_may_wait_for_dio(NULL, file) || !inode_trylock_shared(host))
		return true;
	inode_unlock_shared(host);
	return false;
}

/* What f_ra.prev_pos says of an open file that was seen to read past the page cache. */
#define NB_BYPASSES LLONG_MIN

/*
 * Read without I/O what is resident. A read by filemap_read() ends with f_ra.prev_pos behind
 * the bytes; where it is there before, it is set to what it is in a file that was not read
 * yet. Return: see ->read_iter(); -EAGAIN also for bytes that came from elsewhere.
 */
static ssize_t read_noio(struct file *file, const struct nb_dst *dst, loff_t pos)
{
	loff_t before = READ_ONCE(file->f_ra.prev_pos);
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t ret;

	if (before == NB_BYPASSES)
		return -EAGAIN;
	init_sync_kiocb(&kiocb, file);
	if (kiocb.ki_flags & IOCB_DIRECT)
		return -EAGAIN; /* set since the check in access.c; a worker will say so */
	kiocb.ki_flags |= IOCB_NOIO;
	kiocb.ki_pos = pos;
	nb_dst_iter(dst, 0, &iter);
	if (before > pos && before - pos <= dst->len) {
		before = -1;
		WRITE_ONCE(file->f_ra.prev_pos, before);
	}
	ret = file->f_op->read_iter(&kiocb, &iter);
	if (likely(ret <= 0 || READ_ONCE(file->f_ra.prev_pos) != before))
		return ret;
	WRITE_ONCE(file->f_ra.prev_pos, NB_BYPASSES);
	return -EAGAIN;
}

/* Pin batch after batch until @want bytes are, or one is not there. */
static bool pin_all(struct nb_pins *pins, unsigned int *nr, unsigned int max,
		    struct address_space *mapping, loff_t pos, size_t want)
{
	size_t done = 0, got;

	for (*nr = 0; done < want && *nr < max; ++*nr) {
		got = nb_pins_take(&pins[*nr], mapping, pos + done, want - done);
		if (!got)
			nb_pins_drop(&pins[*nr]);
		if (!got)
			break;
		done += got;
	}
	return done == want;
}

/**
 * nb_resident_read() - a READ of a file that only its own ->read_iter can read
 * @nf: a file of NB_WAY_RESIDENT, verified
 * @dst: where to
 * @pos: from where
 * @hit: out: all that was asked for, or all up to end of file, was resident
 *
 * Context: task; waits for no data, but maybe for a server's word on it.
 * Return: bytes with @hit, else -EAGAIN: for a worker. What else ->read_iter says is for
 * the worker to find again: nothing of it is final but the bytes.
 */
ssize_t nb_resident_read(struct nb_file *nf, const struct nb_dst *dst, loff_t pos, bool *hit)
{
	struct address_space *mapping = nf->file->f_mapping;
	loff_t end = min_t(loff_t, i_size_read(mapping->host), pos + dst->len);
	struct nb_pins one, *pins = &one;
	unsigned int i, nr, max;
	ssize_t ret = -EAGAIN;
	size_t pages;

	*hit = !dst->len;
	if (!dst->len)
		return 0;
	if (pos >= end || may_have_to_wait(nf->file))
		return -EAGAIN;
	pages = ((end - 1) >> PAGE_SHIFT) - (pos >> PAGE_SHIFT) + 1;
	if (pages > NB_MAX_PINNED)
		return -EAGAIN;
	max = DIV_ROUND_UP(pages, ARRAY_SIZE(one.fb.folios));
	if (max > 1)
		pins = kmalloc_array(max, sizeof(*pins), GFP_KERNEL);
	if (!pins)
		return -EAGAIN;
	if (pin_all(pins, &nr, max, mapping, pos, end - pos))
		ret = read_noio(nf->file, dst, pos);
	for (i = 0; i < nr; i++)
		nb_pins_drop(&pins[i]);
	if (pins != &one)
		kfree(pins);
	/* Its end moved, or a page left after all: the worker's one read counts. */
	*hit = ret > 0 && (ret == dst->len || nb_at_eof(nf->file, pos + ret));
	return *hit ? ret : -EAGAIN;
}
