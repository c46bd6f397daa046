#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What nbread-info says of files that are served in different ways. Runs in the VM
# (tests/suites), as root; NBREAD_MNT is an ext4.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/../unit/support/tap.sh"

info=$NBREAD_TOP/build/tools/nbread-info
dir=$NBREAD_MNT/info

# says FILE WORDS: the one line about it.
says()
{
	same "$1" "$("$info" "$1")" "$1: $2"
}

a_file_with_callbacks_needs_no_worker()
{
	says "$dir/lower/file" 'filemap: cached bytes in the call, by folio look-up, misses by callback, no thread waits'
}

a_file_in_memory_is_answered_in_the_call()
{
	echo content >/dev/shm/info
	says /dev/shm/info 'filemap: cached bytes in the call, by folio look-up, misses by a worker of the kernel, since this file system cannot wait by callback'
}

a_file_of_an_overlay_is_answered_in_the_call()
{
	mount -t overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/merged"
	trap 'umount "$dir/merged"' EXIT
	says "$dir/merged/file" "worker: cached bytes in the call, through the file system's own read, misses by a worker of the kernel, since overlayfs reads another file, which cannot wait by callback"
}

a_refused_file_is_status_3()
{
	local status=0
	"$info" /proc/self/status >out || status=$?
	same status "$status" 3
	grep -q '^/proc/self/status: refused: it has no page cache' out
}

without_a_file_it_lists_what_the_module_can_do()
{
	"$info" >out
	grep -qx "device  */dev/nbread can be used by this user" out
	grep -qE '^operations  *NOP READ READV( |$)' out
	grep -qE '^set-up flags  *[A-Z]|^set-up flags  *none$' out
	grep -qE '^registrations .* WORKERS$' out
	grep -qE '^registered  *up to [0-9]+ files and [0-9]+ buffers a ring$' out
	# Every bit that this module reports has a name in this program.
	! grep 'and others' out
}

mkdir -p "$dir"/{lower,upper,work,merged}
echo content >"$dir/lower/file"
tap without_a_file_it_lists_what_the_module_can_do
tap a_file_with_callbacks_needs_no_worker
tap a_file_in_memory_is_answered_in_the_call
tap a_file_of_an_overlay_is_answered_in_the_call
tap a_refused_file_is_status_3
tap_end
