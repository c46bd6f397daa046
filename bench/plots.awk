# SPDX-License-Identifier: GPL-2.0-only
# The points of bench/plots; results.awk has read the results. A picture with curves is a file
# of blocks, two empty lines between them: the engine's name, then its points.

# first_group SET: of Debian's 6.1 with ext4, or of whatever was measured first.
function first_group(set,    k, word)
{
	for (k = 1; k <= nr_groups; k++) {
		split(groups[k], word, " ")
		if (word[3] == set)
			return groups[k]
	}
	return ""
}

function block(file, engine, points)
{
	if (points != "")
		printf "\"%s\"\n%s\n\n", engine, points > file
}

function about(picture, title, unit)
{
	print title > (dir "/" picture ".title")
	print unit > (dir "/" picture ".unit")
}

# curve PICTURE GROUP ENGINE METRIC BEFORE AFTER XS: points at the values of XS, which stand
# between BEFORE and AFTER in the cell's name.
function curve(picture, g, engine, before, after, xs,    x, n, i, v, points)
{
	n = split(xs, x, " ")
	points = ""
	for (i = 1; i <= n; i++) {
		v = best(g, before " " x[i] " " after " " engine)
		if (v != "")
			points = points x[i] " " v "\n"
	}
	block(dir "/" picture, engine, points)
}

# bars GROUP SIZE: a line for each engine, the dearest first: name, cost, whether it is ours.
# Not those that hand a cached read to a thread: they would leave no room for the others.
function bars(g, size,    i, k, n, v, name, cost)
{
	n = 0
	for (i = 1; i <= nr_engines; i++) {
		v = best(g, "insns_per_op cached_random " size " 32 1 1 " engines[i])
		if (v == "" || engines[i] ~ /async|posix/)
			continue
		for (k = n++; k > 0 && cost[k] < v; k--) {
			cost[k + 1] = cost[k]
			name[k + 1] = name[k]
		}
		cost[k + 1] = v
		name[k + 1] = engines[i]
	}
	for (i = 1; i <= n; i++)
		printf "%s %s %d\n", name[i], cost[i], (name[i] ~ /^nbread/) > (dir "/cost." size)
}

function latency(g, engine,    share, name, n, i, v, points)
{
	n = split("10 25 50 75 90 99 99.9 100", share, " ")
	split("p10 p25 p50 p75 p90 p99 p999 max", name, " ")
	points = ""
	for (i = 1; i <= n; i++) {
		v = best(g, "hit_" name[i] "_ns mix_f1 16384 32 1 1 " engine)
		if (v != "")
			points = points i " " v / 1000 " " share[i] "\n"
	}
	block(dir "/latency", engine, points)
}

END {
	g = first_group("counted")
	if (g == "")
		g = first_group("here")
	two = first_group("smp")
	if (g != "") {
		split(g, word, " ")
		bars(g, 512)
		bars(g, 4096)
		bars(g, 65536)
		unit = icount[g] == "true" ? "instructions a read" : "ns a read"
		about("cost", "A cached read by its size: Linux " word[1] ", " word[2] ", depth 32", unit)
		about("latency", "Hits among misses (the mix, f1): Linux " word[1] ", " word[2],
			"microseconds from submission to completion")
	}
	if (two != "") {
		split(two, word, " ")
		about("depth-cached", "Cached reads of 4 KiB, two emulated CPUs: Linux " word[1] ", " word[2],
			"reads a second")
		about("depth-cold", "Cold reads of 4 KiB, two emulated CPUs: Linux " word[1] ", " word[2],
			"reads a second")
	}
	for (i = 1; i <= nr_engines; i++) {
		e = engines[i]
		if (g != "")
			latency(g, e)
		if (two != "") {
			curve("depth-cached", two, e, "ops_per_s cached_random 4096", "1 1",
				"1 2 4 8 16 32 64 128")
			curve("depth-cold", two, e, "ops_per_s cold_random 4096", "1 1",
				"1 2 4 8 16 32 64 128")
		}
	}
}
