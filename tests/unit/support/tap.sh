# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the unit tests that are shell scripts share: sourced by tests/unit/*.sh.
#
# A test is a function with a sentence as its name, run by 'tap NAME': in a
# subshell with set -e, silent while it passes. 'skip REASON' ends it as skipped.
# CK_RUN_CASE picks a single one. The script prints TAP lines and exits with 1 if
# a test failed. $work is a folder for temporary files.
#
# Environment: CC, CXX, NBREAD_TOP (the project tree), BUILD.
set -uo pipefail

NBREAD_TOP=${NBREAD_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)}
BUILD=${BUILD:-$NBREAD_TOP/build}
CC=${CC:-gcc}
CXX=${CXX:-g++}
VERSION=$(sed -n 's/^PACKAGE_VERSION="\([^"]*\)"$/\1/p' "$NBREAD_TOP/dkms.conf")
include=(-I"$NBREAD_TOP/lib/include" -I"$NBREAD_TOP/include/uapi")
warnings=(-Wall -Wextra -Werror)
# A make that runs us must not hand its flags and jobs to the ones we run.
unset MAKEFLAGS MFLAGS MAKELEVEL

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

tap_count=0
tap_failed=0

tap()
{
	local status
	[[ -z ${CK_RUN_CASE-} || $CK_RUN_CASE == "$1" ]] || return 0
	tap_count=$((tap_count + 1))
	( set -e; "$1" ) >"$work/tap.log" 2>&1
	status=$?
	case $status in
	0) echo "ok $1" ;;
	77) echo "ok $1 # SKIP $(tail -n 1 "$work/tap.log")" ;;
	*)
		tap_failed=1
		echo "not ok $1 $(tail -n 1 "$work/tap.log")"
		sed 's/^/# /' "$work/tap.log"
		;;
	esac
}

# tap_end: the plan line and the exit status.
tap_end()
{
	echo "1..$tap_count"
	exit "$tap_failed"
}

skip()
{
	echo "$*"
	exit 77
}

need()
{
	command -v "$1" >/dev/null || skip "there is no $1 on this machine"
}

# same WHAT GOT WANTED: fails with the difference of two texts. By files: bash 5.2 can lose
# track of a process substitution whose number was another child's before.
same()
{
	[[ $2 != "$3" ]] || return 0
	echo "$3" >"$work/same.wanted"
	echo "$2" >"$work/same.got"
	diff "$work/same.wanted" "$work/same.got" || true
	echo "$1: '<' is wanted, '>' is there"
	return 1
}
