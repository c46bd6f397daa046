# SPDX-License-Identifier: GPL-2.0-only
# The tables of bench/table; results.awk has read the results.

function number(v)
{
	if (v == "")
		return "-"
	if (v >= 1000)
		return sprintf("%d", v + 0.5)
	return sprintf(v >= 100 ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v)
}

# line NAME: the gathered columns, unless all are empty.
function line(name,    i, some)
{
	for (i = 1; i <= nr_columns; i++)
		some += column[i] != ""
	if (!some)
		return
	printf "%-18s", name
	for (i = 1; i <= nr_columns; i++)
		printf " %10s", number(column[i])
	printf "\n"
}

function head(name, titles,    part, n, i)
{
	printf "\n%-18s", name
	n = split(titles, part, "|")
	for (i = 1; i <= n; i++)
		printf " %10s", part[i]
	printf "\n"
	nr_columns = n
}

function scaled(g, selector, factor,    v)
{
	v = best(g, selector)
	return v == "" ? "" : v * factor
}

function has(g, workload,    key)
{
	for (key in value) {
		if (index(key, g SUBSEP) == 1 && index(key, " " workload " "))
			return 1
	}
	return 0
}

function cached(g,    unit, m, e, i)
{
	unit = icount[g] == "true" ? "instructions" : "ns"
	m = "insns_per_op cached_random "
	printf "\nA cached read, %s (median). Random offsets, depth 32 unless said.\n", unit
	head("engine", "512 B|4 KiB|64 KiB|4K depth 1|4K d 8|4K d 128|4K of many")
	for (i = 1; i <= nr_engines; i++) {
		e = engines[i]
		column[1] = best(g, m "512 32 1 1 " e)
		column[2] = best(g, m "4096 32 1 1 " e)
		column[3] = best(g, m "65536 32 1 1 " e)
		column[4] = best(g, m "4096 1 1 1 " e)
		column[5] = best(g, m "4096 8 1 1 " e)
		column[6] = best(g, m "4096 128 1 1 " e)
		column[7] = best(g, m "4096 32 10000 1 " e)
		line(e)
	}
	print "'of many': over 10,000 files. mmap is the floor: no call at all."
}

# Of the whole machine, for each thousand reads of the cell that C is the end of.
function switches(g, c,    v)
{
	v = best(g, "machine_switches" c)
	return v == "" ? "" : v * 1000 / ops[g, "machine_switches" c]
}

function cold(g,    m, e, i, c)
{
	printf "\nA cold read of 4 KiB, depth 32, each block once in random order; microseconds.\n"
	head("engine", "time|CPU: own|CPU: all|switches|p50|p99|submit max|64K seq")
	for (i = 1; i <= nr_engines; i++) {
		e = engines[i]
		c = " cold_random 4096 32 1 1 " e
		column[1] = scaled(g, "ns_per_op" c, 0.001)
		column[2] = scaled(g, "cpu_ns_per_op" c, 0.001)
		column[3] = scaled(g, "machine_cpu_ns_per_op" c, 0.001)
		column[4] = switches(g, c)
		column[5] = scaled(g, "lat_p50_ns" c, 0.001)
		column[6] = scaled(g, "lat_p99_ns" c, 0.001)
		column[7] = scaled(g, "submit_max_ns" c, 0.001)
		column[8] = scaled(g, "bandwidth_kib_s cold_sequential 65536 32 1 1 " e, 1 / 1024)
		line(e)
	}
	print "CPU 'own' is the process with all its threads (io_uring's too), 'all' every task of the machine,"
	print "kernel threads too. switches: of all tasks, a thousand reads. p50, p99: of one read, in a run of its"
	print "own that submits and waits in two calls; submit max: the longest of those. '64K seq' is MiB/s."
}

# What the mails printed, and the same ratios here.
function published(g,    c, a, w, p)
{
	c = "ns_per_op cold_random 4096 32 1 1 "
	a = best(g, c "nbread")
	p = best(g, c "pread")
	w = best(g, c "io_uring_async,io_uring_async_wide")
	if (a == "" || p == "" || w == "")
		return
	print "\nThe second seed, 4 GiB by random reads of 4 KiB, depth 32, its own machine; and here, where it is"
	printf "%d MiB of 64%s:\n", ops[g, c "nbread"] / 256,
		g ~ / here$/ ? "" : ", on a disk of memory that takes 80 us for each"
	printf "%-34s %10s %8s %10s\n", "", "published", "ratio", "ratio here"
	printf "%-34s %9.2fs %8.2f %10.2f\n", "pread, one at a time", 73.821, 73.821 / 9.283, p / a
	printf "%-34s %9.2fs %8.2f %10.2f\n", "threads of io_uring (io-wq)", 12.054, 12.054 / 9.283, w / a
	printf "%-34s %9.2fs %8.2f %10.2f\n", "callback on the page (here nbread)", 9.283, 1, 1
}

# over A B: A / B, "" without both.
function over(a, b)
{
	return a == "" || b == "" || !b ? "" : a / b
}

function less(a, b)
{
	return a == "" || b == "" ? "" : a - b
}

