#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# examples/fio: fio reads by the engine what it wrote by another, and checks every byte; and
# what the engine says to jobs that it cannot do. Skipped where there is no fio, or not its
# source, which 'make fio-engine' fetches: no test waits for the archive.
#
# NBREAD_FIO_LONG=1: more reads.
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

engine=$examples/libnbread-fio.so
mkdir -p "$mnt"
file=$mnt/fio.data
size=8m
[[ ! ${NBREAD_FIO_LONG-} ]] || size=128m
# fio reads in the order in which it wrote, so that its headers say the same numbers.
checked=(--bs=4k --size="$size" --randseed=7 --verify=crc32c --verify_fatal=1 --filename="$file")
wrong=$mnt/fio.wrong

backend=threads
[[ ! ${NBREAD_VM-} ]] || backend=module

# nb NAME OPTION...: a job of the engine; what it said, errors too, is in 'said'.
nb()
{
	fio --name="$1" --ioengine="external:$engine" --backend="$backend" --minimal "${@:2}" >said 2>&1
}

make_checked()
{
	[[ -e $file ]] || fio --name=write --ioengine=psync --rw=randwrite --do_verify=0 \
		--minimal "${checked[@]}" >said 2>&1
	sync
}

# verify OPTION...: all of the file, cold and then warm. Each block was read once.
verify()
{
	local invalidate got
	make_checked
	for invalidate in 1 0; do
		nb verify --rw=randread --invalidate="$invalidate" "${checked[@]}" "$@" || {
			cat said
			return 1
		}
		# 3: name, 5: error, 6: KiB.
		got=$(awk -F ';' '$3 == "verify" { print $5, $6 }' said)
		same "$*" "$got" "0 $((${size%m} * 1024))"
	done
}

every_byte_is_right_at_depth_1() { verify --iodepth=1; }
every_byte_is_right_at_depth_32() { verify --iodepth=32; }
every_byte_is_right_in_batches()
{
	verify --iodepth=32 --iodepth_batch_submit=16 --iodepth_batch_complete_min=8 \
		--iodepth_batch_complete_max=32
}
every_byte_is_right_of_registered_files() { verify --iodepth=32 --registerfiles=1; }
every_byte_is_right_in_registered_buffers() { verify --iodepth=32 --fixedbufs=1; }
every_byte_is_right_by_workers() { verify --iodepth=8 --sqwq=1 --registerfiles=1 --fixedbufs=1; }
every_byte_is_right_by_try()
{
	verify --iodepth=1 --try=1
	verify --iodepth=32 --try=1 --registerfiles=1
}
every_byte_is_right_in_threads_of_one_process()
{
	make_checked
	nb verify --rw=randread "${checked[@]}" --iodepth=8 --thread=1 --numjobs=3 || {
		cat said
		return 1
	}
	same jobs "$(grep -c '^3;fio-[^;]*;verify;0;0;' said)" 3
}
every_byte_is_right_by_the_kernels_thread()
{
	[[ ${NBREAD_VM-} ]] || skip 'only the module has one'
	verify --iodepth=16 --sqthread_poll=1
}

# The check of the checks: a byte that is not the one that was written.
a_wrong_byte_is_found()
{
	make_checked
	cp "$file" "$wrong"
	printf x | dd of="$wrong" bs=1 seek=1000001 conv=notrunc status=none
	if nb verify --rw=randread "${checked[@]/$file/$wrong}" --iodepth=32; then
		echo 'fio found nothing'
		return 1
	fi
	rm "$wrong"
	grep -q '^crc32c: verify failed at file .* offset 999424' said
}

# More files than may be open: slots are emptied and filled again all the time.
files_that_come_and_go_have_their_slots()
{
	local batch=()
	mkdir -p "$mnt/fio.d"
	batch=(--directory="$mnt/fio.d" --nrfiles=40 --openfiles=4 --bs=2k --size=4m --randseed=7
		--verify=crc32c --verify_fatal=1 --file_service_type=roundrobin:3)
	fio --name=verify --ioengine=psync --rw=randwrite --do_verify=0 --minimal "${batch[@]}" >said 2>&1
	nb verify --rw=randread "${batch[@]}" --iodepth=16 --registerfiles=1 --fixedbufs=1 || {
		cat said
		return 1
	}
	rm -r "$mnt/fio.d"
	[[ $(awk -F ';' '$3 == "verify" { print $6 }' said) -ge 4000 ]]
}

# refused MESSAGE NAME OPTION...: the job fails with it.
refused()
{
	if nb "${@:2}"; then
		echo "the job was done: ${*:2}"
		return 1
	fi
	grep -qF -e "$1" said || {
		cat said
		echo "it does not say: $1"
		return 1
	}
}

a_job_that_writes_is_refused_before_it_makes_its_file()
{
	local rw
	for rw in write randwrite randrw trim; do
		refused "the job 'w' has rw=$rw, and this engine only reads" w --rw="$rw" --size=1m \
			--filename="$mnt/fio.new"
	done
	[[ ! -e $mnt/fio.new ]]
}

a_job_past_the_page_cache_is_refused()
{
	make_checked
	refused "the job 'd' has direct=1, and nbread reads through the page cache" d --rw=read \
		--direct=1 "${checked[@]}"
}

