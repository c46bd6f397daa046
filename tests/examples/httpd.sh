#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# examples/httpd: every byte that it serves, and what it makes of clients that are in no
# hurry or mean no good.
#
#   httpd.sh [module|peers]    default: both
#
# peers: how it serves files by other engines, with no ring. That needs the VM, where the page
# cache can be emptied, but not each kernel.
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# many_at_once N: what fetch.conf lists, over N connections.
many_at_once()
{
	curl --silent --show-error --fail --no-progress-meter --parallel --parallel-immediate \
		--parallel-max "$1" --config fetch.conf 2>fetch.err || {
		tail -n 5 fetch.err
		return 1
	}
}

# fetch_all: each file, over 32 connections that are kept, into got/, in an order of its own.
fetch_all()
{
	rm -rf got
	mkdir -p got
	yes | head -c 100000 >order || true
	shuf --random-source=order "$www/list" | awk -v port="$port" '{
		print "url = \"http://127.0.0.1:" port "/" $0 "\""
		print "output = \"got/" substr($0, 3) "\""
	}' >fetch.conf
	many_at_once 32
	( cd got && sha256sum --quiet -c ../sums )
}

# sums: of the files themselves, read past the server.
sums()
{
	[[ -e ../sums ]] || ( cd "$www/f" && sha256sum -- * ) >../sums
	ln -sf ../sums sums
}

