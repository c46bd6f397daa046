#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the built library shows to the linker: the symbols of its map and of its
# headers, all of them and no other.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/support/tap.sh"

lib=$NBREAD_TOP/lib
so=$BUILD/lib/libnbread.so

map_symbols() { grep -oP '^\t\t\Knbread_\w+(?=;)' "$lib/libnbread.map" | sort; }
exported() { nm -D --defined-only "$so" | awk '$2 != "A" { print $3 }'; }

# Asks the compiler which functions the header declares, inline ones included.
header_functions()
{
	echo '#include <libnbread.h>' >functions.c
	"$CC" "${include[@]}" -DNBREAD_INLINE= -fsyntax-only -aux-info functions.txt functions.c
	grep 'libnbread' functions.txt | grep -oP '\bnbread_\w+(?= \()' | grep -v -e _load_ -e _store_ -e _barrier | sort -u
}

the_library_exports_what_its_map_lists_and_nothing_else()
{
	same symbols "$(exported | sed 's/@.*//' | sort)" "$(map_symbols)"
}

every_exported_symbol_has_a_version_of_the_map()
{
	[[ -n $(exported) ]]
	! exported | grep -vP '@@LIBNBREAD_\d+\.\d+$'
}

the_map_lists_every_function_of_the_headers_and_nothing_else()
{
	same functions "$(header_functions)" "$(map_symbols)"
}

# The names that people outside the project use; none may ever go.
every_promised_call_is_there()
{
	local name
	for name in queue_init queue_init_params queue_exit get_sqe prep_nop prep_read prep_readv \
		prep_read_fixed sqe_set_flags sqe_set_data sqe_set_data64 submit submit_and_wait \
		submit_and_wait_timeout wait_cqe wait_cqes wait_cqe_timeout peek_cqe peek_batch_cqe \
		cqe_get_data cqe_seen cq_advance sq_space_left cq_ready register_files \
		register_files_update unregister_files register_buffers unregister_buffers \
		register_eventfd unregister_eventfd cancel64 cancel_fd ring_fd file_info query try \
		try_many backend sqring_wait register_files_sparse register_buffers_sparse \
		register_buffers_update register_eventfd_async register_creds register_workers \
		cancel_file_index sqe_set_deadline sqe_set_timeout submit_sqes reap_cqes queue_drain \
		queue_exit_drain; do
		map_symbols | grep -qx "nbread_$name" || { echo "no nbread_$name"; return 1; }
	done
	grep -q '^#define nbread_for_each_cqe(ring, head, cqe)' "$lib/include/libnbread/inline.h"
}

the_soname_has_the_major_version()
{
	same soname "$(readelf -d "$so" | grep -oP 'SONAME.*\[\K[^]]+')" "libnbread.so.${VERSION%%.*}"
	same file "$(basename "$(readlink -f "$so")")" "libnbread.so.$VERSION"
}

the_static_library_defines_no_name_without_its_prefix()
{
	nm -g --defined-only "$BUILD/lib/libnbread.a" | awk 'NF == 3 { print $3 }' >names
	[[ -s names ]]
	! grep -v '^nbread_' names
}

# used ARCHIVE: the functions it takes from elsewhere.
used() { nm -u "$1" | awk '$1 == "U" && $2 !~ /^nbread_/ { sub(/@.*/, "", $2); print $2 }' | sort -u; }

the_library_calls_nothing_that_prints_or_exits()
{
	[[ -n $(used "$BUILD/lib/libnbread.a") ]]
	! used "$BUILD/lib/libnbread.a" |
		grep -E '^_*((v?f?printf|f?puts|fwrite)(_chk)?|perror|write|syslog|abort|exit|v?errx?|v?warnx?)$'
}

only_sys_o_makes_system_calls()
{
	used "$BUILD/lib/libnbread.a" | grep -qx ioctl
	! used "$BUILD/lib/libnbread-nosys.a" |
		grep -E '^_*(open|close|ioctl|mmap|munmap|poll|ppoll|p?read|p?write|preadv|syscall)'
}

a_version_that_the_map_does_not_know_stops_the_build()
{
	! make -s -C "$lib" BUILD="$work/b" VERSION=99.7.0 >out 2>&1 || return 1
	grep -q 'LIBNBREAD_99.7' out
}

it_builds_with_clang()
{
	need clang
	make -s -C "$lib" BUILD="$work/clang" CC=clang
	[[ -e $work/clang/lib/libnbread.so ]]
}

it_builds_for_32_bit()
{
	make -s -C "$lib" BUILD="$work/m32" CC="$CC -m32"
	readelf -h "$work/m32/lib/libnbread.so" | grep -q ELF32
}

tap the_library_exports_what_its_map_lists_and_nothing_else
tap every_exported_symbol_has_a_version_of_the_map
tap the_map_lists_every_function_of_the_headers_and_nothing_else
tap every_promised_call_is_there
tap the_soname_has_the_major_version
tap the_static_library_defines_no_name_without_its_prefix
tap the_library_calls_nothing_that_prints_or_exits
tap only_sys_o_makes_system_calls
tap a_version_that_the_map_does_not_know_stops_the_build
tap it_builds_with_clang
tap it_builds_for_32_bit
tap_end
