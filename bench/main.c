// SPDX-License-Identifier: GPL-2.0-only
/*
 * nbbench: reads by many engines, side by side.
 *
 *	nbbench --out FILE --where DIR [OPTION...]
 *
 *	--workload W	cached_random (default), cold_random, cold_sequential or mix
 *	--size N,...	bytes of a read; default 4096. The mix has its own sizes and depths
 *	--depth N,...	reads in flight; default 32
 *	--files N,...	files they are in (of cached_random alone); default 1
 *	--threads N	that submit, each on its own CPU (of cached_random alone); default 1
 *	--engine E,...	default: all that serve the workload; '-E': not this one
 *	--runs N	of each engine; default 5
 *	--ops N		reads of a run, of cold ones no more than the file has; mix: milliseconds
 *			of a run at most
 *	--switches	of cached_random: also the switches of the whole machine, and the
 *			instructions without them
 *	--where DIR	a folder of the file system to read from, or a block device
 *	--out FILE	where objects of results.json are appended, one a line
 *	--steady P	no figures: the reads of one engine again and again, for bench/profile;
 *			makes P.ready, begins when P.go is there, ends with it, makes P.done
 *	--list		the engines
 *
 * Says on stdout what it is at, and who is not reported and why. The environment variables
 * NBREAD_BENCH_KERNEL, _FS, _SET and _COMMIT name what an object cannot know by itself. Exit
 * status: 0; 1 when nbread could not be measured, or somebody read wrong bytes; 2 wrong use.
 */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nbtest.h"

#define MOST_VALUES 16

struct list {
	unsigned int n;
	unsigned int v[MOST_VALUES];
};

static void usage(const char *what, const char *value)
{
	fprintf(stderr, "nbbench: %s '%s'; the options are at the top of bench/main.c\n", what,
		value);
	exit(2);
}

static void parse_list(struct list *l, const char *text)
{
	char *end;

	l->n = 0;
	do {
		if (l->n == MOST_VALUES)
			usage("too many values in", text);
		l->v[l->n++] = (unsigned int)strtoul(text, &end, 10);
		if (end == text || (*end && *end != ',') || !l->v[l->n - 1])
			usage("no list of numbers:", text);
		text = end + 1;
	} while (*end);
}

static bool cold(const struct cell *c)
{
	return strcmp(c->workload, "cached_random");
}

static bool suits(const struct cell *c, const struct engine *e)
{
	return !(cold(c) && e->flags & E_CACHED_ONLY);
}

static const struct engine *chosen[MAX_ENGINES];

static void choose(struct cell *c, const char *names)
{
	bool without = names && *names == '-';
	const struct engine *named[MAX_ENGINES];
	unsigned int n = 0;
	unsigned int i, k;
	const char *end;

	while (names && *names) {
		names += *names == '-';
		end = strchrnul(names, ',');
		named[n] = engine_by_name(names, (size_t)(end - names));
		if (!named[n] || n == MAX_ENGINES - 1)
			usage("no such engine:", names);
		n++;
		names = *end ? end + 1 : end;
	}
	c->engines = chosen;
	for (i = 0; engines[i]; i++) {
		for (k = 0; k < n && named[k] != engines[i]; k++)
			;
		if (suits(c, engines[i]) && (!n || (k < n) != without))
			chosen[c->nr_engines++] = engines[i];
	}
	if (!c->nr_engines)
		usage("no engine left for", c->workload);
}

/* Enough for a figure that repeats where instructions are counted. */
static unsigned int usual_ops(const struct cell *c)
{
	if (!strcmp(c->workload, "mix"))
		return 300;
	if (!strcmp(c->workload, "cold_sequential"))
		return 512;
	if (!strcmp(c->workload, "cold_random"))
		return 4096;
	return c->len > 16384 ? 256 : 1024;
}

static const char *about(const struct cell *c)
{
	static char text[80];

	text[0] = '\0';
	if (strcmp(c->workload, "mix"))
		snprintf(text, sizeof(text), ", %u bytes, depth %u, %u file(s), %u thread(s)",
			 c->len, c->depth, c->nr_files, c->threads);
	return text;
}

