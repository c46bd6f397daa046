# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What several checks share. Sourced by them, at the top of the tree.
set -euo pipefail

lint_dir=$PWD/build/lint

# Without git (a tarball, a checkout of somebody else) each check would look at nothing, and pass.
git ls-files --error-unmatch -- scripts/lint >/dev/null || {
	echo "git cannot list the files of this tree, so nothing can be checked; what it says is above"
	exit 1
}

# The files of the project, tracked or new but not ignored, one a line.
# Arguments: git pathspecs.
files()
{
	local file
	git ls-files -co --exclude-standard -- "$@" | sort -u | while read -r file; do
		# Not those deleted but not yet committed; no links.
		[[ ! -f $file || -L $file ]] || printf '%s\n' "$file"
	done
}

c_files()
{
	files 'lib/*.[ch]' 'examples/*.[ch]' 'tools/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' 'module/*.[ch]' 'include/*.[ch]' '*.cc'
}

# none WHAT: a check that finds nothing to look at passes, and says so.
none()
{
	echo "there is no $1 yet"
	exit 0
}

# The kernel tree to build the module for: the oldest supported kernel's.
kdir()
{
	local dir=${KDIR-}
	if [[ -z $dir ]]; then
		dir=$(tests/vm/fetch --print 6.1 kdir) || dir=
	fi
	if [[ ! -e $dir/Makefile ]]; then
		echo "no kernel headers of 6.1 from tests/vm/fetch (see above); or name a tree with KDIR=…" >&2
		return 1
	fi
	printf '%s\n' "$dir"
}

# build_module NAME ARGUMENT...: the module from scratch, with these arguments
# for make. Leaves the output in $log, in which the names of our own files
# start with '@'; returns make's exit status.
build_module()
{
	local dir=$lint_dir/$1 tree status=0
	shift
	tree=$(kdir)
	rm -rf "$dir"
	mkdir -p "$dir"
	log=$dir.log
	# Not the flags of the make that called us.
	env -u MAKEFLAGS -u MAKELEVEL make -k -j"$(nproc)" module \
		BUILD="$dir" KDIR="$tree" "$@" >"$log" 2>&1 </dev/null || status=$?
	sed -i -E "s#[^ ]*build/lint/[^ ]*/module/\.\./#@#; s#[^ ]*build/lint/[^/ ]*/module/[^/ ]*/module/#@module/#" \
		"$log"
	return "$status"
}
