# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Functions shared by the shell scripts of the project. Sourced, never run.
# Messages go to stderr, each one a line with the script's name in front.

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# die WHAT-HAPPENED... : exit status 1, or $DIE_STATUS where a caller set one.
die()
{
	say "$@"
	exit "${DIE_STATUS:-1}"
}

# need COMMAND GROUP: stops with the remedy when COMMAND is not there.
need()
{
	command -v "$1" >/dev/null 2>&1 ||
		die "the command '$1' is not installed. Run 'scripts/setup $2' and try again."
}

# with_lock FILE COMMAND...: COMMAND while holding FILE exclusively. The
# lock ends with this process, so a killed run leaves none behind.
with_lock()
{
	local file=$1 fd status
	shift
	mkdir -p "${file%/*}"
	exec {fd}>"$file"
	flock "$fd"
	# In a subshell of its own: 'set -e' stays in force inside COMMAND,
	# which it would not with 'COMMAND || status=$?'.
	set +e
	( set -e; "$@" )
	status=$?
	set -e
	exec {fd}>&-
	return "$status"
}
