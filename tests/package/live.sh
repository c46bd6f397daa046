# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # what check sets
# A kernel upgrade where it happens: in a running VM, whose root is a Debian of its
# own on a disk. Sourced by tests/package/check.
#
# The root gets the packages, Debian's 6.1 and an initramfs by apt. The VM boots it
# with systemd, and tests/package/guest-live, a service there, finds the module
# loaded, reads through it and installs 6.12 by dpkg: the hooks of DKMS and of
# initramfs-tools build what the new kernel needs, on the emulated CPU. Then it
# reboots. The host plays the boot loader: it boots what the root's links /vmlinuz
# and /initrd.img name, which are that system's word for its newest kernel.

LIVE=$PKG/live

a_disk_holds_a_debian_with_the_packages_and_its_own_kernel()
{
	rm -rf "$LIVE"
	mkdir -p "$LIVE"
	root_new live deps
	apt_root live update
	apt_root live install --no-install-recommends "${debs[@]}" systemd-sysv initramfs-tools
	# An initramfs of all modules takes an emulated CPU minutes.
	in_root live bash -euc 'echo MODULES=list >/etc/initramfs-tools/conf.d/modules
		printf "%s\n" virtio_pci virtio_blk ext4 >>/etc/initramfs-tools/modules'
	in_root live env -u INITRD apt-get -q -y -o APT::Sandbox::User=root install --no-install-recommends "linux-image-$abi"
	built live "$abi" "$version"
	# shellcheck disable=SC2016 # for the inner shell
	in_root live bash -euc '
		cc -o /usr/local/bin/consumer /tmp/src/consumer.c $(pkg-config --cflags --libs libnbread)
		useradd -m -G nbread member
		useradd -m other
		head -c 300000 /dev/urandom >/mnt/file
		# As on any machine services start; without a network there are no updates to look for.
		rm /usr/sbin/policy-rc.d
		systemctl mask apt-daily.timer apt-daily-upgrade.timer
		mkdir -p /usr/local/lib/nbread
		cp /tmp/src/guest-live /tmp/src/guest.sh /usr/local/lib/nbread/
		cat >/etc/systemd/system/nbread-live.service
		systemctl enable nbread-live' live <<-UNIT
		[Unit]
		Description=The tests of nbread in this VM
		SuccessAction=reboot
		FailureAction=reboot
		[Service]
		Type=oneshot
		ExecStart=/usr/local/lib/nbread/guest-live $abi $new_abi $version
		[Install]
		WantedBy=multi-user.target
	UNIT
	newer_kernel_for_the_root
	truncate -s 6G "$LIVE/disk"
	# shellcheck disable=SC2016 # for the inner shell
	with_root live bash -euc 'mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d "$MNT" "$1"' \
		mke2fs "$LIVE/disk"
}

# The packages of 6.12 and what they depend on, as files in the root, since the VM
# has no network.
newer_kernel_for_the_root()
{
	apt_root live --download-only --no-install-recommends install "linux-image-$new_abi" "linux-headers-$new_abi"
	# With an empty cache apt names all that it would download.
	# shellcheck disable=SC2016 # for the inner shell
	in_root live bash -euc '
		mkdir -p /tmp/empty/partial /root/kernel
		apt-get -qq -y --print-uris -o Dir::Cache::archives=/tmp/empty --no-install-recommends \
			install "linux-image-$1" "linux-headers-$1" >/tmp/uris
		while read -r _ file _; do
			cp "/var/cache/apt/archives/$file" /root/kernel/
		done </tmp/uris
		ls /root/kernel/linux-image-*.deb /root/kernel/linux-headers-*.deb' kernel "$new_abi"
}

# from_disk LINK KREL: what the link names, which has to be of that kernel.
from_disk()
{
	local target
	target=$(debugfs -R "stat /$1" "$LIVE/disk" 2>/dev/null | sed -n 's/^Fast link dest: "\(.*\)"$/\1/p')
	echo "the root's $1 is $target"
	[[ $target == boot/*-"$2" ]]
	debugfs -R "dump /$target $LIVE/$1" "$LIVE/disk"
	[[ -s $LIVE/$1 ]]
}

# live_machine CPUS: sets machine, for QEMU. Where they are emulated, each of several
# CPUs has a thread of the host: compiling takes long.
live_machine()
{
	local boot image initrd thread=multi
	boot=$("$VM_SRC/initrd" 6.1)
	{ read -r image; read -r initrd; } <<<"$boot"
	if [[ $(pick_accel 6.1 "$image" "$initrd") == kvm ]]; then
		machine=(-accel kvm -smp 2 -cpu max)
	else
		[[ $1 != 1 ]] || thread=single
		machine=(-accel "tcg,thread=$thread" -smp "$1" -cpu 'max,-erms,-fsrm,-la57')
	fi
}

# live_boot KREL CPUS: boots that kernel, which has to be the root's newest, until
# its reboot. Leaves what the tests said in $LIVE/KREL.tap.
live_boot()
{
	local krel=$1 status machine
	live_machine "$2"
	# As at each boot; 1: it mended something, such as the journal's rest.
	e2fsck -p "$LIVE/disk" || [[ $? == 1 ]]
	from_disk vmlinuz "$krel"
	from_disk initrd.img "$krel"
	for _ in 1 2; do
		status=0
		timeout -k 5 1800 qemu-system-x86_64 "${machine[@]}" -m 1G -M q35 \
			-nodefaults -no-user-config -display none -no-reboot \
			-kernel "$LIVE/vmlinuz" -initrd "$LIVE/initrd.img" \
			-append "root=/dev/vda rw console=ttyS0 loglevel=4 panic=-1 oops=panic mitigations=off tsc=reliable random.trust_cpu=on systemd.default_timeout_start_sec=600" \
			-chardev "file,id=con,path=$LIVE/$krel.console" -serial chardev:con \
			-chardev "file,id=out,path=$LIVE/$krel.out" -serial chardev:out \
			-drive "file=$LIVE/disk,if=none,id=root,format=raw,cache=unsafe" \
			-device virtio-blk-pci,drive=root </dev/null || status=$?
		# A flaw of several emulated CPUs, in early boot; see tests/vm/run.
		[[ ! -s $LIVE/$krel.out ]] || break
		grep -q int3 "$LIVE/$krel.console" || break
	done
	tr -d '\r' <"$LIVE/$krel.out" >"$LIVE/$krel.tap"
	tr -d '\r' <"$LIVE/$krel.console" | tail -n 50
	cat "$LIVE/$krel.tap"
	echo "QEMU's status: $status"
	[[ $status == 0 ]]
	grep -q "^# end of $krel " "$LIVE/$krel.tap"
}

the_root_boots_its_kernel_and_is_upgraded()
{
	live_boot "$abi" 2
}

# One CPU: several are not for newer kernels, see tests/vm/run.
the_same_root_boots_the_newer_kernel()
{
	live_boot "$new_abi" 1
}

# live_results TEST KREL: what came out of TEST, which boots KREL, and in it.
live_results()
{
	local line
	tap "$1"
	while IFS= read -r line; do
		result "$line"
	done < <(cat "$LIVE/$2.tap" 2>/dev/null)
}

run_live()
{
	tap a_disk_holds_a_debian_with_the_packages_and_its_own_kernel
	[[ $ok == 1 ]] || return 0
	live_results the_root_boots_its_kernel_and_is_upgraded "$abi"
	[[ $ok == 1 ]] || return 0
	live_results the_same_root_boots_the_newer_kernel "$new_abi"
	[[ $ok == 0 ]] || rm -f "$LIVE/disk"
}
