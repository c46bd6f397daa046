# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # what check sets
# What is done in the roots, in order: each function takes the root as those before
# left it. Sourced by tests/package/check.
#
#   stranger   an empty root, in which nothing but the packages is installed; VM
#   compare    all they depend on first, then list files, install, …, purge, list
#   upgrade    a newer kernel comes to a root that has the packages; VM

# built ROOT ABI VERSION: does DKMS say so, and does the module index name it?
built()
{
	says "nbread/$3, $2, x86_64: installed" in_root "$1" dkms status
	says 'updates/dkms/nbread.ko' in_root "$1" grep nbread "/lib/modules/$2/modules.dep"
	says "$3" in_root "$1" modinfo -k "$2" -F version nbread
}

# no_name ROOT: nothing in it is called after us, and no book names us.
no_name()
{
	# shellcheck disable=SC2016 # for the inner shell
	in_root "$1" bash -euc '
		left=$(find / -xdev -path /tmp -prune -o -path /var/log -prune -o -path /var/cache -prune -o -name "*nbread*" -print)
		left+=$(grep -ls nbread /etc/group /etc/gshadow /etc/passwd /var/lib/dpkg/status /var/lib/dpkg/info/* \
			/lib/modules/*/modules.* || true)
		left+=$(dkms status 2>/dev/null | grep nbread || true)
		[[ -z $left ]] || { echo "left behind: $left"; exit 1; }'
}

# Debian's way: apt takes what they depend on and recommend from the archive.
apt_installs_the_packages_in_an_empty_root_and_dkms_builds_the_module()
{
	root_new stranger "$BASE"
	apt_root stranger update
	apt_root stranger install "${debs[@]}" "linux-headers-$abi"
	built stranger "$abi" "$version"
}

the_group_the_rule_and_loading_at_boot_are_installed()
{
	says nbread: in_root stranger getent group nbread
	# shellcheck disable=SC2016 # for the inner shell
	in_root stranger bash -euc '
		[[ $(getent group nbread | cut -d: -f3) -lt 1000 ]]
		grep -q GROUP=\"nbread\" /lib/udev/rules.d/60-nbread.rules
		grep -qx nbread /lib/modules-load.d/nbread.conf'
}

