// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checker must be able to fail: each case takes a right answer, damages it
 * in one way, and the checker has to flag that; the same cases undamaged, and
 * what concurrency excuses, have to pass.
 */
#include "selftest.h"
#include "engine.h"
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/nbread.h>
#include <sys/wait.h>

#define SIZE (64u << 10)
#define OFF 1544u /* on a word, not on a unit */
#define LEN 20008u

static struct model m;
static struct answer a;
static unsigned char *arena;

static unsigned char *buf(void)
{
	return a.iov[0].iov_base;
}

static void put(unsigned int word, uint64_t value)
{
	memcpy(buf() + 8 * word, &value, 8);
}

static uint64_t get(unsigned int word)
{
	uint64_t value;

	memcpy(&value, buf() + 8 * word, 8);
	return value;
}

/* A file of generation 3 with a history; a READ of it, right in every byte. */
static void right_answer(void)
{
	uint32_t seq = 0;
	unsigned int i;

	model_free(&m);
	if (model_init(&m, 7, 2 * SIZE, SIZE))
		abort();
	for (i = 0; i < 3; i++) {
		seq = model_begin(&m, 0, SIZE, false, SIZE);
		model_end(&m, seq, 0, SIZE, false);
	}
	memset(&a, 0, sizeof(a));
	a.kind = KIND_READ;
	a.m = &m;
	a.off = OFF;
	a.len = LEN;
	a.iov[0].iov_base = arena + CANARY;
	a.iov[0].iov_len = LEN;
	a.niov = 1;
	a.have_flags = true;
	a.flags = NBREAD_CQE_HIT;
	model_sample(&m, &a);
	buffer_poison(&a);
	model_fill(&m, OFF, LEN, seq, buf());
	a.res = LEN;
}

/* A READ of the last bytes, with an offset and an end within a word. */
static void ragged_answer(void)
{
	right_answer();
	a.off = SIZE - 1003;
	model_sample(&m, &a);
	buffer_poison(&a);
	model_fill(&m, SIZE - 1008, 1008, 3, arena + CANARY + LEN);
	memcpy(buf(), arena + CANARY + LEN + 5, 1003);
	memset(arena + CANARY + LEN, POISON, CANARY);
	a.res = 1003;
}

/* After truncate within a unit and extension: the rest must be zero. */
static void cut_answer(void)
{
	uint32_t seq;

	right_answer();
	seq = model_begin(&m, OFF + 800, m.max, true, OFF + 800);
	model_end(&m, seq, OFF + 800, m.max, true);
	seq = model_begin(&m, 0, 0, true, SIZE);
	model_end(&m, seq, 0, 0, true);
	model_sample(&m, &a);
	memset(buf() + 800, 0, LEN - 800);
}

/* A write of generation 4 is on its way: old and new words may be mixed. */
static void raced_answer(void)
{
	right_answer();
	model_begin(&m, 0, SIZE, false, SIZE);
	put(17, model_word(&m, OFF / 8 + 17, 4));
	put(18, model_word(&m, OFF / 8 + 18, 3));
}

/* A truncation to an earlier page is on its way; tmpfs delivers all of what was the last one. */
static void page_answer(void)
{
	const uint64_t size = SIZE - 1000;

	right_answer();
	m.pageout = true;
	model_end(&m, model_begin(&m, size, m.max, true, size), size, m.max, true);
	a.off = SIZE - 4096;
	model_sample(&m, &a);
	buffer_poison(&a);
	model_fill(&m, a.off, 4096 - 1000, 3, buf());
	memset(buf() + 4096 - 1000, 0, 1000);
	a.res = 4096;
	a.flags = NBREAD_CQE_PUNTED;
	model_begin(&m, 4096, m.max, true, 4096);
}

static void missed_answer(void)
{
	right_answer();
	buffer_poison(&a);
	a.kind = KIND_CACHED;
	a.res = -EAGAIN;
	a.flags = 0;
}

