#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The examples that read files by themselves: what they say is right, and how the reads went.
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

nbcat_copies_every_byte()
{
	"$examples/nbcat" "$www/f/262147.00000" | cmp - "$www/f/262147.00000"
}

nbsum_is_cksum()
{
	"$examples/nbsum" "$www/f" 2>/dev/null | awk '{ print $1, $2 }' | sort >ours
	cksum "$www"/f/* | awk '{ print $1, $3 }' | sort | cmp - ours
}

nbsum_reads_all_with_few_descriptors()
{
	local status=0
	( ulimit -n 48; "$examples/nbsum" -n 100 "$www/f" ) 2>err | wc -l >lines
	same files "$(<lines)" "$(find "$www/f" -type f | wc -l)"
	grep -q "'ulimit -n' allows 24 files at a time" err
	for n in 0 -1 x 32769 4294967297; do
		status=0
		"$examples/nbsum" -n "$n" "$www/f" 2>err || status=$?
		same "-n $n" "$status $(grep -c '^usage: ' err)" '2 1'
	done
}

# count WORD LINE: the number before the word.
count()
{
	sed -nE "s/^$2.* ([0-9]+) $1.*/\\1/p" out
}

a_libuv_loop_reads_through_the_ring_what_uv_fs_read_reads()
{
	[[ -x $examples/nbuv ]] || skip 'nbuv was not built: there is no libuv1-dev'
	"$examples/nbuv" -n 32 "$www"/f/* >out
	sed 's/^/# /' out >>"$work/said"
	tail -n 1 out | grep -qx 'all checksums are equal'
	[[ ${NBREAD_VM-} ]] || return 0
	[[ $(count waited 'nbread *cold') -gt 0 ]]
	same 'punted' "$(count punted 'nbread *cold') $(count punted 'nbread *warm')" '0 0'
	# Warm, all in the call, many reads in one; and no second thread.
	same 'warm hits' "$(count hits 'nbread *warm')" "$(awk '/^nbread *warm/ { print $5 }' out)"
	[[ $(count calls: 'nbread *warm') -lt $(($(count hits 'nbread *warm') / 4)) ]]
	awk '/^nbread/ && $7 != 1 { exit 1 }' out
}

half_of_the_requests_never_reach_the_pool()
{
	"$examples/pool-first" -t 8 "$www"/f/* >out
	sed 's/^/# /' out >>"$work/said"
	tail -n 1 out | grep -qx 'all checksums are equal'
	awk '$1 == "pool" { if ($2 != $3) exit 1; all = $2 }
		/^try, then pool/ { if ($4 != all || $5 > 0.75 * all) exit 1; done = 1 }
		END { exit !done }' out
}

make_files
drop_caches
tap nbcat_copies_every_byte
tap nbsum_is_cksum
tap nbsum_reads_all_with_few_descriptors
tap a_libuv_loop_reads_through_the_ring_what_uv_fs_read_reads
tap half_of_the_requests_never_reach_the_pool
[[ ! -e said ]] || cat said
tap_end
