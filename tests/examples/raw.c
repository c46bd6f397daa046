// SPDX-License-Identifier: GPL-2.0-only
/*
 * raw PORT: sends its input to that port of this machine, says that no more will come, and
 * prints all that comes back. What tests/examples/httpd.sh speaks to the server by where a
 * client that knows HTTP would not say such things; static, since it is started often.
 *
 * A server that closes before it has read all is no error. Exit status: 0, or 1 without a
 * connection, or when the answer does not end within two minutes.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char buf[65536];

/* The kernel takes and gives as much of it as it likes; 0 when it will not have more. */
static int put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0)
			return 0;
		p += done;
		n -= (size_t)done;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (argc != 2) {
		fprintf(stderr, "usage: raw PORT\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		fprintf(stderr, "raw: no connection to port %s: %m\n", argv[1]);
		return 1;
	}
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
		if (!put(fd, buf, (size_t)n))
			break;
	shutdown(fd, SHUT_WR);
	alarm(120);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (!put(STDOUT_FILENO, buf, (size_t)n))
			return 1;
	return 0;
}
