/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calls.h - what the files of nbread offer each other, file by file.
 *
 * Included at the end of internal.h, which has the objects and the direction of the
 * calls. What a function needs (context, locks, references) stands where it is defined.
 */
#ifndef NBREAD_CALLS_H
#define NBREAD_CALLS_H

/* main.c */
extern const struct file_operations nb_fops;
extern unsigned int nb_max_workers;

/* ctx.c */
extern struct workqueue_struct *nb_ctx_wq;
struct nb_ctx *nb_ctx_create(void);
void nb_ctx_put(struct nb_ctx *ctx);
int nb_ctx_setup(struct nb_ctx *ctx, struct nbread_setup *p);
u32 nb_workers_of(u32 wanted);
struct nb_ring *nb_ctx_ring(struct nb_ctx *ctx);
int nb_ctx_init(void);
void nb_ctx_exit(void);

/* close.c */
void nb_ctx_close(struct nb_ctx *ctx);
void nb_ctx_close_end(struct nb_ctx *ctx);

/* sq.c */
bool nb_sq_check_setup(const struct nbread_setup *p);
struct nb_sq *nb_sq_create(struct nb_ctx *ctx, const struct nbread_setup *p, struct nb_user *user);
void nb_sq_start(struct nb_sq *sq);
void nb_sq_free(struct nb_sq *sq);
void nb_sqt_put(struct nb_sqt *t);
void nb_sq_kick(struct nb_ctx *ctx);
void nb_sq_close(struct nb_sq *sq);
struct file *nb_sq_fget(const struct nb_sq *sq, unsigned int fd);
long nb_sq_register_creds(struct nb_ctx *ctx, const struct nbread_register *p);
int nb_sq_enter(struct nb_ctx *ctx, u32 flags);
int nb_sq_wait_room(struct nb_ctx *ctx, ktime_t *expires);

/* sqthread.c */
int nb_sq_thread(void *arg);

/* dst.c */

/* Check what a program said of offset and length; the address comes after the fd. */
static inline int nb_dst_check(u64 addr, u32 len, u64 off)
{
	loff_t end;

	if (len > NB_MAX_LEN || (loff_t)off < 0 || addr != (unsigned long)addr)
		return -EINVAL;
	return check_add_overflow((loff_t)off, (loff_t)len, &end) ? -EINVAL : 0;
}

void nb_dst_iter(const struct nb_dst *dst, size_t done, struct iov_iter *iter);
void nb_dst_write(const struct nb_dst *dst, size_t done, const void *from, size_t bytes);
ssize_t nb_dst_compat_vectors(u64 addr, unsigned int nr, struct iovec *fast, struct iovec **iov);

/* user.c */
struct nb_user *nb_user_get_ring(void);
void nb_user_put_ring(struct nb_user *u);
bool nb_user_get_thread(struct nb_user *u);
void nb_user_put_thread(struct nb_user *u);
bool nb_user_get_req(struct nb_user *u);
void nb_user_put_req(struct nb_user *u);

/* ring.c */
struct nb_ring *nb_ring_create(struct nbread_setup *p);
void nb_ring_free(struct nb_ring *ring);
int nb_ring_mmap(struct nb_ring *ring, struct vm_area_struct *vma);
int nb_ring_sq_ready(const struct nb_ring *ring, u32 *nr);
bool nb_ring_sq_is_empty(const struct nb_ring *ring);
bool nb_ring_sq_is_full(const struct nb_ring *ring);
void nb_ring_set_sq_flags(struct nb_ring *ring, u32 flags);
int nb_ring_cq_ready(const struct nb_ring *ring, u32 *nr);
void nb_ring_take(struct nb_ring *ring, u32 nr);
void nb_ring_publish(struct nb_ring *ring, const struct nbread_cqe *cqes, u32 nr);

/* The @nth SQE from the head on; shared memory: read each member once. */
static inline const struct nbread_sqe *nb_ring_sqe(const struct nb_ring *ring, u32 nth)
{
	return &ring->sqes[(ring->sq_head + nth) & ring->sq_mask];
}

/* enter.c */
long nb_enter(struct nb_ctx *ctx, const struct nbread_enter *p);

