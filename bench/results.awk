# SPDX-License-Identifier: GPL-2.0-only
# Reads results.json, of which each object is a line, into value[], by group and cell. A
# group is what one boot measured: 'KERNEL FS SET'. A cell is 'METRIC WORKLOAD SIZE DEPTH
# FILES THREADS ENGINE'. Used by bench/table and bench/plots with a second -f.

function get(key,    text)
{
	if (!match($0, "\"" key "\":(\"[^\"]*\"|[^,}]*)"))
		return ""
	text = substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
	gsub(/"/, "", text)
	return text
}

/"metric"/ {
	group = get("kernel") " " get("fs") " " get("set")
	if (!(group in release)) {
		groups[++nr_groups] = group
		release[group] = get("release")
		fs[group] = get("fs")
		cpu[group] = get("cpu")
		cpus[group] = get("cpus")
		icount[group] = get("icount")
		commit[group] = get("commit")
	}
	engine = get("engine")
	if (!(engine in seen)) {
		seen[engine] = 1
		engines[++nr_engines] = engine
	}
	cell = get("metric") " " get("workload") " " get("block_size") " " get("queue_depth") " " \
		get("files") " " get("threads") " " engine
	value[group, cell] = get("value")
	ops[group, cell] = get("ops")
}

# Best of the engines in a selector 'METRIC … E,E,…': the least, of a rate the most; "" if none.
# absent: those of them that have no figure.
function best(g, selector,    part, n, name, i, cell, v, most, found)
{
	n = split(selector, part, " ")
	if (icount[g] != "true" && part[1] == "insns_per_op")
		part[1] = "ns_per_op"
	most = part[1] ~ /_per_s$|_s$|share$/
	cell = part[1]
	for (i = 2; i < n; i++)
		cell = cell " " part[i]
	n = split(part[n], name, ",")
	found = absent = ""
	for (i = 1; i <= n; i++) {
		if (!((g, cell " " name[i]) in value)) {
			absent = absent " " name[i]
			continue
		}
		v = value[g, cell " " name[i]] + 0
		if (found == "" || (most ? v > found : v < found))
			found = v
	}
	return found
}