# engine_serves ENGINE [cold] [mixed] [warm]: each file, with none, every second or all cached.
engine_serves()
{
	local engine=$1 cached
	mkdir -p "$work/$engine" && cd "$work/$engine"
	shift
	sums
	start_server "$engine"
	for cached; do
		[[ $cached == warm ]] || drop_caches
		[[ $cached != mixed ]] || warm 'p;n'
		fetch_all
	done
	stop_server "$engine"
	same requests "$(stat_of requests)" $(($# * $(wc -l <"$www/list")))
	same errors "$(stat_of errors) $(stat_of refused) $(stat_of timeouts)" '0 0 0'
	cat stats >>"$work/said"
	rm -r got
}

every_file_is_served_cold_and_warm_by_nbread()
{
	engine_serves nbread cold mixed warm
	[[ $(stat_of hits) -gt 0 ]]
	[[ ${NBREAD_VM-} ]] || return 0
	# Both ways were gone, and none by a worker of the kernel.
	[[ $(stat_of waited) -gt 0 ]]
	same punted "$(stat_of punted)" 0
}
every_file_is_served_half_cached_by_sendfile() { engine_serves sendfile mixed; }
every_file_is_served_half_cached_by_pread() { engine_serves pread mixed; }
every_file_is_served_half_cached_by_the_pool() { engine_serves pool mixed; }
every_file_is_served_half_cached_by_try_and_pool() { engine_serves try+pool mixed; }

# Of one file larger than a chunk: at its start, over the chunk's end, its tail, the last byte.
a_range_is_the_bytes_that_were_asked_for()
{
	local engine range from len date
	for engine in nbread sendfile; do
		start_server "$engine" --chunk 64
		while read -r range from len; do
			curl -sS --fail -r "$range" -o part "http://127.0.0.1:$port/big"
			tail -c "+$((from + 1))" "$www/big" | head -c "$len" >wanted || true
			cmp part wanted
		done <<-RANGES
			0-0 0 1
			65530-65541 65530 12
			100-2999998 100 2999899
			2999999- 2999999 1
			2999990-4000000 2999990 10
			-7 2999993 7
		RANGES
		same 'beyond the end' "$(curl -s -o /dev/null -w '%{http_code}' -r 3000000- "http://127.0.0.1:$port/big")" 416
		# Of what it was a moment ago, and of what it is not any more, though its file is open still.
		date=$(curl -sI "http://127.0.0.1:$port/big" | sed -n 's/^Last-Modified: \(.*\)\r$/\1/p')
		same 'if it is that' "$(curl -s -o /dev/null -w '%{http_code}' -H "If-Range: $date" -r 1-4 "http://127.0.0.1:$port/big")" 206
		echo first >"$www/changed"
		touch -d "$date" "$www/changed"
		curl -sS -o part "http://127.0.0.1:$port/changed"
		printf x >>"$www/changed"
		touch -d "$date" "$www/changed"
		same 'if it is not' "$(curl -s -o /dev/null -w '%{http_code}' -H "If-Range: $date" -r 0-1 "http://127.0.0.1:$port/changed")" 200
		same 'two ranges' "$(curl -s -o /dev/null -w '%{http_code} %{size_download}' -r 0-1,4-5 "http://127.0.0.1:$port/big")" '200 3000000'
		stop_server "$engine"
		same errors "$(stat_of errors)" 0
	done
}

a_file_that_did_not_change_is_not_sent_again()
{
	start_server nbread
	curl -sS -o first -R "http://127.0.0.1:$port/small"
	same again "$(curl -s -o /dev/null -w '%{http_code} %{size_download}' -z first "http://127.0.0.1:$port/small")" '304 0'
	stop_server nbread
}

requests_sent_in_one_go_are_answered_in_their_order()
{
	local engine
	for engine in nbread sendfile pool; do
		start_server "$engine"
		printf 'GET /%s HTTP/1.1\r\nHost: x\r\n\r\n' small empty big none small >in
		printf 'HEAD /big HTTP/1.1\r\nHost: x\r\n\r\nGET /last HTTP/1.0\r\n\r\nGET /small HTTP/1.1\r\n' >>in
		raw <in >out
		# The heads go to 'heads', the bodies stay.
		perl -0777 -pe 's/HTTP\/1\.1 (...) .*?\r\n\r\n/print STDERR "$1 ";""/seg' out 2>heads >bodies
		echo Not Found >none
		cat "$www/small" "$www/big" none "$www/small" "$www/last" >wanted
		cmp bodies wanted
		same statuses "$(<heads)" '200 200 200 404 200 200 200 '
		# Said once it is said, and no request is read behind it.
		printf 'GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n' >in
		printf 'GET /small HTTP/1.1\r\nHost: x\r\n\r\n' >>in
		raw <in >out
		same closed "$(grep -ac '^HTTP/' out) $(grep -ac '^Connection: close' out)" '1 1'
		stop_server "$engine"
	done
}

status_of()
{
	head -n 1 out | cut -d' ' -f2
}

nothing_outside_the_root_is_served()
{
	local path
	ln -sf /etc/passwd "$www/link"
	ln -sf ../secret "$www/link2"
	ln -sf small "$www/link3"
	echo secret >"$mnt/secret"
	[[ -p $www/fifo ]] || mkfifo "$www/fifo"
	start_server nbread
	for path in /../secret //../secret /f/../../secret /%2e%2e/secret /..%2fsecret /link /link2 \
		/f/../../www/../secret /fifo /f /f/ /small/ /small/x //etc/passwd "/$(printf 'x%.0s' {1..300})"; do
		printf 'GET %s HTTP/1.1\r\nHost: x\r\n\r\n' "$path" | raw >out
		same "$path" "$(status_of)" 404
	done
	for path in /f/../small /./small ///small /link3 '/sm%61ll?x=/../y' 'http://h/small'; do
		printf 'GET %s HTTP/1.1\r\nHost: x\r\n\r\n' "$path" | raw >out
		same "$path" "$(status_of)" 200
	done
	for path in /small%00 /%zz /small% small '*' '/a#b'; do
		printf 'GET %s HTTP/1.1\r\nHost: x\r\n\r\n' "$path" | raw >out
		same "$path" "$(status_of)" 400
	done
	stop_server nbread
}

# refused STATUS FORMAT: and the connection ends, with no second answer.
refused()
{
	# shellcheck disable=SC2059 # it is one
	printf "$2GET /small HTTP/1.1\r\nHost: x\r\n\r\n" | raw >out
	same "$2" "$(status_of) $(grep -ac '^HTTP/' out)" "$1 1"
}

a_request_that_could_be_read_in_two_ways_is_refused()
{
	start_server nbread
	refused 400 'GET /small HTTP/1.1\r\n\r\n'
	refused 400 'GET /small HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n'
	refused 400 'GET /small HTTP/1.1\r\nHost : x\r\n\r\n'
	refused 400 'GET /small HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n'
	refused 400 'GET /small HTTP/1.1\r\nHost: x\nA: b\r\n\r\n'
	refused 400 'GET /small HTTP/1.1\r\nHost: x\rA: b\r\n\r\n'
	refused 400 'GET /small HTTP/1.1\r\nHost: x\r\nA: \0b\r\n\r\n'
	refused 400 'GET /small\r\nHost: x\r\n\r\n'
	refused 400 'GET  /small HTTP/1.1\r\nHost: x\r\n\r\n'
	refused 400 'G(T /small HTTP/1.1\r\nHost: x\r\n\r\n'
	refused 400 'GET /small HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n'
	refused 413 'GET /small HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde'
	refused 501 'GET /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
	refused 405 'POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
	refused 505 'GET /small HTTP/2.0\r\nHost: x\r\n\r\n'
	refused 414 "GET /$(printf 'x%.0s' {1..5000}) HTTP/1.1\r\nHost: x\r\n\r\n"
	refused 431 "GET /small HTTP/1.1\r\nHost: x\r\nA: $(printf 'x%.0s' {1..9000})\r\n\r\n"
	# No end at all, and more of it than is thrown away.
	{
		printf 'GET /small HTTP/1.1\r\nHost: x\r\nA: '
		head -c 2000000 /dev/zero | tr '\0' x
	} | raw >out || true
	# All the while it serves others.
	printf 'GET /small HTTP/1.1\r\nHost: x\r\n\r\n' | raw >out
	same small "$(status_of)" 200
	stop_server nbread
}

a_client_that_sends_no_more_gets_its_answer()
{
	start_server nbread
	printf 'GET /big HTTP/1.1\r\nHost: x\r\n\r\n' | raw >out
	perl -0777 -pe 's/.*?\r\n\r\n//s' out | cmp - "$www/big"
	# In the middle of a request: no answer, no wait.
	printf 'GET /big HTTP/1.1\r\nHo' | raw >out
	same half "$(cat out)" ''
	stop_server nbread
	same timeouts "$(stat_of timeouts)" 0
}

# until_timeouts N ENGINE
until_timeouts()
{
	local n
	for ((n = 0; n < 600; n++)); do
		stats_now "$2"
		[[ $(stat_of timeouts) -lt $1 ]] || return 0
		sleep 0.1
	done
	cat stats
	return 1
}

clients_that_never_read_or_never_ask_are_closed_in_time()
{
	local n fd engine
	for engine in nbread sendfile; do
		start_server "$engine" --timeout 4
		for n in {1..20}; do
			exec {fd}<>"/dev/tcp/127.0.0.1/$port"
			case $((n % 3)) in
			0) printf 'GET /huge HTTP/1.1\r\nHost: x\r\n\r\n' >&"$fd" ;;
			1) printf 'GET /hu' >&"$fd" ;;
			esac
		done
		# They are held, and others are served.
		printf 'GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' | raw >out
		perl -0777 -pe 's/.*?\r\n\r\n//s' out | cmp - "$www/big"
		until_timeouts 20 "$engine"
		# A byte now and then does not help: a request has its time as a whole.
		(
			printf 'GET /small HTTP/1.1\r\n'
			while printf 'A'; do sleep 0.2; done
		) 2>/dev/null >"/dev/tcp/127.0.0.1/$port" &
		until_timeouts 21 "$engine"
		kill $! 2>/dev/null || true
		stop_server "$engine"
		same errors "$(stat_of errors)" 0
	done
}