# The second witness: the same reads by fio. What fio does itself is in each of its figures.
function fio(g,    w, name, unit, i, e, t, own, a, b, base_a, base_b, factor)
{
	for (w = 1; w <= 2; w++) {
		name = w == 1 ? "cached_random" : "cold_random"
		if (!has(g, "fio_" name))
			continue
		unit = w == 1 && icount[g] == "true" ? "instructions" : "microseconds"
		factor = unit == "instructions" ? 1 : 0.001
		printf "\nfio and this bench: %s 4 KiB, depth 32, %s a read.\n", w == 1 ? "cached" : "cold", unit
		head("engine", "fio|bench|fio - bench|fio: +|bench: +|fio: x|bench: x|own off: x")
		t = (w == 1 ? "insns_per_op " : "ns_per_op ")
		base_a = scaled(g, t "fio_" name " 4096 32 1 1 nbread", factor)
		base_b = scaled(g, t name " 4096 32 1 1 nbread", factor)
		for (i = 1; i <= nr_engines; i++) {
			e = engines[i]
			a = scaled(g, t "fio_" name " 4096 32 1 1 " e, factor)
			b = scaled(g, t name " 4096 32 1 1 " e, factor)
			if (a == "")
				continue
			own = scaled(g, t "fio_" name " 4096 32 1 1 null" (e == "pread" ? "_sync" : ""), factor)
			column[1] = a
			column[2] = b
			column[3] = less(a, b)
			column[4] = b == "" || e == "nbread" ? "" : less(a, base_a)
			column[5] = b == "" || e == "nbread" ? "" : less(b, base_b)
			column[6] = b == "" ? "" : over(a, base_a)
			column[7] = over(b, base_b)
			column[8] = b == "" ? "" : over(less(a, own),
				less(base_a, scaled(g, t "fio_" name " 4096 32 1 1 null", factor)))
			line(e)
		}
	}
	if (has(g, "fio_cached_random")) {
		print "'+': above nbread, 'x': times nbread, each by that program. 'null' reads nothing: what fio does"
		print "itself for a read ('null_sync': for one at a time). 'own off': the ratio without that."
	}
}

# A file that the module leaves to a worker, though all of it is cached.
function worker(g,    e, i, k, m, left)
{
	printf "\nA cached read of 4 KiB of a file that is left to a worker (%s), instructions of all tasks.\n", fs[g]
	head("engine", "depth 1|switches|without|/ pread|depth 32|switches|without|/ pread")
	for (i = 1; i <= nr_engines; i++) {
		e = engines[i]
		for (k = 0; k < 2; k++) {
			m = "cached_random 4096 " (k ? 32 : 1) " 1 1 "
			left = best(g, "switchless_insns_per_op " m e)
			column[4 * k + 1] = best(g, "insns_per_op " m e)
			column[4 * k + 2] = over(best(g, "machine_switches " m e), ops[g, "machine_switches " m e])
			column[4 * k + 3] = left
			column[4 * k + 4] = over(left, best(g, "insns_per_op " m "pread"))
		}
		line(e)
	}
	printf "'switches': of the machine, for each read; 'without': less %s for each, which is what one costs\n",
		number(best(g, "switch_ns cached_random 4096 32 1 1 pread"))
	print "where two threads wake each other by futex, without the system calls of that."
}

function mix(g,    e, i, f)
{
	printf "\nThe mix of the first seed: 16 KiB; f1 random and mostly cached, f2 random, f3 sequential.\n"
	head("engine", "f1 KiB/s|f2 KiB/s|f3 KiB/s|f1 inline|f1 hot|hit p50 us|hit p99 us|switches")
	for (i = 1; i <= nr_engines; i++) {
		e = engines[i]
		f = " mix_f1 16384 32 1 1 " e
		column[1] = best(g, "bandwidth_kib_s" f)
		column[2] = best(g, "bandwidth_kib_s mix_f2 16384 32 1 1 " e)
		column[3] = best(g, "bandwidth_kib_s mix_f3 16384 1 1 1 " e)
		column[4] = best(g, "inline_share" f)
		column[5] = best(g, "hot_share" f)
		column[6] = scaled(g, "hit_p50_ns" f, 0.001)
		column[7] = scaled(g, "hit_p99_ns" f, 0.001)
		column[8] = best(g, "machine_switches" f)
		line(e)
	}
	print "published:"
	printf "%-18s %10s %10s %10s %10s %10s\n", "posix aio", "970", "273", "174575", "-", "-"
	printf "%-18s %10s %10s %10s %10s %10s\n", "fast read first", "2277", "250", "177367", "0.71", "-"
	print "'inline': answered in the call, of all reads of f1. 'hot': those whose block was resident before"
	print "the run, whatever the engine; the latencies are theirs. The seed's f1 waited on a RAID 0 of"
	printf "unknown disks for ten minutes; here %s, and a run is a fraction of a second.\n",
		g ~ / here$/ ? "it is the disk of that folder" : "a disk of memory takes 4 ms for each read"
	print "switches: of all tasks in a run."
}

