// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slow file of behave.h. Its server (tests/device/fuse.c) is a process of its own: a
 * read that it holds cannot be killed, so a process that serves itself would never end.
 * It goes with the test.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "behave.h"
#include "../device/fuse.h"

static int talk = -1;

static void serve(int fd, size_t size, unsigned id)
{
	const char *path = fuse_start(size, id);
	unsigned answer;
	char command;

	for (;;) {
		answer = 0;
		if (read(fd, &command, 1) != 1)
			break;
		if (command == 'h')
			fuse_hold();
		else if (command == 'r')
			fuse_release();
		else if (command == 'c')
			answer = fuse_held();
		else if (command == 'p')
			answer = (unsigned)strlen(path);
		if (write(fd, &answer, sizeof(answer)) != sizeof(answer) ||
		    (command == 'p' && write(fd, path, answer) != (ssize_t)answer))
			break;
	}
	_exit(0);
}

static unsigned ask(char command)
{
	unsigned answer;

	ck_assert_int_eq(write(talk, &command, 1), 1);
	ck_assert_int_eq(read(talk, &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

int behave_slow_file(size_t size, unsigned id)
{
	char path[128] = "";
	int pair[2], fd;
	pid_t pid;

	/* In a mount name space that ends with the test's process. */
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		nbtest_skip_now("no right to mount a FUSE file: %m");
	if (access("/dev/fuse", R_OK | W_OK) != 0 && nbtest_sh("modprobe fuse") != 0)
		nbtest_skip_now("no FUSE here");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		serve(pair[1], size, id);
	}
	close(pair[1]);
	talk = pair[0];
	fd = (int)ask('p');
	ck_assert_int_lt(fd, sizeof(path));
	ck_assert_int_eq(read(talk, path, (size_t)fd), fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void behave_hold(void)
{
	ask('h');
}

void behave_let_go(void)
{
	ask('r');
}

void behave_held(unsigned nr)
{
	ck_assert_msg(nbtest_wait_until(ask('c') == nr, 30000),
		      "%u reads came to the server, %u are wanted", ask('c'), nr);
}
