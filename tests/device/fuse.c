// SPDX-License-Identifier: GPL-2.0-only
/*
 * FUSE by hand, see fuse.h. The mount point is a file, so the root of the file
 * system may be a regular file, and there is nothing to look up.
 */
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/mount.h>
#include "device.h"
#include "fuse.h"

#define POINT "/run/nbt-fuse"
#define MAX_HELD 256
#define MAX_READ KB(128)

static int dev_fd = -1;
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t file_size;
static unsigned int file_id, nr_held, most_held, nr_reads, reader_uid;
static bool holding, direct_io, ask_attr, holding_attr;
static uint64_t held_attr[MAX_HELD];
static unsigned int nr_held_attr;

static struct {
	uint64_t unique, off;
	uint32_t len;
} held[MAX_HELD];

/* What a reader that was killed no longer waits for is ENOENT: no matter. */
static void reply(uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + len),
				     .error = error,
				     .unique = unique };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)data, len } };
	ssize_t ret = writev(dev_fd, iov, len ? 2 : 1);

	(void)ret;
}

static void answer_read(uint64_t unique, uint64_t off, uint32_t len)
{
	static char buf[MAX_READ];

	if (off > file_size)
		off = file_size;
	if (len > file_size - off)
		len = (uint32_t)(file_size - off);
	nbtest_fill(buf, len, off, file_id, 1);
	reply(unique, 0, buf, len);
}

static void take_read(const struct fuse_in_header *in, const struct fuse_read_in *r)
{
	uint32_t len = r->size < MAX_READ ? r->size : (uint32_t)MAX_READ;

	pthread_mutex_lock(&lock);
	reader_uid = in->uid;
	nr_reads++;
	if (holding && nr_held < MAX_HELD) {
		held[nr_held].unique = in->unique;
		held[nr_held].off = r->offset;
		held[nr_held++].len = len;
		most_held = nr_held > most_held ? nr_held : most_held;
	} else {
		answer_read(in->unique, r->offset, len);
	}
	pthread_mutex_unlock(&lock);
}

static void answer_attr(uint64_t unique)
{
	struct fuse_attr_out attr = {
		.attr_valid = ask_attr ? 0 : 1000,
		.attr = { .ino = 1,
			  .size = file_size,
			  .blocks = file_size / 512,
			  .mode = S_IFREG | 0644,
			  .nlink = 1,
			  .blksize = 4096 },
	};

	reply(unique, 0, &attr, sizeof(attr));
}

static void take_attr(uint64_t unique)
{
	pthread_mutex_lock(&lock);
	if (holding_attr && nr_held_attr < MAX_HELD)
		held_attr[nr_held_attr++] = unique;
	else
		answer_attr(unique);
	pthread_mutex_unlock(&lock);
}

static void answer(const struct fuse_in_header *in, const void *arg)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_readahead = 0,
		.flags = FUSE_ASYNC_READ,
		.max_background = 256,
		.congestion_threshold = 256,
		.max_write = 4096,
	};
	struct fuse_open_out open_out = { .fh = 1, .open_flags = FOPEN_KEEP_CACHE };

	pthread_mutex_lock(&lock);
	if (direct_io)
		open_out.open_flags |= FOPEN_DIRECT_IO;
	pthread_mutex_unlock(&lock);

	switch (in->opcode) {
	case FUSE_INIT:
		reply(in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		take_attr(in->unique);
		break;
	case FUSE_OPEN:
		reply(in->unique, 0, &open_out, sizeof(open_out));
		break;
	case FUSE_READ:
		take_read(in, arg);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_RELEASE:
	case FUSE_FSYNC:
	case FUSE_DESTROY:
		reply(in->unique, 0, NULL, 0);
		break;
	default:
		reply(in->unique, -ENOSYS, NULL, 0);
	}
}

static void *serve(void *arg)
{
	static char buf[KB(256)] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = read(dev_fd, buf, sizeof(buf));

		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			return arg; /* unmounted */
		answer((void *)buf, buf + sizeof(struct fuse_in_header));
	}
}

/*
 * What the kernel learns from the first use of a file it learns here. Its size: the first
 * word of that throws pages away, and waits for those that a read has locked which is
 * held. And that there is no FLUSH: a process that dies with the file open would wait for
 * that from its own server.
 */
static void use_once(void)
{
	int fd = open(POINT, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(nbtest_size(fd), file_size);
	close(fd);
}

const char *fuse_start(uint64_t size, unsigned int id)
{
	char options[128];

	/* It may be built in. */
	nbtest_sh("modprobe fuse 2>/dev/null");
	while (umount2(POINT, MNT_DETACH) == 0)
		;
	nbtest_must_sh(": >%s", POINT);
	dev_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev_fd < 0)
		nbtest_fatal("/dev/fuse: %m");
	file_size = size;
	file_id = id;
	nr_held = 0;
	most_held = 0;
	nr_reads = 0;
	nr_held_attr = 0;
	holding = false;
	holding_attr = false;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100644,user_id=0,group_id=0,allow_other%s", dev_fd,
		 ask_attr ? ",default_permissions" : "");
	if (mount("nbt-fuse", POINT, "fuse", MS_NOSUID | MS_NODEV, options) != 0)
		nbtest_fatal("mount: %m");
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	use_once();
	return POINT;
}

void fuse_stop(void)
{
	fuse_release();
	pthread_mutex_lock(&lock);
	holding_attr = false;
	while (nr_held_attr)
		answer_attr(held_attr[--nr_held_attr]);
	pthread_mutex_unlock(&lock);
	ck_assert_int_eq(umount2(POINT, MNT_DETACH), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close(dev_fd);
}

void fuse_hold(void)
{
	pthread_mutex_lock(&lock);
	holding = true;
	pthread_mutex_unlock(&lock);
}

static void answer_held(bool hold_on)
{
	pthread_mutex_lock(&lock);
	holding = hold_on;
	most_held = 0;
	for (unsigned int i = 0; i < nr_held; i++)
		answer_read(held[i].unique, held[i].off, held[i].len);
	nr_held = 0;
	pthread_mutex_unlock(&lock);
}

void fuse_release(void)
{
	answer_held(false);
}

void fuse_let_go(void)
{
	answer_held(true);
}

void fuse_ask_attr(bool ask)
{
	ask_attr = ask;
}

void fuse_hold_attr(void)
{
	pthread_mutex_lock(&lock);
	holding_attr = true;
	pthread_mutex_unlock(&lock);
}

void fuse_direct(bool direct)
{
	pthread_mutex_lock(&lock);
	direct_io = direct;
	pthread_mutex_unlock(&lock);
}

static unsigned int value(const unsigned int *of)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = *of;
	pthread_mutex_unlock(&lock);
	return n;
}

unsigned int fuse_held(void)
{
	return value(&nr_held);
}

unsigned int fuse_most_held(void)
{
	return value(&most_held);
}

unsigned int fuse_reads(void)
{
	return value(&nr_reads);
}

unsigned int fuse_reader_uid(void)
{
	return value(&reader_uid);
}
