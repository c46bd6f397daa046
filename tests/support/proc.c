// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes, privileges, /proc and /sys, time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nbtest.h"

#define NOBODY 65534

int nbtest_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = -errno;
	if (close(fd) != 0 && !err)
		err = -errno;
	return err;
}

ssize_t nbtest_read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return (ssize_t)strlen(buf);
}

uint64_t nbtest_fdinfo(int fd, const char *name)
{
	char path[64], line[256];
	uint64_t value = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) || line[strlen(name)] != ':')
			continue;
		found = true;
		value = strtoull(line + strlen(name) + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	if (!found)
		nbtest_fatal("no '%s' in %s", name, path);
	return value;
}

void nbtest_sysctl(const char *name, const char *value, char *old, size_t old_size)
{
	char path[256];
	ssize_t n;
	int err;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (old) {
		n = nbtest_read_text(path, old, old_size);
		if (n < 0)
			nbtest_fatal("%s: %s", path, strerror((int)-n));
	}
	err = nbtest_write_text(path, value);
	if (err)
		nbtest_fatal("cannot write '%s' to %s: %s", value, path, strerror(-err));
}

struct disk_stat {
	uint64_t reads, merges, sectors;
};

static struct disk_stat disk_stat(dev_t dev)
{
	struct disk_stat s;
	char path[64], line[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(dev), minor(dev));
	n = nbtest_read_text(path, line, sizeof(line));
	if (n < 0 ||
	    sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64, &s.reads, &s.merges, &s.sectors) != 3)
		nbtest_fatal("cannot read %s", path);
	return s;
}

static dev_t block_dev(const char *dev)
{
	struct stat st;

	if (stat(dev, &st) != 0 || !S_ISBLK(st.st_mode))
		nbtest_fatal("%s is not a block device", dev);
	return st.st_rdev;
}

uint64_t nbtest_disk_reads(const char *dev)
{
	return disk_stat(block_dev(dev)).reads;
}

uint64_t nbtest_disk_read_sectors(const char *dev)
{
	return disk_stat(block_dev(dev)).sectors;
}

uint64_t nbtest_disk_reads_fd(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		nbtest_fatal("fstat of file descriptor %d: %m", fd);
	return disk_stat(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev).reads;
}

static int wait_pid(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			nbtest_fatal("waitpid: %m");
	return status;
}

static int wait_status(pid_t pid)
{
	int status = wait_pid(pid);

	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static char *read_all(int fd)
{
	size_t used = 0, size = 4096;
	char *buf = malloc(size);
	ssize_t n;

	while ((n = read(fd, buf + used, size - used - 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		used += (size_t)n;
		if (used + 1 == size)
			buf = realloc(buf, size *= 2);
	}
	buf[used] = 0;
	return buf;
}

int nbtest_run(const char *const argv[], char **out)
{
	int fds[2] = { -1, -1 };
	pid_t pid;

	if (out && pipe2(fds, O_CLOEXEC) != 0)
		nbtest_fatal("pipe: %m");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		nbtest_fatal("fork: %m");
	if (pid == 0) {
		if (out) {
			dup2(fds[1], 1);
			dup2(fds[1], 2);
		}
		execvp(argv[0], (char *const *)argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	if (out) {
		close(fds[1]);
		*out = read_all(fds[0]);
		close(fds[0]);
	}
	return wait_status(pid);
}

static int run_shell(const char *fmt, va_list ap, char *cmd, size_t size, char **out)
{
	/* mkfs, modprobe and dmsetup are in sbin. */
	int n = snprintf(cmd, size, "PATH=$PATH:/usr/sbin:/sbin; ");

	n += vsnprintf(cmd + n, size - (size_t)n, fmt, ap);
	if (n >= (int)size)
		nbtest_fatal("command too long: %s", cmd);
	return nbtest_run((const char *const[]){ "/bin/sh", "-c", cmd, NULL }, out);
}

int nbtest_sh(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = run_shell(fmt, ap, cmd, sizeof(cmd), NULL);
	va_end(ap);
	return status;
}

void nbtest_must_sh(const char *fmt, ...)
{
	char cmd[2048], *out;
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = run_shell(fmt, ap, cmd, sizeof(cmd), &out);
	va_end(ap);
	if (status)
		nbtest_fatal("status %d of: %s: %s", status, strchr(cmd, ';') + 2, out);
	free(out);
}

bool nbtest_have_command(const char *name)
{
	return nbtest_sh("command -v %s >/dev/null", name) == 0;
}

static int child(int (*fn)(void *), void *arg, bool nobody)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		nbtest_fatal("fork: %m");
	if (pid == 0) {
		if (nobody && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			       setresuid(NOBODY, NOBODY, NOBODY))) {
			perror("becoming nobody");
			_exit(255);
		}
		status = fn(arg);
		fflush(NULL);
		_exit(status);
	}
	status = wait_pid(pid);
	if (WIFSIGNALED(status))
		nbtest_fatal("the child was ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

int nbtest_as_nobody(int (*fn)(void *), void *arg)
{
	return child(fn, arg, true);
}

int nbtest_in_child(int (*fn)(void *), void *arg)
{
	return child(fn, arg, false);
}

static unsigned int dir_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;
	struct dirent *e;

	if (!dir)
		nbtest_fatal("%s: %m", path);
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

unsigned int nbtest_open_fds(void)
{
	/* Without the one that reads the directory. */
	return dir_entries("/proc/self/fd") - 1;
}

unsigned int nbtest_threads(void)
{
	return dir_entries("/proc/self/task");
}

unsigned long nbtest_pinned_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	bool found = false;
	char line[128];

	if (!f)
		nbtest_fatal("/proc/self/status: %m");
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "VmPin: %lu kB", &kib) == 1;
	fclose(f);
	if (!found)
		nbtest_fatal("no VmPin in /proc/self/status");
	return kib;
}

unsigned int nbtest_slow(void)
{
	const char *slow = getenv("NBREAD_SLOW");

	return slow ? (unsigned int)strtoul(slow, NULL, 10) : 1;
}

uint64_t nbtest_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void nbtest_sleep_tick(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}
