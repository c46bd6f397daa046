#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The ABI has the same layout for 32-bit and 64-bit programs, in C and in C++:
# the table uapi_layout.h once more, as assertions of the compiler.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/support/tap.sh"

# asserts COMPILER... : the table holds there.
asserts()
{
	"$@" "${warnings[@]}" "${include[@]}" -I"$NBREAD_TOP/tests/unit" -fsyntax-only - <<-'END'
		#include <stddef.h>
		#include <linux/nbread.h>
		#ifndef __cplusplus
		#define static_assert _Static_assert
		#endif
		#define SIZE(type, bytes) static_assert(sizeof(struct type) == bytes, #type);
		#define MEMBER(type, member, offset, bytes) \
			static_assert(offsetof(struct type, member) == offset, #type "." #member); \
			static_assert(sizeof(((struct type *)0)->member) == bytes, #member);
		#define NUMBER(name, value) static_assert(name == value, #name);
		#include "uapi_layout.h"
	END
}

the_layout_holds_for_64_bit_programs() { asserts "$CC" -xc -std=c11 -m64; }
the_layout_holds_for_32_bit_programs() { asserts "$CC" -xc -std=c11 -m32; }
the_layout_holds_for_32_bit_cxx_programs() { asserts "$CXX" -xc++ -std=c++11 -m32; }

# A table that misses a struct would pass without a word.
the_table_has_every_struct_and_every_number_of_the_header()
{
	local header=$NBREAD_TOP/include/uapi/linux/nbread.h
	same structs "$(grep -oP '^SIZE\(\K\w+' "$NBREAD_TOP/tests/unit/uapi_layout.h" | sort)" \
		"$(grep -oP '^struct \K\w+(?= \{)' "$header" | sort)"
	same numbers "$(grep -oP '^NUMBER\(\K\w+' "$NBREAD_TOP/tests/unit/uapi_layout.h" | sort)" \
		"$(grep -oP '^#define \KNBREAD_\w+' "$header" |
			grep -vE '^NBREAD_(IOC_MAGIC|ABI_VERSION)$' | sort)"
}

tap the_layout_holds_for_64_bit_programs
tap the_layout_holds_for_32_bit_programs
tap the_layout_holds_for_32_bit_cxx_programs
tap the_table_has_every_struct_and_every_number_of_the_header
tap_end
