#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# examples/httpd under load: wrk asks for all files over 64 connections, of each engine in
# turn, in one run: all cached, every second one cached, none. No request may fail; the CPU
# time a request cost the server is printed, and no more is made of it, since this is a VM.
# It takes its time there, so 'make check' does not run it; by hand:
#
#   tests/vm/run --mttcg --timeout 3600 -- tests/examples/load.sh
#
# NBREAD_ENGINES: which, default all. NBREAD_ROUNDS: how often each is measured, default 3;
# the least of them counts, since what disturbs a run only ever adds to it.
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

read -r -a engines <<<"${NBREAD_ENGINES:-nbread pool try+pool sendfile pread}"
conns=64
rounds=${NBREAD_ROUNDS:-3}

declare -A servers=() ports=()

# load PASSES: all files so often, by wrk; fails on the first request that did.
load()
{
	timeout 900 wrk --threads 1 --connections "$conns" --duration 600s --timeout 60s \
		--script "$NBREAD_TOP/tests/examples/files.lua" "http://127.0.0.1:$port" \
		-- "$www/list" "$1" "$conns" >wrk.out 2>&1
	# It prints these lines only when there is something to say.
	if grep -E 'Non-2xx|Socket errors' wrk.out; then return 1; fi
	grep -q 'requests in' wrk.out
}

counters()
{
	stats_now "$1"
	for name in requests cpu_us voluntary involuntary hits waited punted errors reads calls span_ms; do
		before[$name]=${now[$name]-0}
		now[$name]=$(stat_of "$name")
	done
}

# measure ENGINE KIND PASSES: one line into 'measured'.
measure()
{
	local -A before=() now=()
	local name n
	server=${servers[$1]} port=${ports[$1]}
	counters "$1"
	load "$3"
	counters "$1"
	n=$((now[requests] - before[requests]))
	[[ $n -ge $(($(wc -l <"$www/list") * $3)) ]]
	same "errors of $1" "$((now[errors] - before[errors]))" 0
	printf '%s %s %d' "$2" "$1" "$n" >>measured
	for name in cpu_us voluntary involuntary hits waited punted calls; do
		printf ' %d' $((now[$name] - before[$name])) >>measured
	done
	# This one is of the time since the counters were last asked for.
	echo " $((now[span_ms] ? 1000 * n / now[span_ms] : 0))" >>measured
}

no_request_fails_whatever_brings_the_bytes()
{
	local round engine i
	for engine in "${engines[@]}"; do
		start_server "$engine"
		servers[$engine]=$server ports[$engine]=$port
		# Every file is open from here on: opening is not what is compared.
		load 1
	done
	# shellcheck disable=SC2064 # these
	trap "kill ${servers[*]} 2>/dev/null || true" EXIT
	for ((round = 0; round < rounds; round++)); do
		for ((i = 0; i < ${#engines[@]}; i++)); do
			engine=${engines[(i + round) % ${#engines[@]}]}
			if [[ ${NBREAD_VM-} ]]; then
				drop_caches
				measure "$engine" cold 1
				drop_caches
				warm 'p;n'
				measure "$engine" mixed 1
			fi
			warm p
			measure "$engine" hot 2
		done
	done
	for engine in "${engines[@]}"; do
		server=${servers[$engine]}
		stop_server "$engine"
		same "of $engine" "$(stat_of errors) $(stat_of refused) $(stat_of timeouts)" '0 0 0'
	done
}

# The least CPU time of the rounds, and the other figures of that round, a row each.
table()
{
	awk -v rounds="$rounds" -v files="$(wc -l <"$www/list")" -v conns="$conns" '
	{
		key = $1 " " $2
		cost = $4 / $3
		if (!(key in least) || cost < least[key]) {
			least[key] = cost
			line[key] = sprintf("%9.1f %8d %8d %8d %8d %8d %8d", cost, $5, $6, $7, $8, $9, $11)
		}
		if (!seen[$1]++) kinds[++k] = $1
		if (!seen[$2]++) engines[++e] = $2
	}
	END {
		printf "%d files, %d connections; the round of %d with the least CPU time\n", files, conns, rounds
		printf "%-6s %-9s %9s %8s %8s %8s %8s %8s %8s\n", "", "", "CPU us", "volunt.", "invol.", "hits", "waited", "punted", "req/s"
		for (i = 1; i <= k; i++)
			for (j = 1; j <= e; j++)
				printf "%-6s %-9s %s\n", kinds[i], engines[j], line[kinds[i] " " engines[j]]
	}' measured
}

need wrk
make_files
tap no_request_fails_whatever_brings_the_bytes
[[ ! -s measured ]] || table | sed 's/^/# /'
tap_end