a_ring_that_is_not_to_be_had_fails_the_job_with_the_reason()
{
	make_checked
	if [[ ! -e /dev/nbread ]]; then
		refused 'there is no /dev/nbread: load the module' n --rw=read --backend=module "${checked[@]}"
		# And it is told which one it is.
		( unset NBREAD_BACKEND; nb auto --rw=read --backend=auto --size=64k --filename="$file" )
		grep -q "threads serve the job 'auto'" said
	fi
	refused 'sqthread_poll needs the module' n --rw=read --backend=threads --sqthread_poll=1 "${checked[@]}"
	refused 'take an iodepth of at most' n --rw=read --iodepth=40000 --bs=512 --size=1m --filename="$file"
}

# It ends within a block, and it does so between fio's look at its size and the first read.
the_end_of_a_file_that_was_truncated_is_an_error()
{
	local depth short=$mnt/fio.short
	for depth in 1 16; do
		head -c 4194304 /dev/zero >"$short"
		refused 'it has become shorter since the job began' t --rw=read --bs=4k --size=4m \
			--filename="$short" --iodepth="$depth" --exec_prerun="truncate -s 2100000 $short"
		# 5: errno, 6: KiB. Of 512 whole blocks; the rest of the next could not be had.
		same result "$(awk -F ';' '$3 == "t" { print $5, $6 }' said)" '5 2048'
	done
	rm "$short"
}

what_is_not_cached_is_an_error_of_a_job_that_asks_for_cached_data_only()
{
	make_checked
	nb warm --rw=read --bs=64k --size="$size" --filename="$file" --invalidate=0
	nb cached --rw=randread "${checked[@]}" --invalidate=0 --cached_only=1 --iodepth=32 || {
		cat said
		return 1
	}
	[[ $(stat -f -c %T "$mnt") != tmpfs ]] || skip 'all of a tmpfs is cached'
	refused 'the bytes are not cached, and the job has cached_only' c --rw=randread \
		"${checked[@]}" --invalidate=1 --cached_only=1 --iodepth=32
}

an_engine_of_another_fio_says_so()
{
	local so=$work/other.so
	# Its version is in the engine as a string.
	sed "s/$(fio --version)\\x00/$(fio --version | tr 0-9 1-90)\\x00/" "$engine" >"$so"
	! cmp -s "$engine" "$so" || skip 'the version was not found in the engine'
	make_checked
	engine=$so refused 'build it for this one' o --rw=read "${checked[@]}"
}

every_option_is_explained()
{
	local option
	fio --enghelp="$engine" >help
	for option in backend registerfiles fixedbufs try cached_only sqthread_poll sqthread_poll_cpu sqwq; do
		grep -q "^$option  *: ." help
		grep -q "\`$option" "$NBREAD_TOP/examples/fio/README.md"
	done
	same options "$(wc -l <help)" 8
}

the_job_files_compare_the_engines()
{
	local jobs
	for jobs in cached depth1 cold; do
		sed -e 's/^runtime=.*/runtime=300ms/' -e '/^ramp_time/d' -e 's/^io_size=.*/io_size=1m/' \
			-e 's/^size=.*/size=4m/' "$NBREAD_TOP/examples/fio/$jobs.fio" >"$jobs.fio"
	done
	NBREAD_BACKEND=$backend NBREAD_FIO=$engine "$NBREAD_TOP/examples/fio/compare" "$mnt/fio.compare" depth1.fio cold.fio \
		cached.fio >table 2>said || grep -q 'io_uring.*failed' table
	rm "$mnt/fio.compare"
	sed 's/^/# /' table >>"$work/said.table"
	# A number in each line of ours.
	same nbread "$(grep -cE '^nbread[a-z_]* +[1-9][0-9]* ' table)" 7
}

why=''
if ! command -v fio >/dev/null; then
	why='there is no fio on this machine'
elif ! make -s -C "$NBREAD_TOP/examples/fio" BUILD="$BUILD" OFFLINE=1 >build.log 2>&1; then
	# The source is there, and the engine does not build: not what a skip is for.
	if grep -q 'no source of fio' build.log; then
		why="the engine is not built: $(head -n 1 build.log)"
	else
		sed 's/^/# /' build.log
		echo 'not ok fio_engine_builds'
		echo '1..1'
		exit 1
	fi
fi
if [[ $why ]]; then
	echo "ok fio # SKIP $why"
	echo '1..1'
	exit 0
fi

tap every_byte_is_right_at_depth_1
tap every_byte_is_right_at_depth_32
tap every_byte_is_right_in_batches
tap every_byte_is_right_of_registered_files
tap every_byte_is_right_in_registered_buffers
tap every_byte_is_right_by_workers
tap every_byte_is_right_by_try
tap every_byte_is_right_in_threads_of_one_process
tap every_byte_is_right_by_the_kernels_thread
tap a_wrong_byte_is_found
tap files_that_come_and_go_have_their_slots
tap a_job_that_writes_is_refused_before_it_makes_its_file
tap a_job_past_the_page_cache_is_refused
tap a_ring_that_is_not_to_be_had_fails_the_job_with_the_reason
tap the_end_of_a_file_that_was_truncated_is_an_error
tap what_is_not_cached_is_an_error_of_a_job_that_asks_for_cached_data_only
tap an_engine_of_another_fio_says_so
tap every_option_is_explained
tap the_job_files_compare_the_engines
rm -f "$file"
[[ ! -e said.table ]] || cat said.table
tap_end
