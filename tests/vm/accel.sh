# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# pick_accel KERNEL VMLINUX INITRD: prints kvm or tcg. Sourced by run.
#
# /dev/kvm can be there and not work: QEMU aborts on an MSR or the guest
# hangs early. So boot for a few seconds, once per kernel and host boot.
pick_accel()
{
	local boot_id answer log accel=tcg
	[[ -r /dev/kvm && -w /dev/kvm ]] || { echo tcg; return; }
	boot_id=$(</proc/sys/kernel/random/boot_id)
	answer=$VM/accel.$1.$boot_id
	if [[ ! -e $answer ]]; then
		log=$(mktemp "$VM/probe.XXXXXX")
		timeout -k 2 15 qemu-system-x86_64 -accel kvm -cpu max -smp 2 -m 512M -M q35 \
			-nodefaults -no-user-config -display none -no-reboot -kernel "$2" -initrd "$3" \
			-append "console=ttyS0 panic=-1 quiet edd=off vm.probe" \
			-chardev file,id=c,path="$log" -serial chardev:c </dev/null >/dev/null 2>&1 || true
		grep -q VM_PROBE_OK "$log" && accel=kvm
		rm -f "$log"
		# Renamed into place: two runs may probe at once.
		echo "$accel" >"$answer.$$"
		mv "$answer.$$" "$answer"
	fi
	cat "$answer"
}