function depths(g,    d, n, e, i, k, w, workload)
{
	n = split("1 2 4 8 16 32 64 128", d, " ")
	for (w = 1; w <= 2; w++) {
		workload = w == 1 ? "cached_random" : "cold_random"
		printf "\nReads of 4 KiB a second by depth, %s, %s CPUs at the same time (median).\n",
			workload, cpus[g]
		head("engine", "1|2|4|8|16|32|64|128|2 rings")
		for (i = 1; i <= nr_engines; i++) {
			e = engines[i]
			for (k = 1; k <= n; k++)
				column[k] = best(g, "ops_per_s " workload " 4096 " d[k] " 1 1 " e)
			column[9] = best(g, "ops_per_s " workload " 4096 32 1 2 " e)
			line(e)
		}
	}
}

# met VALUE BOUND: 1, 0, or "" where there is nothing to reach.
function met(v, bound,    part)
{
	if (split(bound, part, " ") != 2)
		return ""
	return part[1] == ">=" ? v >= part[2] : v <= part[2]
}

function judge(g,    set, text, field, n, i, a, b, v, ok)
{
	split(g, field, " ")
	set = field[3] == "here" ? "counted" : field[3]
	printf "\n%-52s %9s %9s %9s\n", "what nbread has to reach", "bound", "published", "here"
	while ((getline text < targets) > 0) {
		n = split(text, field, "|")
		for (i = 1; i <= n; i++)
			gsub(/^ +| +$/, "", field[i])
		if (text ~ /^#/ || n < 5 || field[1] != set)
			continue
		a = best(g, field[3])
		without = absent
		b = field[4] == "-" ? 1 : best(g, field[4])
		without = without (field[4] == "-" ? "" : absent)
		if (a == "" || b == "" || !b) {
			printf "%-52s %9s %9s %9s  not measured\n", field[2], field[5], field[6], "-"
			missing++
			continue
		}
		v = a / b
		ok = met(v, field[5])
		printf "%-52s %9s %9s %9.3f  %s%s\n", field[2], field[5], field[6], v,
			ok == "" ? "" : ok ? "reached" : "MISSED",
			without == "" ? "" : ", without" without
		reached += ok == 1
		missed += ok == "0"
	}
	close(targets)
}

# In the README: the engines that most programs choose from.
function brief(g,    e, n, i, c, unit)
{
	unit = icount[g] == "true" ? "instructions" : "ns"
	printf "| %s a cached read of | 512 B | 4 KiB | 64 KiB | 4 KiB, one at a time | cold 4 KiB, us | switches per 1,000 |\n", unit
	print "|---|---|---|---|---|---|---|"
	n = split("pread preadv2_nowait posix_aio pool io_uring io_uring_fixed io_uring_async nbread nbread_try", e, " ")
	for (i = 1; i <= n; i++) {
		c = " cold_random 4096 32 1 1 " e[i]
		printf "| %s | %s | %s | %s | %s | %s | %s |\n", e[i], number(best(g, "insns_per_op cached_random 512 32 1 1 " e[i])),
			number(best(g, "insns_per_op cached_random 4096 32 1 1 " e[i])),
			number(best(g, "insns_per_op cached_random 65536 32 1 1 " e[i])),
			number(best(g, "insns_per_op cached_random 4096 1 1 1 " e[i])),
			number(scaled(g, "ns_per_op" c, 0.001)), number(switches(g, c))
	}
}

function about(g,    word)
{
	split(g, word, " ")
	printf "Linux %s, %s, %s, %s CPU%s, %s, commit %s", release[g], word[2], cpu[g], cpus[g],
		(cpus[g] > 1 ? "s" : ""), icount[g] == "true" ? "1 ns is one instruction" : "real time",
		commit[g]
}

function all_of(g, set)
{
	if (set == "smp") {
		depths(g)
	} else if (set == "worker") {
		worker(g)
	} else {
		cached(g)
		if (has(g, "cold_random"))
			cold(g)
		if (has(g, "mix_f1"))
			mix(g)
		published(g)
		fio(g)
	}
	judge(g)
}

# part GROUP SET: what bench/table was asked for, of a group that has it.
function one_part(g, set)
{
	if (part == "worker" && set == "worker") {
		worker(g)
		judge(g)
	}
	if (part ~ /^(depths|targets-smp|about-smp)$/ ? set != "smp" : set != "counted" && set != "here")
		return
	if (part == "cached")
		cached(g)
	if (part == "cold")
		cold(g)
	if (part == "mix")
		mix(g)
	if (part == "published")
		published(g)
	if (part == "fio")
		fio(g)
	if (part == "brief")
		brief(g)
	if (part == "depths")
		depths(g)
	if (part ~ /^targets/)
		judge(g)
	if (part ~ /^about/) {
		about(g)
		print "."
	}
}

END {
	for (k = 1; k <= nr_groups; k++) {
		g = groups[k]
		split(g, word, " ")
		if (part != "") {
			one_part(g, word[3])
			continue
		}
		printf "%s", (k > 1 ? "\n\n== " : "== ")
		about(g)
		print ""
		all_of(g, word[3])
	}
	if (part == "")
		printf "\n%d targets reached, %d missed, %d not measured\n", reached, missed, missing
}
