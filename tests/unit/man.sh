#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The manual: each call has a page under its own name, which shows it as the headers
# declare it, and no page shows what does not exist.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/support/tap.sh"

pages=$NBREAD_TOP/docs/man
root=$work/root
map_symbols() { grep -oP '^\t\t\Knbread_\w+(?=;)' "$NBREAD_TOP/lib/libnbread.map" | sort; }
make -s -C "$pages" DESTDIR="$root" PREFIX=/usr install >/dev/null

# synopsis PAGE: its C text.
synopsis() { sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' "$1" | grep -v '^\.'; }

each_call_has_a_page_of_its_name()
{
	same pages "$(cd "$root/usr/share/man/man3" && printf '%s\n' nbread_* | sed 's/\.3$//' |
		grep -vx nbread_for_each_cqe | sort)" "$(map_symbols)"
	[[ -e $root/usr/share/man/man3/nbread_for_each_cqe.3 ]]
}

man_finds_each_page()
{
	local page
	need man
	for page in "$root"/usr/share/man/man?/*; do
		page=${page##*/}
		MANPATH=$root/usr/share/man man -w "${page##*.}" "${page%.*}" >/dev/null || {
			echo "$page"
			return 1
		}
	done
}

each_page_shows_the_calls_that_it_names()
{
	local page name
	for page in "$pages"/nbread_*.3; do
		while read -r name; do
			synopsis "$page" | grep -qE "\\b$name\\(" || {
				echo "${page##*/}: $name is not in the synopsis"
				return 1
			}
		done < <(sed -n '/^\.SH NAME/,/ \\-/p' "$page" | grep -oE '^nbread_\w+')
	done
}

# A second declaration has to agree with that of the header.
each_synopsis_compiles_against_the_headers()
{
	local page
	for page in "$pages"/nbread_*.3; do
		synopsis "$page" | grep -v '^nbread_for_each_cqe' >page.c
		"$CC" "${warnings[@]}" -Wno-unused-function "${include[@]}" -fsyntax-only page.c || {
			echo "${page##*/}"
			return 1
		}
	done
}

what_a_page_refers_to_is_there()
{
	local ref missing=0
	while read -r ref; do
		[[ -e $root/usr/share/man/man${ref##*.}/$ref || -e $NBREAD_TOP/tools/$ref ]] || {
			echo "$ref"
			missing=1
		}
	done < <(sed -nE 's/.*\.[BR]+ \(? ?((lib)?nbread[a-z0-9_-]*) \(([0-9])\).*/\1.\3/p' "$pages"/*.[347] | sort -u)
	((!missing))
}

tap each_call_has_a_page_of_its_name
tap man_finds_each_page
tap each_page_shows_the_calls_that_it_names
tap each_synopsis_compiles_against_the_headers
tap what_a_page_refers_to_is_there
tap_end
