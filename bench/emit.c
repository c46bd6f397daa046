// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is measured, as objects of results.json: one a line, without the brackets and
 * commas around them, which bench/run adds.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "nbtest.h"

static const char *const metric_names[NR_METRICS] = {
	[INSNS_PER_OP] = "insns_per_op",
	[NS_PER_OP] = "ns_per_op",
	[OPS_PER_S] = "ops_per_s",
	[CPU_NS_PER_OP] = "cpu_ns_per_op",
	[MACHINE_CPU_NS_PER_OP] = "machine_cpu_ns_per_op",
	[CONTEXT_SWITCHES] = "context_switches",
	[MACHINE_SWITCHES] = "machine_switches",
	[SWITCH_NS] = "switch_ns",
	[SWITCHLESS_INSNS_PER_OP] = "switchless_insns_per_op",
	[BANDWIDTH_KIB_S] = "bandwidth_kib_s",
	[INLINE_SHARE] = "inline_share",
	[HOT_SHARE] = "hot_share",
	[SUBMIT_MAX_NS] = "submit_max_ns",
	[HIT_P10_NS] = "hit_p10_ns",
	[HIT_P25_NS] = "hit_p25_ns",
	[HIT_P50_NS] = "hit_p50_ns",
	[HIT_P75_NS] = "hit_p75_ns",
	[HIT_P90_NS] = "hit_p90_ns",
	[HIT_P99_NS] = "hit_p99_ns",
	[HIT_P999_NS] = "hit_p999_ns",
	[HIT_MAX_NS] = "hit_max_ns",
	[LAT_P10_NS] = "lat_p10_ns",
	[LAT_P25_NS] = "lat_p25_ns",
	[LAT_P50_NS] = "lat_p50_ns",
	[LAT_P75_NS] = "lat_p75_ns",
	[LAT_P90_NS] = "lat_p90_ns",
	[LAT_P99_NS] = "lat_p99_ns",
	[LAT_P999_NS] = "lat_p999_ns",
	[LAT_MAX_NS] = "lat_max_ns",
};

static const unsigned int per_mille[] = { 100, 250, 500, 750, 900, 990, 999, 1000 };

static FILE *out;
/* What every object has. */
static char common[768];

void figure(struct figures *f, enum metric m, double value)
{
	f->v[m][f->n[m]++] = value;
}

static int by_latency(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void figure_latency(struct figures *f, enum metric first, uint32_t *lat, unsigned int n)
{
	unsigned int i;
	uint64_t at;

	if (!n)
		return;
	qsort(lat, n, sizeof(*lat), by_latency);
	for (i = 0; i < NBTEST_ARRAY_SIZE(per_mille); i++) {
		at = (uint64_t)n * per_mille[i] / 1000;
		figure(f, first + i, lat[at < n ? at : n - 1]);
	}
}

void refuse(struct figures *f, const struct job *j)
{
	if (f->why)
		return;
	if (j->bad)
		snprintf(f->text, sizeof(f->text), "%s: %u reads, the first: %ld (%s)", j->why,
			 j->bad, j->bad_res, j->bad_res < 0 ? strerror((int)-j->bad_res) : "short");
	else
		snprintf(f->text, sizeof(f->text), "%s%s%s", j->why ? j->why : "it failed",
			 j->err ? ": " : "", j->err ? strerror(j->err) : "");
	f->why = f->text;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double figure_median(const struct figures *f, enum metric m)
{
	unsigned int n = f->n[m];
	double v[MAX_RUNS];

	if (!n)
		return 0;
	memcpy(v, f->v[m], n * sizeof(v[0]));
	qsort(v, n, sizeof(v[0]), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void least_and_most(const struct figures *f, enum metric m, double *least, double *most)
{
	unsigned int i;

	*least = *most = f->v[m][0];
	for (i = 1; i < f->n[m]; i++) {
		if (f->v[m][i] < *least)
			*least = f->v[m][i];
		if (f->v[m][i] > *most)
			*most = f->v[m][i];
	}
}

/* Nothing of it may end a string of JSON. */
static void cpu_model(char *text, size_t size)
{
	char line[256];
	char *model, *p;
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(text, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "model name", 10))
			continue;
		model = strchr(line, ':');
		if (!model)
			continue;
		snprintf(text, size, "%s", model + 2);
		for (p = text; *p; p++) {
			if (*p == '"' || *p == '\\' || *p == '\n')
				*p = *p == '\n' ? '\0' : ' ';
		}
		break;
	}
	if (f)
		fclose(f);
}

static const char *from_env(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

void emit_open(const char *name)
{
	char release[256];
	char cpu[128];
	struct utsname u;

	out = fopen(name, "ae");
	if (!out)
		nbtest_fatal("bench: %s: %s", name, strerror(errno));
	uname(&u);
	snprintf(release, sizeof(release), "%s", u.release);
	cpu_model(cpu, sizeof(cpu));
	snprintf(common, sizeof(common),
		 "\"kernel\":\"%s\",\"release\":\"%.64s\",\"cpu\":\"%s\",\"cpus\":%ld,"
		 "\"icount\":%s,\"commit\":\"%s\",\"fs\":\"%s\",\"set\":\"%s\"",
		 from_env("NBREAD_BENCH_KERNEL", release), release, cpu,
		 sysconf(_SC_NPROCESSORS_ONLN), clock_counts_instructions() ? "true" : "false",
		 from_env("NBREAD_BENCH_COMMIT", "unknown"), from_env("NBREAD_BENCH_FS", "unknown"),
		 from_env("NBREAD_BENCH_SET", "unknown"));
}

void emit(const struct cell *c, const char *workload, const struct engine *e,
	  const struct figures *f, unsigned int ops)
{
	double least, most;
	unsigned int m;

	for (m = 0; m < NR_METRICS; m++) {
		if (!f->n[m])
			continue;
		least_and_most(f, m, &least, &most);
		fprintf(out,
			"{%s,\"workload\":\"%s\",\"block_size\":%u,\"queue_depth\":%u,"
			"\"threads\":%u,\"files\":%u,\"engine\":\"%s\",\"metric\":\"%s\","
			"\"value\":%.10g,\"min\":%.10g,\"max\":%.10g,\"runs\":%u,\"ops\":%u}\n",
			common, workload, c->len, c->depth, c->threads, c->nr_files, e->name,
			metric_names[m], figure_median(f, m), least, most, f->n[m], ops);
	}
	fflush(out);
}

void emit_unreported(const struct cell *c, const struct engine *e, const struct figures *f)
{
	printf("bench: %s, %u bytes, depth %u, %u files, threads %u: %s is not reported: %s\n",
	       c->workload, c->len, c->depth, c->nr_files, c->threads, e->name, f->why);
}
