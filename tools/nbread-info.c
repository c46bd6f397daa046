// SPDX-License-Identifier: MIT
/*
 * nbread-info: can nbread be used here, what can it do, and how would it serve
 * these files?
 *
 *   nbread-info [FILE...]
 *
 * For the person who just installed it, or whose program falls back to
 * something slower: every "no" comes with its cause and what to do about it. Why
 * the device cannot be opened is found out by device.c. Exit status: 0 it can be
 * used and serves each FILE, 1 it cannot be used, 2 wrong use, 3 it can be used
 * but a FILE would be refused or could not be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libnbread.h>

#include "nbread-info.h"

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void help(FILE *to)
{
	fputs("Usage: nbread-info [FILE...]\n"
	      "Says whether nbread can be used here and what it can do; with FILEs, how reads of\n"
	      "each would be served, and why.\n"
	      "\n"
	      "  -h, --help     print this\n"
	      "  -V, --version  print the version\n"
	      "\n"
	      "Exit status: 0 it can be used (and serves each FILE), 1 it cannot be used, 2 wrong\n"
	      "use, 3 a FILE would be refused or could not be opened.\n",
	      to);
}

struct flag_name {
	unsigned int bit;
	const char *name;
};

static const struct flag_name opcodes[] = {
	{ NBREAD_OP_NOP, "NOP" },
	{ NBREAD_OP_READ, "READ" },
	{ NBREAD_OP_READV, "READV" },
	{ NBREAD_OP_READ_FIXED, "READ_FIXED" },
	{ 0, NULL },
};

static const struct flag_name sqe_flags[] = {
	{ 0, "FIXED_FILE" }, { 1, "CACHED" }, { 2, "NOIO" }, { 3, "ASYNC" }, { 0, NULL },
};

static const struct flag_name setup_flags[] = {
	{ 0, "SQTHREAD" }, { 1, "SQWQ" }, { 2, "SQ_AFF" }, { 3, "ATTACH" }, { 0, NULL },
};

static const struct flag_name register_ops[] = {
	{ NBREAD_REGISTER_FILES, "FILES" },
	{ NBREAD_REGISTER_FILES_UPDATE, "FILES_UPDATE" },
	{ NBREAD_UNREGISTER_FILES, "UNREGISTER_FILES" },
	{ NBREAD_REGISTER_BUFFERS, "BUFFERS" },
	{ NBREAD_REGISTER_BUFFERS_UPDATE, "BUFFERS_UPDATE" },
	{ NBREAD_UNREGISTER_BUFFERS, "UNREGISTER_BUFFERS" },
	{ NBREAD_REGISTER_EVENTFD, "EVENTFD" },
	{ NBREAD_UNREGISTER_EVENTFD, "UNREGISTER_EVENTFD" },
	{ NBREAD_REGISTER_CREDS, "CREDS" },
	{ NBREAD_REGISTER_WORKERS, "WORKERS" },
	{ 0, NULL },
};

/* A later module may report bits that this program has no name for. */
static void print_bits(const char *label, __u64 bits, const struct flag_name *names)
{
	printf("%-16s", label);
	if (!bits)
		printf(" none");
	for (; names->name; names++) {
		if (bits & (1ULL << names->bit))
			printf(" %s", names->name);
		bits &= ~(1ULL << names->bit);
	}
	if (bits)
		printf(" and others (0x%llx)", (unsigned long long)bits);
	putchar('\n');
}

static void print_query(const struct nbread_query *q)
{
	char version[64];

	printf("device           " NBREAD_DEVICE " can be used by this user\n");
	printf("module           %s, ABI %u\n",
	       nbread_module_version(version, sizeof(version)) ? version : "unknown version",
	       q->abi_version);
	printf("library          %s, ABI %u\n", NBREAD_VERSION, NBREAD_ABI_VERSION);
	print_bits("operations", q->opcodes, opcodes);
	print_bits("read flags", q->sqe_flags, sqe_flags);
	print_bits("set-up flags", q->setup_flags, setup_flags);
	print_bits("registrations", q->register_ops, register_ops);
	printf("cached bytes     %s\n",
	       q->filemap ? "by folio look-up where the file system allows it" :
			    "by ->read_iter only: the module was loaded with filemap=0");
	printf("submission ring  up to %u entries\n", q->max_sq_entries);
	printf("completion ring  up to %u entries\n", q->max_cq_entries);
	printf("one read         up to %u bytes, %u vectors\n", q->max_len, q->max_iov);
	printf("one TRY call     up to %u reads\n", q->max_try);
	printf("workers          up to %u a ring\n", q->max_workers);
	printf("registered       up to %u files and %u buffers a ring\n", q->max_files,
	       q->max_buffers);
}

