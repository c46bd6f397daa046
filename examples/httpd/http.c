// SPDX-License-Identifier: MIT
/*
 * nbhttpd: HTTP/1.1 as far as a file server needs it (RFC 9110, 9112): GET and HEAD, one
 * range, If-Modified-Since and If-Range by equality. What a request may not be is refused
 * here, with a status; strictly, since two servers that read one request in two ways are a
 * hole.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "nbhttpd.h"

const char *http_reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 206:
		return "Partial Content";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 416:
		return "Range Not Satisfiable";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	}
	return "Internal Server Error";
}

const char *http_type(const char *path)
{
	static const char *const types[][2] = {
		{ "css", "text/css" },		{ "html", "text/html" },
		{ "jpg", "image/jpeg" },	{ "js", "text/javascript" },
		{ "json", "application/json" }, { "png", "image/png" },
		{ "svg", "image/svg+xml" },	{ "txt", "text/plain" },
		{ "wasm", "application/wasm" },
	};
	const char *dot = strrchr(path, '.');
	unsigned i;

	for (i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(dot + 1, types[i][0]))
			return types[i][1];
	return "application/octet-stream";
}

void http_format_time(char *out, size_t size, int64_t seconds)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)seconds;
	struct tm tm;

	/* Not strftime(), whose names are those of the locale. */
	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	snprintf(out, size, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
		 months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

const char *http_date(void)
{
	static time_t last = -1;
	static char text[64];
	time_t t = time(NULL);

	if (t != last)
		http_format_time(text, sizeof(text), t);
	last = t;
	return text;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The path of a target ('/a%20b?query', or with 'http://host' before it), decoded and without
 * its leading slashes; a folder is its index.html. What '..' means is left to openat2().
 */
static int parse_target(const char *target, char *out)
{
	size_t n = 0;

	if (!strncasecmp(target, "http://", 7)) {
		target += 7;
		target += strcspn(target, "/?#");
	} else if (*target != '/') {
		return -400;
	}
	target += strspn(target, "/");
	for (; *target && *target != '?'; target++) {
		int c = (unsigned char)*target;

		if (c == '%') {
			int high = hex(target[1]), low = high < 0 ? -1 : hex(target[2]);

			c = high << 4 | low;
			if (low < 0 || c == 0)
				return -400;
			target += 2;
		} else if (c == '#') {
			return -400;
		}
		if (n >= PATH_MAX - sizeof("index.html"))
			return -414;
		out[n++] = (char)c;
	}
	out[n] = 0;
	if (n == 0 || out[n - 1] == '/')
		strcpy(out + n, "index.html");
	return 0;
}

/* A decimal number; false when it is none or too large. */
static bool number(const char **s, uint64_t *value)
{
	if (!isdigit((unsigned char)**s))
		return false;
	for (*value = 0; isdigit((unsigned char)**s); (*s)++) {
		if (*value > (UINT64_MAX - 9) / 10)
			return false;
		*value = *value * 10 + (uint64_t)(**s - '0');
	}
	return true;
}

/* One range. Several, another unit and nonsense are as no range at all: RFC 9110, 14.2. */
static void parse_range(const char *s, struct request *req)
{
	if (strncasecmp(s, "bytes=", 6))
		return;
	s += 6;
	req->last = UINT64_MAX;
	if (*s == '-') {
		s++;
		if (number(&s, &req->last) && !*s)
			req->range = RANGE_LAST;
		return;
	}
	if (!number(&s, &req->first) || *s++ != '-')
		return;
	if (*s && (!number(&s, &req->last) || *s || req->last < req->first))
		return;
	req->range = RANGE_FROM;
}

/* Whether a list ('close, TE') has the word. */
static bool has_word(const char *list, const char *word)
{
	size_t n, len = strlen(word);

	for (; *list; list += n) {
		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && !strncasecmp(list, word, len))
			return true;
	}
	return false;
}

static bool is_token(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

/* 'METHOD target HTTP/1.x'; the version's minor number into *minor. */
static int parse_request_line(char *line, struct request *req, int *minor)
{
	char *target = strchr(line, ' '), *version;

	version = target ? strchr(target + 1, ' ') : NULL;
	if (!version || target == line)
		return -400;
	*target++ = 0;
	*version++ = 0;
	if (!is_token(line) || strncmp(version, "HTTP/", 5))
		return -400;
	if (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0"))
		return -505;
	*minor = version[7] - '0';
	req->head = !strcmp(line, "HEAD");
	if (!req->head && strcmp(line, "GET"))
		return -405;
	return parse_target(target, req->path);
}

struct seen {
	unsigned host;
	const char *range;
};

/* Of several such fields 'close' counts: RFC 9112, 9.3. */
static void set_keep_alive(struct request *req, const char *value)
{
	req->close |= has_word(value, "close");
	req->keep_alive = !req->close && (req->keep_alive || has_word(value, "keep-alive"));
}

static int parse_header(char *line, struct request *req, struct seen *seen)
{
	char *value = strchr(line, ':');
	size_t n;

	/* Also a folded line, which begins with a blank. */
	if (!value || value == line)
		return -400;
	*value++ = 0;
	if (!is_token(line))
		return -400;
	value += strspn(value, " \t");
	for (n = strlen(value); n && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
		value[n - 1] = 0;

	if (!strcasecmp(line, "Host"))
		seen->host++;
	else if (!strcasecmp(line, "Connection"))
		set_keep_alive(req, value);
	else if (!strcasecmp(line, "Range"))
		seen->range = value;
	else if (!strcasecmp(line, "If-Range"))
		req->if_range = value;
	else if (!strcasecmp(line, "If-Modified-Since"))
		req->if_modified = value;
	else if (!strcasecmp(line, "Transfer-Encoding"))
		return -501;
	else if (!strcasecmp(line, "Content-Length") && strcmp(value, "0"))
		return value[strspn(value, "0123456789")] || !*value ? -400 : -413;
	return 0;
}

/*
 * http_parse() - the request at the start of @buf
 * @scanned: how far the end of the headers was looked for; 0 at first
 *
 * Return: its length, 0 when it is not there yet, or minus the status of its refusal, after
 * which nothing of the connection can be trusted. The buffer is cut into strings.
 */
int http_parse(char *buf, size_t len, size_t *scanned, struct request *req)
{
	struct seen seen = { 0 };
	char *end, *line, *next;
	size_t skip = 0;
	int minor = 0, ret;

	/* Old clients send an empty line after a body. */
	while (skip + 2 <= len && buf[skip] == '\r' && buf[skip + 1] == '\n')
		skip += 2;
	if (*scanned < skip)
		*scanned = skip;
	end = memmem(buf + *scanned, len - *scanned, "\r\n\r\n", 4);
	if (!end) {
		if (len - skip > 3)
			*scanned = len - 3;
		return 0;
	}
	end += 2;
	*end = 0;

	memset(req, 0, offsetof(struct request, path));
	for (line = buf + skip; line < end; line = next) {
		next = memchr(line, '\r', (size_t)(end - line));
		/* The first blank line is the end, so there is a '\r'. */
		if (next[1] != '\n')
			return -400;
		*next = 0;
		if (strlen(line) != (size_t)(next - line) || strchr(line, '\n'))
			return -400;
		next += 2;
		if (line == buf + skip) {
			ret = parse_request_line(line, req, &minor);
			req->keep_alive = ret == 0 && minor == 1;
		} else {
			ret = parse_header(line, req, &seen);
		}
		if (ret)
			return ret;
	}
	if (seen.host != 1 && (minor == 1 || seen.host > 1))
		return -400;
	if (seen.range && !req->head)
		parse_range(seen.range, req);
	return (int)(end + 2 - buf);
}