static void quiet(void)
{
	ragged_answer();
	m.quiet = true;
}
static void nothing(void)
{
}
static void bit(void)
{
	buf()[4711] ^= 4;
}
static void stale(void)
{
	put(99, model_word(&m, OFF / 8 + 99, 2));
}
static void future(void)
{
	put(99, model_word(&m, OFF / 8 + 99, 4));
}
static void moved(void)
{
	memmove(buf() + 512, buf() + 520, 4096);
}
static void other_file(void)
{
	put(99, get(99) ^ 1ull << 56);
}
static void zeroed(void)
{
	memset(buf() + 4096, 0, 4096);
}
static void not_delivered(void)
{
	memset(buf() + LEN - 4096, POISON, 4096);
}
static void short_read(void)
{
	a.res = 4096;
}
static void false_eof(void)
{
	a.res = 0;
	a.flags = 0;
}
static void leaked_eagain(void)
{
	a.res = -EAGAIN;
	a.flags = 0;
}
static void error(void)
{
	a.res = -EIO;
	a.flags = 0;
}
static void too_long(void)
{
	a.res++;
}
static void head_byte(void)
{
	buf()[0] ^= 1;
}
static void tail_byte(void)
{
	buf()[1002] ^= 1;
}
static void before(void)
{
	arena[CANARY - 1] = 0;
}
static void behind(void)
{
	arena[CANARY + LEN] = 0;
}
static void behind_res(void)
{
	buf()[1003] = 0;
}
static void touched(void)
{
	buf()[5000] = 0;
}
static void stale_tail(void)
{
	put(100, model_word(&m, OFF / 8 + 100, 3));
}
static void cached_eof(void)
{
	a.res = 0;
	a.kind = KIND_CACHED;
	a.flags = 0;
}
static void cached_error(void)
{
	a.res = -EPERM;
	a.kind = KIND_NOIO;
	a.flags = 0;
}
static void short_hit(void)
{
	a.res = 4096;
	a.kind = KIND_CACHED;
}
static void cached_waited(void)
{
	a.kind = KIND_TRY;
	a.flags = NBREAD_CQE_WAITED;
}
static void unhit(void)
{
	a.kind = KIND_CACHED;
	a.flags = 0;
}
static void both(void)
{
	a.flags = NBREAD_CQE_HIT | NBREAD_CQE_WAITED;
}
static void not_async(void)
{
	a.kind = KIND_ASYNC;
}
static void cached_short(void)
{
	a.kind = KIND_CACHED;
	a.res = 4096;
	a.flags = 0;
}
static void torn(void)
{
	put(17, model_word(&m, OFF / 8 + 17, 3) + (4ull << 16));
}
static void raced_older(void)
{
	put(17, model_word(&m, OFF / 8 + 17, 2));
}
static void raced_zero(void)
{
	put(17, 0);
}

static void no_worker(void)
{
	a.flags = 0;
}
static void on_disk(void)
{
	m.pageout = false;
}
static void page_stale(void)
{
	put((4096 - 1000) / 8 + 3, model_word(&m, (a.off + 4096 - 1000) / 8 + 3, 3));
}