/* wait.c */
void nb_tell(struct nb_ctx *ctx, unsigned int sleepers, unsigned int pollers);
void nb_tell_ready(struct nb_ctx *ctx, int woken, bool first, bool urgent);
void nb_wait_init(struct nb_ctx *ctx);
void nb_waiter_init(struct nb_waiter *w, struct nb_ctx *ctx, u32 want);
int nb_sleep(struct nb_waiter *w, ktime_t *expires);
void nb_looked_in_vain(struct nb_ctx *ctx);
bool nb_poll_told_me(struct nb_ctx *ctx);
__poll_t nb_poll(struct file *file, struct poll_table_struct *pt);

/* submit.c */
int nb_submit(struct nb_batch *b, struct nb_ring *ring, u32 nr);

/* access.c */
void nb_file_get(struct nb_file *nf, const struct nb_ctx *ctx, int fd);
void nb_file_known(struct nb_file *nf, const struct nb_ctx *ctx, struct file *file,
		   const struct nb_fm_row *row);
void nb_file_put(struct nb_file *nf);
void nb_file_keep(struct nb_file *nf);
int nb_file_verify(struct nb_file *nf, loff_t pos, size_t len);
bool nb_file_may_have_listener(const struct file *file);
int nb_file_oracle(struct file *file, bool may_sleep);
int nb_file_noio(struct nb_file *nf, bool may_wait);

/* cached.c */
struct nb_cached {
	ssize_t res; /* bytes, 0 at end of file, -EAGAIN, -errno */
	bool complete; /* all that was asked for, or all up to end of file */
};

struct nb_cached nb_cached_read(struct nb_file *nf, const struct nb_dst *dst, loff_t pos,
				u32 flags);
bool nb_at_eof(const struct file *file, loff_t pos);
bool nb_may_fill(struct address_space *mapping);
void nb_start_readahead(struct file *file, loff_t pos, size_t left);
void nb_read_ahead(struct nb_file *nf, loff_t pos, size_t left);

/* resident.c */
size_t nb_pins_take(struct nb_pins *pins, struct address_space *mapping, loff_t pos, size_t len);
void nb_pins_drop(struct nb_pins *pins);
bool nb_resident_serves(const struct file *file);
ssize_t nb_resident_read(struct nb_file *nf, const struct nb_dst *dst, loff_t pos, bool *hit);

/* stacked.c */
bool nb_is_stacked(const struct file *file);
bool nb_stacked_is_atomic(const struct file *file);
bool nb_stacked_is_local(const struct file *file);
bool nb_stacked_leaves_trace(const struct file *file);
void nb_stacked_read_ahead(struct nb_file *nf, loff_t pos, size_t len);
ssize_t nb_stacked_read(struct nb_file *nf, const struct nb_dst *dst, loff_t start, u32 flags,
			bool *hit);

/* rows.c */
extern bool nb_filemap_on;
const struct nb_fm_row *nb_fm_find(const struct file *file);
bool nb_fm_enabled(const struct nb_fm_row *row);
bool nb_fm_host_is_atomic(const struct inode *host);
bool nb_fm_host_is_known(const struct inode *host);

/* filemap.c */
size_t nb_fm_resident(struct address_space *mapping, loff_t pos, size_t len, struct nb_folios *fb);
void nb_fm_heed_ra_mark(struct file *file, struct folio *folio, size_t left);
enum nb_fm_one nb_fm_read_one(const struct nb_fm_row *row, struct file *file,
			      const struct nb_dst *dst, loff_t pos);
enum nb_fm_one nb_fm_read_user(const struct nb_file *nf, u64 addr, u32 len, loff_t pos);
ssize_t nb_fm_read(const struct nb_fm_row *row, struct file *file, const struct nb_dst *dst,
		   size_t done, loff_t start, bool noio, bool *eof);

/* request.c */
int nb_req_init(void);
void nb_req_exit(void);
struct cgroup_subsys_state *nb_get_io_cgroup(const struct nb_ctx *ctx);
struct nb_req *nb_req_alloc(struct nb_ctx *ctx, const struct nb_file *nf, struct nb_read *rd,
			    ktime_t deadline);
