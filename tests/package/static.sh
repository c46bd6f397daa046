# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # what check sets
# Tests that need no root and no kernel: what the build makes, what dkms.conf
# says. Sourced by tests/package/check.

lintian_finds_neither_errors_nor_warnings()
{
	lintian --allow-root --fail-on error,warning "$PKG"/deb/*.changes
}

# The tree is mounted read only but for build/.
make_deb_writes_nothing_into_the_tree()
{
	rm -rf "$PKG/again"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -euc '
		mount --bind "$PROJECT" "$PROJECT"
		mount --bind "$PROJECT/build" "$PROJECT/build"
		mount -o remount,bind,ro "$PROJECT"
		cd "$PROJECT"
		if touch dkms.conf 2>/dev/null; then echo "the tree is writable"; exit 1; fi
		packaging/build-deb "$PKG/again"'
	ls "$PKG"/again/nbread-dkms_*.deb
}

the_same_source_makes_the_same_packages()
{
	local f
	[[ -d $PKG/again ]] || packaging/build-deb "$PKG/again"
	for f in "$PKG"/again/*.deb; do
		cmp "$f" "$PKG/deb/${f##*/}"
	done
}

# matches VERSION: would DKMS build for this kernel?
matches()
{
	local BUILD_EXCLUSIVE_KERNEL kernel_source_dir=''
	# shellcheck disable=SC1091 # ours
	. ./dkms.conf
	[[ $1 =~ $BUILD_EXCLUSIVE_KERNEL ]]
}

dkms_conf_names_the_kernels_from_6_1_on()
{
	local k
	for k in 6.1.0-56-amd64 6.1.0 6.9.1 6.10.3-arch1 6.12.117+deb12-amd64 6.19 6.99.0 7.0.0 7.3.4+deb13-rt-amd64 \
		9.9 10.0.1 12.4-generic; do
		matches "$k" || { echo "$k is left out"; return 1; }
	done
	for k in 2.6.32 3.16.0 4.19.0-27-amd64 5.10.0-30-amd64 5.15.0 5.19 6.0.0 6.0.19-generic; do
		if matches "$k"; then echo "$k is not left out"; return 1; fi
	done
}

# stage COMMAND…: with a DESTDIR of its own; leaves the list of files in $staged.
stage()
{
	make -s DESTDIR="$PKG/stage" PREFIX=/usr KDIR="$("$VM_SRC/fetch" --print 6.1 kdir)" \
		BUILD="$PKG/stage-build" "$@"
	staged=$(cd "$PKG/stage" && find . ! -type d | LC_ALL=C sort)
}

make_install_honours_destdir_and_uninstall_takes_all_back()
{
	local f staged
	rm -rf "$PKG/stage"
	stage install
	for f in "lib/modules/$abi/updates/nbread.ko" usr/lib/udev/rules.d/60-nbread.rules \
		usr/lib/modules-load.d/nbread.conf usr/lib/sysusers.d/nbread.conf usr/lib/libnbread.so \
		usr/include/linux/nbread.h usr/bin/nbread-info usr/share/man/man1/nbread-info.1; do
		[[ -e $PKG/stage/$f || -e $PKG/stage/$f.xz ]] || { echo "$f is not there"; return 1; }
	done
	stage uninstall
	[[ -z $staged ]] || { echo "left: $staged"; return 1; }
	stage dkms-install
	[[ -e $PKG/stage/usr/src/nbread-$version/dkms.conf ]]
	stage dkms-uninstall
	[[ -z $staged ]] || { echo "left: $staged"; return 1; }
}

run_static()
{
	local t
	for t in lintian_finds_neither_errors_nor_warnings make_deb_writes_nothing_into_the_tree \
		the_same_source_makes_the_same_packages dkms_conf_names_the_kernels_from_6_1_on \
		make_install_honours_destdir_and_uninstall_takes_all_back; do
		tap "$t"
	done
}