more_clients_than_connections_are_served_one_after_the_other()
{
	start_server nbread --conns 8
	head -n 400 "$www/list" | sed 's|.*|url = "http://127.0.0.1:'"$port"'/&"\noutput = "/dev/null"|' >fetch.conf
	many_at_once 64
	stop_server nbread
	same requests "$(stat_of requests) $(stat_of errors)" "$(head -n 400 "$www/list" | wc -l) 0"
}

# The table of open files is far too small for them: files are opened and let go all the time.
few_open_files_are_enough()
{
	mkdir -p "$work/few" && cd "$work/few"
	sums
	start_server nbread --files 4
	fetch_all
	[[ $(find "/proc/$server/fd" -type l -lname "$www/*" | wc -l) -le 4 ]]
	stop_server nbread
	same errors "$(stat_of errors)" 0
	rm -r got
}

a_file_that_was_replaced_is_served_anew()
{
	start_server nbread --fresh 0
	echo old >"$www/changing"
	same old "$(curl -sS "http://127.0.0.1:$port/changing")" old
	echo newer >"$www/changing.new"
	mv "$www/changing.new" "$www/changing"
	same new "$(curl -sS "http://127.0.0.1:$port/changing")" newer
	stop_server nbread
}

set_up()
{
	make_files
	seq 1 1000000 | head -c 3000000 >"$www/big"
	touch -d '1 minute ago' "$www/big"
	seq 5 3000 | head -c 5000 >"$www/small"
	seq 7 400 >"$www/last"
	: >"$www/empty"
	truncate -s 64M "$www/huge"
}

need curl
need perl
set_up
part=${1-}
if [[ $part != module ]]; then
	tap every_file_is_served_half_cached_by_sendfile
	tap every_file_is_served_half_cached_by_pread
	tap every_file_is_served_half_cached_by_the_pool
	tap every_file_is_served_half_cached_by_try_and_pool
fi
if [[ $part != peers ]]; then
	tap every_file_is_served_cold_and_warm_by_nbread
	tap a_range_is_the_bytes_that_were_asked_for
	tap a_file_that_did_not_change_is_not_sent_again
	tap requests_sent_in_one_go_are_answered_in_their_order
	tap nothing_outside_the_root_is_served
	tap a_request_that_could_be_read_in_two_ways_is_refused
	tap a_client_that_sends_no_more_gets_its_answer
	tap clients_that_never_read_or_never_ask_are_closed_in_time
	tap more_clients_than_connections_are_served_one_after_the_other
	tap few_open_files_are_enough
	tap a_file_that_was_replaced_is_served_anew
fi
[[ ! -e said ]] || sed 's/^/# /' said
tap_end
