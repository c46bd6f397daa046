// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process for each run of an engine. Some leave threads behind that end seconds later, or
 * with the process: glibc's for POSIX AIO, the last worker of io_uring. They would make each
 * descriptor dearer for the engine that comes next: who is the only thread of its
 * process needs no reference to look one up.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nbtest.h"

/* In place, and no copy on write, which would be part of what is measured. */
void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		nbtest_fatal("bench: no memory");
	return p;
}

void in_child(void (*fn)(const struct turn *t), const struct turn *t)
{
	struct figures *f = t->figures;
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		nbtest_fatal("bench: fork: %s", strerror(errno));
	if (!pid) {
		fn(t);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			nbtest_fatal("bench: waitpid: %s", strerror(errno));
	}
	if (status && !f->why) {
		snprintf(f->text, sizeof(f->text), "its process ended with status %#x",
			 (unsigned int)status);
		f->why = f->text;
	}
}