a_program_builds_with_pkg_config()
{
	apt_root stranger install gcc libc6-dev libuv1-dev pkg-config systemd udev
	# shellcheck disable=SC2016 # for the inner shell
	in_root stranger bash -euc '
		cc -Wall -Wextra -Werror -o /usr/local/bin/consumer /tmp/src/consumer.c $(pkg-config --cflags --libs libnbread)
		ldd /usr/local/bin/consumer | grep -q "libnbread.so.0 => /lib/x86_64-linux-gnu/"
		cc -Wall -static -o /tmp/static /tmp/src/consumer.c $(pkg-config --static --cflags --libs libnbread)
		dpkg -S /usr/include/linux/nbread.h
		for e in /usr/share/doc/libnbread-dev/examples/*.c; do
			cc -pthread -o /tmp/example "$e" $(pkg-config --cflags --libs libnbread libuv)
		done
		cc -pthread -o /tmp/nbhttpd /usr/share/doc/libnbread-dev/examples/httpd/*.c $(pkg-config --cflags --libs libnbread)'
}

without_the_module_threads_serve_the_program_and_nbread_info_says_why()
{
	says 'by threads' in_root stranger consumer /etc/passwd
	says 'No such device' in_root stranger env NBREAD_BACKEND=module consumer /etc/passwd
	says 'nbread-info: ' in_root stranger nbread-info
	says "nbread-info $version" in_root stranger nbread-info --version
	says 'Usage: nbread-info' in_root stranger nbread-info --help
}

purge_leaves_no_file_group_or_entry_of_that_name()
{
	in_root stranger rm /usr/local/bin/consumer
	apt_root stranger purge "${names[@]}"
	no_name stranger
}

# vm_results ROOT KERNEL: the tests of tests/package/guest, in the VM.
vm_results()
{
	local line
	while IFS= read -r line; do
		result "$line"
	done < <(with_root "$1" tests/vm/run --kernel "$2" --no-load --fs ext4 -- \
		tests/package/guest "$MNT" 2>&1 || echo "not ok vm_run_on_$2 # exit status $?")
}

run_stranger()
{
	tap apt_installs_the_packages_in_an_empty_root_and_dkms_builds_the_module
	[[ $ok == 1 ]] || return 0
	tap the_group_the_rule_and_loading_at_boot_are_installed
	tap a_program_builds_with_pkg_config
	[[ $ok == 1 ]] || return 0
	tap without_the_module_threads_serve_the_program_and_nbread_info_says_why
	vm_results stranger 6.1
	tap purge_leaves_no_file_group_or_entry_of_that_name
}

# Everything that is not ours, and the first use of depmod, which leaves files
# of its own.
the_archive_has_all_that_the_packages_need()
{
	root_new deps "$BASE"
	apt_root deps update
	apt_root deps install dkms "linux-headers-$abi" adduser kmod udev systemd openssl gcc libc6-dev pkg-config passwd make
	in_root deps depmod -a "$abi"
	echo "$abi" >"$ROOTS/deps/complete"
}

the_previous_version_installs()
{
	root_new compare deps
	in_root compare /tmp/src/files >"$PKG/files.before"
	apt_root compare install "${debs[@]/deb\//prev/}"
	built compare "$abi" "$prev"
}

# Kernels that dkms.conf excludes: their headers are there, and nothing is built.
excluded_kernels='5.10.0-30-amd64 6.0.0-1-amd64'

an_upgrade_replaces_the_module_and_leaves_none_of_the_old_version()
{
	# shellcheck disable=SC2016 # for the inner shell
	in_root compare bash -euc '
		for k in $2; do
			mkdir -p "/lib/modules/$k"
			ln -s "$(readlink -f "/lib/modules/$1/build")" "/lib/modules/$k/build"
		done' fake "$abi" "$excluded_kernels"
	apt_root compare install "${debs[@]}"
	built compare "$abi" "$version"
	# shellcheck disable=SC2016 # for the inner shell
	in_root compare bash -euc '
		left=$(find / -xdev -path /tmp -prune -o -path /var/log -prune -o -name "*~prev*" -print)
		[[ -z $left ]] || { echo "left: $left"; exit 1; }
		[[ $(dkms status | wc -l) == 1 ]]'
}

# The upgrade before this went through although these kernels were there. (Their own
# headers, installed later, make DKMS 3.0.10's autoinstall say that it failed, for any
# module with BUILD_EXCLUSIVE.)
dkms_skips_kernels_it_excludes()
{
	# shellcheck disable=SC2016 # for the inner shell
	in_root compare bash -euc '
		for k in $1; do
			s=0
			dkms build "nbread/$2" -k "$k" 2>&1 || s=$?
			[[ $s == 77 ]]			# dkms: BUILD_EXCLUSIVE does not match
			[[ $(dkms status) != *"$k"* && ! -e /lib/modules/$k/updates ]]
			rm -r "/lib/modules/$k"
		done' dkms "$excluded_kernels" "$version"
}

remove_takes_the_module_and_the_rule_away()
{
	apt_root compare remove "${names[@]}"
	# shellcheck disable=SC2016 # for the inner shell
	in_root compare bash -euc '
		left=$(grep nbread /lib/modules/*/modules.dep || true)
		left+=$(find /lib/modules /lib/udev /lib/modules-load.d /usr/src /var/lib/dkms -name "*nbread*")
		[[ -z $left ]] || { echo "left: $left"; exit 1; }'
}

purge_leaves_the_root_as_it_was_before()
{
	# Of the others remove left nothing to purge; apt does not know their names any more.
	in_root compare dpkg --purge nbread-dkms
	in_root compare /tmp/src/files >"$PKG/files.after"
	diff "$PKG/files.before" "$PKG/files.after"
	no_name compare
}

purge_together_with_dkms_leaves_nothing_of_ours()
{
	apt_root compare install "${debs[@]}"
	built compare "$abi" "$version"
	apt_root compare purge dkms "${names[@]}"
	no_name compare
}

