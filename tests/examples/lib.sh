# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests of the examples share: the files that are read and served, the server, a raw
# client. Runs in the VM (tests/suites), as root, where NBREAD_MNT is an ext4; and on this
# machine, without the module: by the library's threads, with what is cached left as it is.
#
# NBREAD_FILES: how many files; default 500 in the VM, where 10000 are no trouble but take
# their time when it is emulated. tests/vm/run hands it on.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/../unit/support/tap.sh"

examples=$BUILD/examples
if [[ ${NBREAD_VM-} ]]; then
	mnt=$NBREAD_MNT
	nr_files=${NBREAD_FILES:-500}
else
	mnt=$work/mnt
	nr_files=${NBREAD_FILES:-100}
	export NBREAD_BACKEND=threads
fi
www=$mnt/www

# make_files: of five sizes, none a multiple of a page, no two with the same content, in
# one order that has nothing to do with their size. 'list' has their names.
make_files()
{
	local share size n=0
	[[ ! -e $www/list ]] || return 0
	mkdir -p "$www/f"
	while read -r share size; do
		share=$((share * nr_files / 100))
		# The numbers start anew for no size.
		seq $((100000000 * ++n)) $((100000000 * n + share * size / 10 + 1)) |
			head -c $((share * size)) |
			split -b "$size" -a 5 -d - "$www/f/$size."
	done <<-SIZES
		20 500
		40 4000
		25 16001
		12 65535
		3 262147
	SIZES
	( cd "$www" && find f -type f | sort -t . -k 2 >../list && mv ../list list )
	sync
}

drop_caches()
{
	[[ ${NBREAD_VM-} ]] || return 0
	sync
	echo 1 >/proc/sys/vm/drop_caches
}

# warm SED: those that it prints of the list go into the page cache, past the server.
warm()
{
	( cd "$www" && sed -n "$1" list | xargs cat >/dev/null )
}

# start_server ENGINE [OPTION...]: sets server (its process) and port.
start_server()
{
	local n
	# There when it is looked at, which may be before the server has begun.
	: >"server.$1"
	"$examples/nbhttpd" --engine "$1" --port 0 "${@:2}" "$www" >"server.$1" 2>&1 &
	server=$!
	# Of a test that fails.
	trap 'kill "$server" 2>/dev/null || true' EXIT
	for ((n = 0; n < 600; n++)); do
		port=$(sed -n 's/.* port \([0-9]*\)$/\1/p' "server.$1" 2>/dev/null)
		[[ ! $port ]] || return 0
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	cat "server.$1"
	return 1
}

# stop_server ENGINE: it ends by itself, with status 0 and its counters in 'stats'.
stop_server()
{
	kill -TERM "$server"
	wait "$server"
	tail -n 1 "server.$1" >stats
	grep -q "^stats engine=$1 " stats
}

# stat NAME: of the line in 'stats'.
stat_of()
{
	sed -n "s/.* $1=\([0-9]*\).*/\1/p" stats
}

# stats_now ENGINE: asks a running server, which answers with one more line.
stats_now()
{
	local before n
	before=$(grep -c '^stats ' "server.$1" || true)
	kill -USR1 "$server"
	for ((n = 0; n < 600; n++)); do
		[[ $(grep -c '^stats ' "server.$1" || true) == "$before" ]] || break
		sleep 0.05
	done
	tail -n 1 "server.$1" >stats
}

# raw: sends its input, says that no more will come, prints all that comes back.
raw()
{
	"$BUILD/tests/raw" "$port"
}