static const struct {
	const char *name;
	void (*make)(void);
	void (*damage)(void);
	bool fits;
} cases[] = {
	{ "passes_a_right_answer", right_answer, nothing, true },
	{ "passes_a_right_answer_within_words", ragged_answer, nothing, true },
	{ "passes_a_right_answer_of_a_quiet_file", quiet, nothing, true },
	{ "passes_zeroes_after_truncate_and_extension", cut_answer, nothing, true },
	{ "passes_old_and_new_words_during_a_write", raced_answer, nothing, true },
	{ "passes_the_rest_of_a_page_of_tmpfs_during_a_truncation", page_answer, nothing, true },
	{ "passes_a_miss", missed_answer, nothing, true },
	{ "passes_the_leading_part_of_a_cached_read", right_answer, cached_short, true },
	{ "flags_a_flipped_bit", right_answer, bit, false },
	{ "flags_a_stale_generation", right_answer, stale, false },
	{ "flags_a_generation_of_the_future", right_answer, future, false },
	{ "flags_data_of_another_place", right_answer, moved, false },
	{ "flags_data_of_another_file", right_answer, other_file, false },
	{ "flags_zeroes_that_nobody_punched", right_answer, zeroed, false },
	{ "flags_bytes_counted_but_not_delivered", right_answer, not_delivered, false },
	{ "flags_a_short_read", right_answer, short_read, false },
	{ "flags_a_false_end_of_file", right_answer, false_eof, false },
	{ "flags_eagain_of_a_plain_read", right_answer, leaked_eagain, false },
	{ "flags_an_error", right_answer, error, false },
	{ "flags_a_result_beyond_end_of_file", ragged_answer, too_long, false },
	{ "flags_a_wrong_byte_before_the_first_word", ragged_answer, head_byte, false },
	{ "flags_a_wrong_byte_behind_the_last_word", ragged_answer, tail_byte, false },
	{ "flags_a_write_before_the_buffer", right_answer, before, false },
	{ "flags_a_write_behind_the_buffer", right_answer, behind, false },
	{ "flags_a_write_behind_the_result", quiet, behind_res, false },
	{ "flags_a_miss_that_wrote_to_the_buffer", missed_answer, touched, false },
	{ "flags_old_data_after_truncate_and_extension", cut_answer, stale_tail, false },
	{ "flags_a_cached_end_of_file_within_the_file", right_answer, cached_eof, false },
	{ "flags_an_error_of_a_cached_read", right_answer, cached_error, false },
	{ "flags_a_partial_hit_called_hit", right_answer, short_hit, false },
	{ "flags_a_cached_read_that_waited", right_answer, cached_waited, false },
	{ "flags_a_complete_cached_read_without_hit", right_answer, unhit, false },
	{ "flags_a_hit_that_waited", right_answer, both, false },
	{ "flags_an_async_read_without_worker", right_answer, not_async, false },
	{ "flags_a_torn_word", raced_answer, torn, false },
	{ "flags_a_stale_generation_during_a_write", raced_answer, raced_older, false },
	{ "flags_zeroes_during_a_write", raced_answer, raced_zero, false },
	{ "flags_the_rest_of_a_page_that_no_worker_read", page_answer, no_worker, false },
	{ "flags_the_rest_of_a_page_of_a_disk", page_answer, on_disk, false },
	{ "flags_what_was_cut_off_in_the_rest_of_a_page", page_answer, page_stale, false },
};

/* This program with a faulty engine must fail, with a sound one pass. */
static bool program_says(const char *engine, int expected)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256];
	int status = -1;
	pid_t pid;
	int null;

	snprintf(dir, sizeof(dir), "%s/mix.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return false;
	pid = fork();
	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		execl("/proc/self/exe", "mix", "--engine", engine, "--dir", dir, "--seed", "1",
		      "--reads", "3000", NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	/* A run that failed kept nothing: it removes its files in any case. */
	rmdir(dir);
	return WIFEXITED(status) && WEXITSTATUS(status) == expected;
}

int selftest(void)
{
	unsigned int n = sizeof(cases) / sizeof(cases[0]);
	unsigned int bad = 0;
	struct fault why;
	unsigned int i;
	bool ok;

	arena = malloc(LEN + 4096);
	if (!arena)
		abort();
	for (i = 0; i < n; i++) {
		cases[i].make();
		cases[i].damage();
		why.text[0] = 0;
		ok = (model_check(&a, &why) && buffer_check(&a, &why)) == cases[i].fits;
		printf("%s the_checker_%s\n", ok ? "ok" : "not ok", cases[i].name);
		if (why.text[0])
			printf("# %s\n", why.text);
		bad += !ok;
	}
	free(arena);
	ok = program_says("pread", 0);
	printf("%s the_mix_passes_pread_itself\n", ok ? "ok" : "not ok");
	bad += !ok;
	for (i = 0; engine_faulty[i]; i++) {
		ok = program_says(engine_faulty[i], 1);
		printf("%s the_mix_flags_answers_that_are_%s\n", ok ? "ok" : "not ok",
		       engine_faulty[i]);
		bad += !ok;
	}
	printf("1..%u\n", n + 1 + i);
	return bad != 0;
}
