# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # what check sets
# Secure Boot: a machine whose firmware checks the kernel, and whose kernel then
# takes no module but those signed with a key it trusts. Sourced by
# tests/package/check.
#
# QEMU with OVMF and the test key that comes with it ("snakeoil") as the platform's
# key; the stock kernel is signed with that. The module is the one DKMS built and
# signed in a root, with the key DKMS made there. That key is enrolled as the owner
# of the machine can: in the firmware's db, by a variable write signed with the
# platform's key. (The other way, mokutil and shim's MokManager, asks at the
# console, so it is not tried here; the kernel treats both keys alike.)

SB=$PKG/secureboot
SB_OWNER=6e627265-6164-0000-0000-000000000001

secure_boot_files()
{
	local init=$SB/i kroot f vars=/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd
	kroot=$("$VM_SRC/fetch" --print 6.1 root)
	rm -rf "$SB"
	mkdir -p "$init/m"
	cp "$vars" "$SB/vars.fd"

	root_new secureboot deps
	apt_root secureboot install "${debs[@]}"
	# shellcheck disable=SC2016 # for the inner shell
	with_root secureboot bash -euc '
		cp "$MNT/lib/modules/$1/updates/dkms/nbread.ko" "$2/m/signed.ko"
		cp "$MNT/var/lib/dkms/mok.pub" "$2/../mok.der"' copy "$abi" "$init"
	modinfo -F signer "$init/m/signed.ko" | grep .
	cp "$init/m/signed.ko" "$init/m/unsigned.ko"
	objcopy --strip-debug "$init/m/unsigned.ko" # drops what is behind the last section too
	[[ -z $(modinfo -F signer "$init/m/unsigned.ko") ]]

	openssl rsa -in /usr/share/ovmf/PkKek-1-snakeoil.key -passin pass:snakeoil -out "$SB/platform.key"
	cp /usr/share/ovmf/PkKek-1-snakeoil.pem "$SB/platform.pem"
	sbsign --key "$SB/platform.key" --cert "$SB/platform.pem" --output "$SB/vmlinuz" "$kroot/boot/vmlinuz-$abi"
	openssl x509 -inform DER -in "$SB/mok.der" -out "$SB/mok.pem"
	cert-to-efi-sig-list -g "$SB_OWNER" "$SB/mok.pem" "$SB/mok.esl"
	sign-efi-sig-list -a -g "$SB_OWNER" -k "$SB/platform.key" -c "$SB/platform.pem" db "$SB/mok.esl" "$SB/mok.auth"
	# What efivarfs takes: 0x67, the attributes of an authenticated append, first.
	{ printf '\147\0\0\0'; cat "$SB/mok.auth"; } >"$init/m/db"

	cp "$(find "$kroot" -name efivarfs.ko)" "$init/m/"
	cp "$(command -v busybox)" "$init/busybox"
	for f in $(command -v chattr) $(ldd "$(command -v chattr)" | grep -oE '/[^ ]+'); do
		mkdir -p "$init${f%/*}"
		cp -L "$f" "$init$f"
	done
	cat >"$init/init" <<-'INIT'
		#!/busybox sh
		b=/busybox
		$b mkdir -p /proc /sys /dev /e
		$b mount -t proc proc /proc
		$b mount -t sysfs sys /sys
		$b mount -t devtmpfs dev /dev
		exec >/dev/ttyS0 2>&1
		$b mount -t securityfs sec /sys/kernel/security
		$b insmod /m/efivarfs.ko
		$b mount -t efivarfs e /e
		echo "RESULT lockdown $($b cat /sys/kernel/security/lockdown)"
		for m in unsigned signed; do
			$b insmod /m/$m.ko && echo "RESULT $m loaded" || echo "RESULT $m refused"
			$b rmmod nbread
		done
		if $b grep -q enrol /proc/cmdline; then
			db=/e/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f
			chattr -i $db
			$b dd if=/m/db of=$db bs=64k conv=notrunc && echo "RESULT enrolled"
		fi
		$b dmesg | $b grep -iE 'lock.*down|X.509|module'
		echo "RESULT end"
		$b poweroff -f
	INIT
	chmod 755 "$init/init"
	( cd "$init" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0 ) >"$SB/initrd"
}

# sb_boot ARGUMENT: boots with Secure Boot; leaves the console's lines in $console.
sb_boot()
{
	local log=$SB/console
	timeout -k 5 400 qemu-system-x86_64 -accel tcg,thread=single -cpu max,-la57 -smp 1 -m 1G \
		-M q35,smm=on -global driver=cfi.pflash01,property=secure,value=on \
		-nodefaults -no-user-config -display none -no-reboot \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd \
		-drive "if=pflash,unit=1,format=raw,file=$SB/vars.fd" -kernel "$SB/vmlinuz" -initrd "$SB/initrd" \
		-append "console=ttyS0 loglevel=4 panic=-1 mitigations=off $1" \
		-chardev "file,id=con,path=$log" -serial chardev:con </dev/null
	console=$(tr -d '\r' <"$log" | tr -cd '\n -~')
	printf '%s\n' "$console" | grep -vE '^$'
	[[ $console == *'RESULT end'* ]]
}

secure_boot_refuses_the_module_while_the_key_of_dkms_is_not_enrolled()
{
	local console
	sb_boot enrol
	[[ $console == *'RESULT lockdown none [integrity]'* ]]
	[[ $console == *'RESULT unsigned refused'* && $console == *'RESULT signed refused'* ]]
	[[ $console == *'RESULT enrolled'* ]]
}

secure_boot_takes_the_module_signed_by_dkms_once_the_key_is_enrolled()
{
	local console
	sb_boot look
	[[ $console == *'RESULT lockdown none [integrity]'* ]]
	[[ $console == *'RESULT unsigned refused'* && $console == *'RESULT signed loaded'* ]]
}

run_secureboot()
{
	tap secure_boot_files
	[[ $ok == 1 ]] || return 0
	tap secure_boot_refuses_the_module_while_the_key_of_dkms_is_not_enrolled
	[[ $ok == 1 ]] || return 0
	tap secure_boot_takes_the_module_signed_by_dkms_once_the_key_is_enrolled
}
