#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each public header compiles alone, and twice, in the languages it promises.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/support/tap.sh"

# compiles COMPILER... : every public header, first of all and only one.
compiles()
{
	local header
	for header in libnbread.h libnbread/{types,register,inline,barrier}.h linux/nbread.h; do
		printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
			"$@" "${warnings[@]}" "${include[@]}" -fsyntax-only -
	done
}

the_headers_are_pedantic_c99() { compiles "$CC" -xc -std=c99 -pedantic; }
the_headers_are_pedantic_c11() { compiles "$CC" -xc -std=c11 -pedantic; }
the_headers_are_gnu_c() { compiles "$CC" -xc -D_GNU_SOURCE; }
the_headers_are_cxx11() { compiles "$CXX" -xc++ -std=c++11 -pedantic; }
the_headers_are_cxx20() { compiles "$CXX" -xc++ -std=c++20 -pedantic; }
the_headers_are_32_bit_c() { compiles "$CC" -xc -m32 -std=c99 -pedantic; }
the_headers_are_32_bit_c_with_64_bit_time()
{
	compiles "$CC" -xc -m32 -std=c99 -pedantic -Wconversion -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
}
the_headers_shadow_and_convert_nothing() { compiles "$CC" -xc -Wshadow -Wconversion -Wsign-conversion; }
the_headers_compile_with_clang() { need clang; compiles clang -xc -std=c99 -pedantic; }
the_headers_compile_with_clang_as_cxx() { need clang++; compiles clang++ -xc++ -std=c++11 -pedantic; }

tap the_headers_are_pedantic_c99
tap the_headers_are_pedantic_c11
tap the_headers_are_gnu_c
tap the_headers_are_cxx11
tap the_headers_are_cxx20
tap the_headers_are_32_bit_c
tap the_headers_are_32_bit_c_with_64_bit_time
tap the_headers_shadow_and_convert_nothing
tap the_headers_compile_with_clang
tap the_headers_compile_with_clang_as_cxx
tap_end