static const char *path_name(__u32 path)
{
	switch (path) {
	case NBREAD_PATH_FILEMAP:
		return "filemap";
	case NBREAD_PATH_ASYNC:
		return "async";
	case NBREAD_PATH_WORKER:
		return "worker";
	default:
		return "unknown";
	}
}

/* How it is served: what is resident, and what is not; the reason adds why. */
static const char *resident_words(const struct nbread_file_info *info)
{
	if (!(info->flags & NBREAD_FILE_RESIDENT))
		return "cached bytes by a worker of the kernel";
	if (info->path == NBREAD_PATH_FILEMAP)
		return "cached bytes in the call, by folio look-up";
	return "cached bytes in the call, through the file system's own read";
}

static const char *miss_words(const struct nbread_file_info *info)
{
	if (info->flags & NBREAD_FILE_PARKS)
		return "misses by callback, no thread waits";
	return "misses by a worker of the kernel";
}

static const char *reason_words(__u32 reason)
{
	switch (reason) {
	case NBREAD_WHY_OK:
		return NULL;
	case NBREAD_WHY_NOT_READABLE:
		return "it is not open for reading";
	case NBREAD_WHY_NOT_SEEKABLE:
		return "it has no offsets: a pipe, a socket or a terminal";
	case NBREAD_WHY_DIRECTORY:
		return "it is a directory";
	case NBREAD_WHY_DIRECT_IO:
		return "it is open with O_DIRECT, which has nothing to do with the page cache";
	case NBREAD_WHY_DAX:
		return "its file system is mounted with DAX, which has no page cache";
	case NBREAD_WHY_NBREAD:
		return "it is nbread's own device";
	case NBREAD_WHY_NO_PAGE_CACHE:
		return "it has no page cache: proc, sysfs, a character device or the like";
	case NBREAD_WHY_NOT_IN_TABLE:
		return "folio look-up has not been shown to be right for this file system";
	case NBREAD_WHY_FILEMAP_OFF:
		return "the module was loaded with filemap=0";
	case NBREAD_WHY_NO_ASYNC:
		return "this file system cannot wait by callback";
	case NBREAD_WHY_PERM_LISTENER:
		return "a fanotify permission listener watches it and has to be asked";
	case NBREAD_WHY_STACKED:
		return "overlayfs reads another file, which cannot wait by callback";
	default:
		return "for a reason that is newer than this program";
	}
}

/* Returns whether the file is served. */
static int print_file(struct nbread *ring, const char *name)
{
	struct nbread_file_info info;
	const char *why;
	/* O_NONBLOCK: a FIFO without a writer must not hang us. */
	int ret, fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		fflush(stdout);
		fprintf(stderr, "nbread-info: %s: cannot be opened: %s\n", name, strerror(errno));
		return 0;
	}
	memset(&info, 0, sizeof(info));
	ret = nbread_file_info(ring, fd, &info);
	close(fd);
	if (ret < 0) {
		fflush(stdout);
		fprintf(stderr, "nbread-info: %s: the module cannot tell: %s\n", name,
			strerror(-ret));
		return 0;
	}
	why = reason_words(info.reason);
	if (info.path == NBREAD_PATH_REFUSED) {
		printf("%s: refused: %s; a read ends with '%s'\n", name,
		       why ? why : "no reason told", strerror(-info.error));
		return 0;
	}
	printf("%s: %s: %s, %s%s%s\n", name, path_name(info.path), resident_words(&info),
	       miss_words(&info), why ? ", since " : "", why ? why : "");
	if (!(info.flags & NBREAD_FILE_ORACLE))
		printf("%*s  not told whether bytes were cached (HIT, NOIO): this user neither owns nor may write it\n",
		       (int)strlen(name), "");
	return 1;
}

static int print_files(char **names)
{
	struct nbread ring;
	int status = 0, ret = nbread_queue_init(1, &ring, 0);

	if (ret < 0) {
		nbread_explain(ret);
		return 1;
	}
	for (; *names; names++)
		if (!print_file(&ring, *names))
			status = 3;
	nbread_queue_exit(&ring);
	return status;
}

int main(int argc, char **argv)
{
	struct nbread_query query;
	int opt, ret, status = 0;

	/* It is about the device: threads that serve in its place would hide what is wrong. */
	setenv("NBREAD_BACKEND", "module", 1);
	while ((opt = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			help(stdout);
			return 0;
		case 'V':
			printf("nbread-info %s\n", NBREAD_VERSION);
			return 0;
		default:
			help(stderr);
			return 2;
		}
	}
	ret = nbread_query(NULL, &query);
	if (ret < 0) {
		nbread_explain(ret);
		return 1;
	}
	if (optind == argc)
		print_query(&query);
	else
		status = print_files(argv + optind);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "nbread-info: standard output: %s\n", strerror(errno));
		return 1;
	}
	return status;
}