/* Whole batches; of what is read once no more than there is. */
static unsigned int ops_of(const struct cell *c, unsigned int wanted)
{
	unsigned int n = wanted ? wanted : usual_ops(c);

	n = (n + c->depth - 1) / c->depth * c->depth;
	if (cold(c) && strcmp(c->workload, "mix") && n > ONE_FILE / c->len)
		n = ONE_FILE / c->len;
	return n;
}

/* One cell after the other. */
static bool measure_all(struct cell *c, const struct list *size, const struct list *depth,
			const struct list *files, unsigned int ops)
{
	uint64_t began;
	bool sound = true;
	unsigned int s, d, f;

	for (f = 0; f < files->n; f++) {
		for (s = 0; s < size->n; s++) {
			for (d = 0; d < depth->n; d++) {
				c->nr_files = files->v[f];
				c->len = size->v[s];
				c->depth = depth->v[d];
				if (c->len > MAX_LEN || c->depth > MAX_DEPTH)
					usage("too long or too deep for", c->workload);
				c->ops = ops_of(c, ops);
				began = now_ns();
				sound &= strcmp(c->workload, "mix") ? measure_and_report(c) :
								      measure_mix(c);
				printf("bench: %s%s: %u engines, %llu ms of this machine\n",
				       c->workload, about(c), c->nr_engines,
				       (unsigned long long)(now_ns() - began) / 1000000);
			}
		}
	}
	return sound;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "workload", required_argument, NULL, 'w' },
		{ "size", required_argument, NULL, 's' },
		{ "depth", required_argument, NULL, 'd' },
		{ "files", required_argument, NULL, 'f' },
		{ "threads", required_argument, NULL, 't' },
		{ "engine", required_argument, NULL, 'e' },
		{ "runs", required_argument, NULL, 'r' },
		{ "ops", required_argument, NULL, 'n' },
		{ "where", required_argument, NULL, 'D' },
		{ "out", required_argument, NULL, 'o' },
		{ "switches", no_argument, NULL, 'x' },
		{ "steady", required_argument, NULL, 'S' },
		{ "list", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	struct cell c = { .workload = "cached_random", .threads = 1, .runs = 5 };
	struct list size = { 1, { 4096 } }, depth = { 1, { 32 } }, files = { 1, { 1 } };
	const char *names = NULL;
	const char *steady = NULL;
	const char *out = NULL;
	unsigned int ops = 0;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'w':
			c.workload = optarg;
			break;
		case 's':
			parse_list(&size, optarg);
			break;
		case 'd':
			parse_list(&depth, optarg);
			break;
		case 'f':
			parse_list(&files, optarg);
			break;
		case 't':
			c.threads = (unsigned int)atoi(optarg);
			break;
		case 'e':
			names = optarg;
			break;
		case 'r':
			c.runs = (unsigned int)atoi(optarg);
			break;
		case 'n':
			ops = (unsigned int)atoi(optarg);
			break;
		case 'D':
			c.where = optarg;
			break;
		case 'o':
			out = optarg;
			break;
		case 'x':
			c.switches = true;
			break;
		case 'S':
			steady = optarg;
			break;
		case 'l':
			for (unsigned int i = 0; engines[i]; i++)
				puts(engines[i]->name);
			return 0;
		default:
			return 2;
		}
	}
	if (!c.where || !out || optind != argc)
		usage("--where and --out are needed, not", optind < argc ? argv[optind] : "");
	if (!c.threads || c.threads > MAX_JOBS || !c.runs || c.runs > MAX_RUNS)
		usage("too many or too few", "--threads or --runs");
	if (strcmp(c.workload, "cached_random") && strcmp(c.workload, "cold_random") &&
	    strcmp(c.workload, "cold_sequential") && strcmp(c.workload, "mix"))
		usage("no such workload:", c.workload);
	if (!strcmp(c.workload, "mix"))
		size = depth = files = (struct list){ 1, { 1 } }; /* of its own */
	else if (cold(&c) && (c.threads > 1 || files.n > 1 || files.v[0] > 1))
		usage("--threads and --files are of cached_random, not of", c.workload);
	choose(&c, names);
	if (steady) {
		c.len = size.v[0];
		c.depth = depth.v[0];
		c.nr_files = files.v[0];
		c.ops = ops_of(&c, ops);
		return measure_steady(&c, steady) ? 1 : 0;
	}
	emit_open(out);
	return measure_all(&c, &size, &depth, &files, ops) ? 0 : 1;
}
