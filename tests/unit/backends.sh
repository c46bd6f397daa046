#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# docs/backends.md is what the behaviour suite prints.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/support/tap.sh"

the_table_of_differences_is_what_the_suite_says()
{
	"$BUILD/tests/nbread-behave" --differences >now.md
	[[ -s now.md ]]
	diff "$NBREAD_TOP/docs/backends.md" now.md || {
		echo "docs/backends.md is stale: run 'make backends-doc'"
		return 1
	}
}

# The suite on this machine and the record of a test must be of the same tests.
every_difference_that_names_a_test_names_one_that_there_is()
{
	"$BUILD/tests/nbread-behave" --list >tests
	# shellcheck disable=SC2016 # no command: the marks of a name in the table
	grep -oP '\| `\K\w+(?=` \|$)' "$NBREAD_TOP/docs/backends.md" | grep -vxFf tests >unknown || true
	[[ ! -s unknown ]] || { cat unknown; return 1; }
}

tap the_table_of_differences_is_what_the_suite_says
tap every_difference_that_names_a_test_names_one_that_there_is
tap_end