struct nb_req *nb_req_first(struct nb_ctx *ctx);
void nb_req_set_timer(struct nb_ctx *ctx, ktime_t at);
void nb_req_heed_deadline(struct nb_req *req);
bool nb_req_forget_deadline(struct nb_req *req);
void nb_req_free(struct nb_req *req);
void nb_req_recycle(struct nb_ctx *ctx, struct nb_req *req);
void nb_req_free_spare(struct nb_ctx *ctx);
bool nb_req_unlist(struct nb_req *req);
int nb_req_end_err(const struct nb_req *req);

/* miss.c */
void nb_miss(struct nb_batch *b, struct nb_req *req);
struct llist_node *nb_take_ready(struct nb_ctx *ctx);
void nb_run_one(struct nb_batch *b, struct nb_req *req);
void nb_drop_ended(struct nb_ctx *ctx);
void nb_miss_reap(struct nb_ctx *ctx);
void nb_miss_exit(void);

/* spread.c */
void nb_run_ready(struct nb_batch *b);
void nb_spread_start(struct nb_ctx *ctx);

/* held.c */
bool nb_held_pin(struct nb_held *held, const struct nb_dst *dst, size_t done, size_t len);
void nb_held_iter(const struct nb_held *held, size_t len, struct iov_iter *iter);
void nb_held_unpin(struct nb_held *held, bool dirty);

/* worker.c */
struct nb_owner {
	const struct cred *cred; /* NULL: a worker is itself */
	const struct cred *old_cred;
	struct cgroup_subsys_state *blkcg;
	struct mem_cgroup *memcg;
	struct mem_cgroup *old_memcg;
};

/**
 * struct nb_stead - what a hand has taken over
 * @reads:	for how many reads
 * @has_mm:	it has the program's memory now
 * @owner:	whose credentials and cgroups
 * @held:	room for pinned pages, once it was needed
 */
struct nb_stead {
	unsigned int reads;
	bool has_mm;
	struct nb_owner owner;
	struct nb_held *held;
};

void nb_become_owner(struct nb_owner *o, const struct nb_req *req);
void nb_be_oneself(struct nb_owner *o);
bool nb_use_owner_mm(struct nb_ctx *ctx);
void nb_unuse_owner_mm(struct nb_ctx *ctx);
bool nb_stead_take_mm(struct nb_ctx *ctx, struct nb_stead *s);
void nb_stead_drop_mm(struct nb_ctx *ctx, struct nb_stead *s);
void nb_punt(struct nb_batch *b, struct nb_req *req);
void nb_set_workers(struct nb_ctx *ctx, u32 max);
bool nb_hands_create(struct nb_ctx *ctx);
void nb_hands_free(struct nb_ctx *ctx);
bool nb_mm_is_abandoned(struct mm_struct *mm);
bool nb_owner_was_killed(const struct nb_ctx *ctx);

/* blocking.c */
int nb_read_blocking(struct nb_req *req, struct nb_stead *s);

/* complete.c */
void nb_batch_init(struct nb_batch *b, struct nb_ctx *ctx);
unsigned int nb_publish(struct nb_batch *b);
void nb_flush(struct nb_batch *b);
bool nb_cq_has_room(struct nb_ctx *ctx);
void nb_complete(struct nb_batch *b, struct nb_req *req, int res);
int nb_req_result(const struct nb_req *req, int err);

/**
 * nb_post() - add one completion to the batch
 * @b: the batch
 * @user_data: of the SQE
 * @res: bytes or -errno
 * @cqe_flags: what the program is told
 * @hit: all bytes were resident, told or not
 */
static inline void nb_post(struct nb_batch *b, u64 user_data, int res, u32 cqe_flags, bool hit)
{
	struct nbread_cqe *cqe = &b->cqes[b->nr++];

	cqe->user_data = user_data;
	cqe->res = res;
	cqe->flags = cqe_flags;
	b->hits += hit;
	if (res > 0)
		b->bytes += res;
	if (b->nr == NB_BATCH)
		nb_flush(b);
}

