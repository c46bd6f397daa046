# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the scripts of tests/vm share: where things lie and the kernel list.
# Sourced, never run. Everything generated lands in $VM (build/vm).
# shellcheck disable=SC2034 # most is used by those who source this

VM_SRC=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
PROJECT=$(readlink -f "$VM_SRC/../..")
VM=$PROJECT/build/vm
DEFAULT_KERNEL=${KERNEL:-6.1}

# mkfs and depmod are in sbin, which a plain user's PATH lacks.
PATH=$PATH:/usr/sbin:/sbin

# shellcheck source=scripts/common.sh
. "$PROJECT/scripts/common.sh"

# The path goes into QEMU options, a kernel command line and make; each of
# them gives some of these a meaning of its own.
case $PROJECT in
*[!A-Za-z0-9_./+@~-]*)
	die "the project lies in '$PROJECT'; make and QEMU cannot take a path with blanks, commas, colons or quotes. Move the tree to a plain path."
	;;
esac

# kernel_line NAME: sets K_SUITE, K_IMAGE, K_HEADERS, K_BUILD_ROOT, K_SET, K_DIR.
kernel_line()
{
	local name
	while read -r name K_SUITE K_IMAGE K_HEADERS K_BUILD_ROOT K_SET; do
		[[ $name == "$1" ]] || continue
		K_DIR=$VM/kernels/$name
		return 0
	done < <(grep -v '^#' "$VM_SRC/kernels")
	die "no kernel '$1' in $VM_SRC/kernels. It lists: $(kernel_names | paste -sd' ')"
}

# kernel_names: all of the list, one a line.
kernel_names()
{
	grep -v '^#' "$VM_SRC/kernels" | awk 'NF { print $1 }'
}

# kernel_paths NAME: sets K_HOME (the build of the kernel that is in use), K_ROOT,
# K_ABI (its uname -r), K_KDIR, K_VMLINUZ, K_MODULES of a fetched kernel; fails
# silently where it is not fetched.
kernel_paths()
{
	local f
	kernel_line "$1"
	[[ -e $K_DIR/current/abi ]] || return 1
	K_HOME=$(readlink -f "$K_DIR/current")
	K_ABI=$(<"$K_HOME/abi")
	K_ROOT=$K_HOME/root
	case $K_SUITE in
	self)
		K_ROOT=$(readlink -f "${NBREAD_HOST_ROOT:-/}")
		K_ROOT=${K_ROOT%/}
		K_KDIR=$K_ROOT/lib/modules/$K_ABI/build
		;;
	*) K_KDIR=$K_ROOT/usr/src/linux-headers-$K_ABI ;;
	esac
	# A kernel that debug-kernel built.
	[[ ! -e $K_HOME/kdir ]] || K_KDIR=$(<"$K_HOME/kdir")
	K_MODULES=$K_ROOT/lib/modules
	# Debian 13 and later ship all below usr/; Fedora has vmlinuz there too.
	[[ -d $K_MODULES ]] || K_MODULES=$K_ROOT/usr/lib/modules
	for f in "$K_ROOT/boot/vmlinuz-$K_ABI" "$K_MODULES/$K_ABI/vmlinuz" "$K_ROOT/boot/vmlinux-$K_ABI"; do
		K_VMLINUZ=$f
		[[ ! -e $f ]] || break
	done
}