# From the source after the package was removed, and then the package is purged: what is
# installed now is not the package's to take away.
purge_leaves_what_was_installed_by_hand()
{
	apt_root compare install "${debs[@]}"
	# shellcheck disable=SC2016 # for the inner shell
	in_root compare bash -euc '
		cd /tmp/project
		m="make -s BUILD=/tmp/build KDIR=/lib/modules/$1/build"
		if $m dkms-install 2>/tmp/said; then exit 1; fi
		grep -q "the package nbread-dkms has nbread in DKMS already" /tmp/said
		dpkg --remove nbread-dkms
		$m dkms-install
		dpkg --purge nbread-dkms
		[[ $(dkms status) == *"$1"*installed* ]]
		getent group nbread
		$m dkms-uninstall
		groupdel nbread' byhand "$abi"
	apt_root compare purge "${names[@]:1}"
}

# By hand, from the source, as root on a machine without packages.
make_uninstall_takes_back_every_file_of_make_install()
{
	root_new byhand deps
	in_root byhand /tmp/src/files >"$PKG/files.before"
	for way in install dkms-install; do
		# shellcheck disable=SC2016 # for the inner shell
		in_root byhand bash -euc '
			cd /tmp/project
			m="make -s BUILD=/tmp/build KDIR=/lib/modules/$1/build"
			if [ "$2" = install ]; then
				$m install
				nbread-info --version
				modinfo -k "$1" -F version nbread
				cc -o /tmp/consumer /tmp/src/consumer.c $(pkg-config --cflags --libs libnbread)
				ldd /tmp/consumer
			else
				# An older one that was built for another kernel, too.
				mkdir /tmp/old /lib/modules/6.1.0-next-boot
				ln -s "$(readlink -f "/lib/modules/$1/build")" /lib/modules/6.1.0-next-boot/build
				make -s dkms-source DESTDIR=/tmp/old
				mv /tmp/old/usr/src/nbread-* /usr/src/nbread-0.0.1
				sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"0.0.1\"/" /usr/src/nbread-0.0.1/dkms.conf
				dkms add nbread/0.0.1
				dkms build nbread/0.0.1 -k 6.1.0-next-boot
				$m dkms-install
				dkms status
				modinfo -k "$1" -F version nbread
				[[ $(dkms status) != *0.0.1* && ! -e /usr/src/nbread-0.0.1 ]]
				[[ $(dkms status) == *6.1.0-next-boot*installed* ]]
				if $m install-module 2>/tmp/said; then exit 1; fi
				grep -q "DKMS has installed the module for this kernel" /tmp/said
			fi
			getent group nbread
			if [ "$2" = install ]; then $m uninstall; else $m dkms-uninstall; fi
			rm -rf /lib/modules/6.1.0-next-boot
			groupdel nbread' byhand "$abi" "$way"
		in_root byhand /tmp/src/files >"$PKG/files.after"
		# Folders stay empty: they may be anybody's.
		diff <(grep -v '^d ' "$PKG/files.before") <(grep -v '^d ' "$PKG/files.after")
	done
}

run_compare()
{
	tap the_previous_version_installs
	[[ $ok == 1 ]] || return 0
	tap an_upgrade_replaces_the_module_and_leaves_none_of_the_old_version
	[[ $ok == 1 ]] || return 0
	tap dkms_skips_kernels_it_excludes
	tap remove_takes_the_module_and_the_rule_away
	tap purge_leaves_the_root_as_it_was_before
	tap purge_together_with_dkms_leaves_nothing_of_ours
	[[ $ok == 1 ]] || return 0
	tap purge_leaves_what_was_installed_by_hand
	tap make_uninstall_takes_back_every_file_of_make_install
}

a_new_kernel_gets_the_module_from_dkms_by_itself()
{
	root_new upgrade deps
	apt_root upgrade install "${debs[@]}"
	built upgrade "$abi" "$version"
	# No initramfs either when dpkg runs its triggers (see in_root).
	in_root upgrade bash -euc 'mkdir /etc/initramfs-tools
		echo update_initramfs=no >/etc/initramfs-tools/update-initramfs.conf'
	apt_root upgrade install -o Dpkg::Options::=--force-confold "linux-image-$new_abi" "linux-headers-$new_abi"
	built upgrade "$new_abi" "$version"
	built upgrade "$abi" "$version"
	# shellcheck disable=SC2016 # for the inner shell
	in_root upgrade bash -euc '
		cc -o /usr/local/bin/consumer /tmp/src/consumer.c $(pkg-config --cflags --libs libnbread)'
}

run_upgrade()
{
	tap a_new_kernel_gets_the_module_from_dkms_by_itself
	[[ $ok == 1 ]] || return 0
	vm_results upgrade 6.12
}