/* cancel.c */
enum nb_ended {
	NB_ENDED, /* its CQE is posted */
	NB_MARKED, /* whoever runs it will end it instead of parking it */
	NB_BUSY, /* a worker runs it, or it was marked before */
};

enum nb_ended nb_end_waiting(struct nb_batch *b, struct nb_req *req, int err, bool may_mark,
			     bool *ready);
long nb_cancel(struct nb_ctx *ctx, const struct nbread_cancel *p);
void nb_detach_all(struct nb_ctx *ctx);

/* deadline.c */
s64 nb_clock_offset(void);
ktime_t nb_point(const struct nb_ctx *ctx, u64 ns);
bool nb_deadline(const struct nb_ctx *ctx, u64 deadline_ns, ktime_t *deadline);
void nb_deadline_start(struct nb_ctx *ctx);
void nb_deadline_stop(struct nb_ctx *ctx);
int nb_deadline_init(void);
void nb_deadline_exit(void);

/* register.c */
long nb_register(struct nb_ctx *ctx, const struct nbread_register *p);
u64 nb_register_served(void);
u32 nb_register_flags(void);

/* files.c */
void nb_fixed_file_use(struct nb_ctx *ctx, struct nb_file *nf, int index);
void nb_fixed_file_try(struct nb_ctx *ctx, struct nb_file *nf, int index);
struct file *nb_fixed_file_get(struct nb_ctx *ctx, int index);
long nb_register_files(struct nb_ctx *ctx, const struct nbread_register *p);
long nb_update_files(struct nb_ctx *ctx, const struct nbread_register *p);
long nb_unregister_files(struct nb_ctx *ctx, const struct nbread_register *p);
void nb_files_close(struct nb_ctx *ctx);
u32 nb_files_set(struct nb_ctx *ctx);

/* buffers.c */
int nb_buf_use(struct nb_ctx *ctx, u32 index, struct nb_dst *dst);
long nb_register_buffers(struct nb_ctx *ctx, const struct nbread_register *p);
long nb_update_buffers(struct nb_ctx *ctx, const struct nbread_register *p);
long nb_unregister_buffers(struct nb_ctx *ctx, const struct nbread_register *p);
void nb_buffers_close(struct nb_ctx *ctx);

/* pin.c */
struct nb_buf *nb_buf_pin(struct nb_locked *l, const struct nbread_buffer *b);
void nb_buf_put(struct nb_buf *buf);
void nb_buf_put_now(struct nb_buf *buf);

/* memlock.c */
struct nb_locked *nb_locked_get(struct nb_ctx *ctx);
struct nb_locked *nb_locked_ref(struct nb_locked *l);
void nb_locked_put(struct nb_locked *l);
bool nb_locked_may_add(const struct nb_locked *l, unsigned long nr);
int nb_locked_add(struct nb_locked *l, const struct bio_vec *bv, u32 nr, struct nb_counted *n);
void nb_locked_drop(struct nb_locked *l, const struct bio_vec *bv, u32 nr,
		    const struct nb_counted *n);

/* event.c */
void nb_event_signal(struct nb_ctx *ctx, bool inside);
struct wait_queue_head *nb_event_queue(struct nb_ctx *ctx);
long nb_register_eventfd(struct nb_ctx *ctx, const struct nbread_register *p);
long nb_unregister_eventfd(struct nb_ctx *ctx, const struct nbread_register *p);
void nb_event_close(struct nb_ctx *ctx);

/*
 * Tell the eventfd, if there is one. The news are stored and a full barrier is behind that; of
 * ready reads it pairs with the one in nb_register_eventfd(), which looks at those. Any context.
 */
static inline void nb_event_posted(struct nb_ctx *ctx, bool inside)
{
	if (unlikely(rcu_access_pointer(ctx->event)))
		nb_event_signal(ctx, inside);
}

/* try.c */
long nb_try(struct nb_ctx *ctx, const struct nbread_try_batch *p);

/* info.c */
void nb_query(struct nbread_query *q);
int nb_file_info(struct nb_ctx *ctx, struct nbread_file_info *info);
void nb_show_fdinfo(struct seq_file *m, struct file *file);

#endif /* NBREAD_CALLS_H */
