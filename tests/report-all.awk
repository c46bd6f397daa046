# SPDX-License-Identifier: GPL-2.0-only
# The work of tests/report-all: reads kernels.tsv, counts.tsv, then any number
# of results.tsv (.../KERNEL/results.tsv). Variables: kinds, extra, json.

function esc(s)
{
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	gsub(/[\001-\037]/, " ", s)
	return "\"" s "\""
}

# note(TEXT): the footnote's mark.
function note(text)
{
	if (!(text in mark)) {
		mark[text] = ++notes
		footnote[notes] = text
	}
	return "[" mark[text] "]"
}

# One result of a kind: the worst stands, and passed is worse than refused.
function add(kernel, kind, word, text, refused,    key, value)
{
	key = kernel SUBSEP kind
	value = word == "not" ? 4 : word == "skip" ? 1 : refused ? 2 : 3
	if (value > rank[key]) {
		rank[key] = value
		why[key] = text
	}
}

FNR == 1 { file++ }
file == 1 { name[++n] = $1; from[$1] = $2; set[$1] = $3; release[$1] = $4; next }
file == 2 { counts[$1] = $2; seconds[$1] = $3; next }
FNR == 1 {
	split(FILENAME, part, "/")
	for (i in part)
		if (part[i] == "results.tsv")
			kernel = part[i - 1]
	split(extra, pair, " ")
}
{
	suite = $1
	if (!((kernel, suite) in seen)) {
		seen[kernel, suite] = 1
		suites[kernel]++
	}
	if ($2 == "not" && !((kernel, suite) in bad)) {
		bad[kernel, suite] = 1
		badsuites[kernel]++
	}
	if (suite ~ /^mix_/) {
		kind = substr(suite, 5)
		sub(/_ri$/, "", kind)
		gsub(/_/, "-", kind)
		add(kernel, kind, $2, $4, 0)
		next
	}
	for (i in pair) {
		split(pair[i], kv, "=")
		if ($3 ~ kv[2]) {
			add(kernel, kv[1], $2, $4, $3 ~ /refused/)
			has[kv[1]] = 1
		}
	}
}

END {
	rows = split(kinds, row, " ")
	more = split(extra, pair, " ")
	for (i = 1; i <= more; i++) {
		split(pair[i], kv, "=")
		if (kv[1] in has)
			row[++rows] = kv[1]
	}
	printf "[\n" >json
	printf "%-14s", "file kind"
	for (k = 1; k <= n; k++)
		printf " %-11s", name[k]
	print ""
	for (r = 1; r <= rows; r++) {
		line = sprintf("%-14s", row[r])
		for (k = 1; k <= n; k++) {
			key = from[name[k]] SUBSEP row[r]
			reason = why[key]
			if (rank[key] == 4) {
				word = "FAILED"
				cell = word
			} else if (rank[key] == 3) {
				word = cell = "passed"
				reason = ""
			} else if (rank[key] == 2) {
				word = cell = "refused"
				reason = ""
			} else if (rank[key] == 1) {
				word = "-"
				cell = "- " note(reason)
			} else {
				word = "not run"
				reason = "nothing tested it; see tests/suites and the log of this kernel"
				cell = "not run " note(reason)
				if (from[name[k]] == name[k])
					missing++
			}
			line = line sprintf(" %-11s", cell)
			printf "%s{\"kernel\": %s, \"release\": %s, \"tested_as\": %s, \"kind\": %s, \"result\": %s, \"reason\": %s}",
				sep, esc(name[k]), esc(release[name[k]]), esc(from[name[k]]), esc(row[r]),
				esc(word), esc(reason) >json
			sep = ",\n"
		}
		sub(/ +$/, "", line)
		print line
	}
	if (notes)
		print ""
	for (i = 1; i <= notes; i++)
		printf "[%d] %s\n", i, footnote[i]

	printf "\n%-10s %-28s %-6s %14s %14s %8s %8s %8s %7s\n", "kernel", "release", "set", "suites passed",
		"suites failed", "passed", "failed", "skipped", "seconds"
	for (k = 1; k <= n; k++) {
		f = from[name[k]]
		split(counts[name[k]], c, /[ ,]+/)
		printf "%-10s %-28s %-6s %14d %14d %8d %8d %8d %7d%s\n", name[k], release[name[k]], set[f],
			suites[f] - badsuites[f], badsuites[f], c[1], c[3], c[5], seconds[name[k]],
			f == name[k] ? "" : "  (the same build as " f ")"
		printf "%s{\"kernel\": %s, \"release\": %s, \"tested_as\": %s, \"set\": %s, \"suites_passed\": %d, \"suites_failed\": %d, \"passed\": %d, \"failed\": %d, \"skipped\": %d, \"seconds\": %d}",
			sep, esc(name[k]), esc(release[name[k]]), esc(f), esc(set[f]), suites[f] - badsuites[f],
			badsuites[f], c[1], c[3], c[5], seconds[name[k]] >json
		sep = ",\n"
		if (f != name[k])
			continue
		passed += c[1]
		failed += c[3]
		skipped += c[5]
	}
	printf "\n]\n" >json
	failed += missing
	if (missing)
		printf "\nNot run counts as a failure: %d\n", missing
	printf "\n%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
	exit !(failed == 0 && passed > 0)
}
