#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the module takes from the kernel: only names that every kernel of tests/vm/kernels
# exports, and none that only a distribution's patches export (tests/symbols).
#
# Looks at the module for $KERNEL, which is built if need be, and at each other kernel
# whose module is built of today's source; names are held against the Module.symvers of
# every kernel that is fetched. With no kernel fetched all is skipped: this fetches none.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/support/tap.sh"

KERNEL=${KERNEL:-6.1}
lists=$NBREAD_TOP/tests/symbols
vm=$NBREAD_TOP/build/vm/kernels

# Each kernel that is fetched: NAME and its Module.symvers. In a shell of its own:
# tests/vm has functions of the same names as ours.
kernels()
{
	# shellcheck disable=SC2016 # for the inner shell
	bash -c '. "$1/tests/vm/lib.sh"
		for k in $(awk "!/^#/ && NF { print \$1 }" "$1/tests/vm/kernels"); do
			( kernel_paths "$k" && [[ -e $K_KDIR/Module.symvers ]] &&
				echo "$k $K_KDIR/Module.symvers" )
		done' - "$NBREAD_TOP" 2>/dev/null || true
}

# A mainline build, as far as this machine has one: the debug kernel's source is
# the distribution's without the exports of its patches.
mainline=$vm/debug/work/obj/Module.symvers
if [[ -e $mainline && -e ${mainline%/*}/vmlinux ]]; then
	have_mainline=1
fi

# names FILE: of a list of tests/symbols.
names() { grep -vE '^(#|[[:space:]]*$)' "$1" | sed 's/[[:space:]]*|.*//'; }

exports() { awk -F '\t' '{ print $2 }' "$1" | LC_ALL=C sort -u; }

imports() { nm -u "$1" | awk '{ print $NF }' | LC_ALL=C sort -u; }

same_source()
{
	diff -rq -x '.*' -x '*.o' -x '*.ko' -x '*.mod*' -x modules.order -x Module.symvers \
		"$NBREAD_TOP/module" "$1/module" >/dev/null 2>&1 &&
		diff -rq "$NBREAD_TOP/include" "$1/include" >/dev/null 2>&1
}

# Writes $work/built (NAME PATH-TO-MODULE) and, of all kernels, NAME.exports.
prepare()
{
	local name symvers ko
	kernels >fetched
	while read -r name symvers; do
		exports "$symvers" >"$name.exports"
		ko=$vm/$name/module-build
		if [[ $name == "$KERNEL" ]]; then
			ko=$("$NBREAD_TOP/tests/vm/build-module" "$name" 2>build.log) || continue
			imports "$ko" >"$name.imports"
		elif [[ ! ${NBREAD_MODULE_SRC-} && -e $ko/module/nbread.ko ]]; then
			# Not while tests of that kernel build it (tests/vm/build-module).
			(
				flock -s 9
				same_source "$ko" && imports "$ko/module/nbread.ko" >"$name.imports"
			) 9>>"$ko.lock" || continue
			ko=$ko/module/nbread.ko
		else
			continue
		fi
		echo "$name $ko"
	done <fetched >built
	[[ ! ${have_mainline-} ]] || exports "$mainline" >mainline.exports
}

need_module()
{
	grep -q "^$KERNEL " fetched ||
		skip "kernel $KERNEL is not fetched; 'make check' or tests/vm/fetch does it"
	grep -q "^$KERNEL " built || {
		cat build.log
		return 1
	}
}

built_kernels() { awk '{ print $1 }' built; }

every_import_is_exported_by_the_kernel_it_is_for()
{
	local k
	need_module
	for k in $(built_kernels); do
		[[ $(wc -l <"$k.imports") -gt 50 ]]
		same "imports that $k does not export" \
			"$(LC_ALL=C comm -23 "$k.imports" "$k.exports")" ''
	done
}

no_import_is_exported_by_a_distribution_alone()
{
	local k
	need_module
	names "$lists/distribution-only" | LC_ALL=C sort >listed
	for k in $(built_kernels); do
		same "imports of the module for $k that mainline does not export" \
			"$(LC_ALL=C comm -12 "$k.imports" listed)" ''
	done
}

the_list_of_a_distributions_exports_is_true()
{
	local name where k
	need_module
	while IFS=' |' read -r name where; do
		for k in $where; do
			[[ -e $k.exports ]] || continue
			grep -qx -e "$name" "$k.exports" || {
				echo "$name is not exported by $k, as tests/symbols/distribution-only says"
				return 1
			}
		done
		[[ ! -e mainline.exports ]] || ! grep -qx -e "$name" mainline.exports || {
			echo "$name is exported by the debug kernel, a mainline build"
			return 1
		}
	done < <(grep -vE '^(#|$)' "$lists/distribution-only")
}

a_mainline_build_exports_every_import()
{
	[[ -e mainline.exports ]] ||
		skip "no mainline build here: the debug kernel of tests/vm/kernels is not built"
	[[ -e debug.imports ]] ||
		skip "the module is not built for the debug kernel; 'make check KERNEL=debug' does it"
	same 'imports that mainline does not export' \
		"$(LC_ALL=C comm -23 debug.imports mainline.exports)" ''
}

# excused NAME: whether a pattern of tests/symbols/not-everywhere has it.
excused()
{
	local pattern
	for pattern in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}

an_import_that_not_every_kernel_exports_has_a_reason()
{
	local k other name bad=0 patterns
	need_module
	mapfile -t patterns < <(names "$lists/not-everywhere")
	[[ $(wc -l <fetched) -gt 1 ]] || skip "only one kernel is fetched, so nothing can differ"
	for k in $(built_kernels); do
		while read -r other _; do
			while read -r name; do
				excused "$name" || {
					bad=1
					echo "$name: the module for $k imports it, kernel $other does not export it"
				}
			done < <(LC_ALL=C comm -23 "$k.imports" "$other.exports")
		done <fetched
	done
	((!bad))
}

every_reason_is_of_a_known_form()
{
	same 'lines of not-everywhere that are neither a name with a reason nor a comment' \
		"$(grep -vE '^(#.*|[A-Za-z0-9_*]+ +\| .{5,}|)$' "$lists/not-everywhere")" ''
	same 'lines of distribution-only that are neither a name with kernels nor a comment' \
		"$(grep -vE '^(#.*|[a-z0-9_]+ +\| [0-9x. ]+|)$' "$lists/distribution-only")" ''
}

prepare
tap every_import_is_exported_by_the_kernel_it_is_for
tap no_import_is_exported_by_a_distribution_alone
tap the_list_of_a_distributions_exports_is_true
tap a_mainline_build_exports_every_import
tap an_import_that_not_every_kernel_exports_has_a_reason
tap every_reason_is_of_a_known_form
tap_end
