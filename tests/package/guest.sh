# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests in a VM have in common, whether the root with the packages is a
# chroot at $r (guest) or the VM's own, and $r empty (guest-live). Sourced by
# these, after r is set.
#
# The root has a user member, who is in the group nbread, a user other, who is
# not, the program consumer, and a file to read, /mnt/file.
KREL=$(uname -r)
failed=0

in_r()
{
	local enter=()
	[[ ! $r ]] || enter=(chroot "$r")
	"${enter[@]}" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		LC_ALL=C.UTF-8 SYSTEMD_IGNORE_CHROOT=1 "$@"
}

as() { local user=$1; shift; in_r runuser -u "$user" -- "$@"; }

# tap NAME [WHEN]: the function of that name; WHEN ends the test's name where the
# same is tested more than once on a kernel.
tap()
{
	local out status name=${1}_on_${KREL//[^a-z0-9]/_}${2:+_$2}
	out=$( set -e; "$1" 2>&1 )
	status=$?	# not 'if out=…': that switches set -e off inside
	if [[ $status == 0 ]]; then
		echo "ok $name"
	else
		echo "not ok $name"
		printf '# %s\n' "${out//$'\n'/$'\n# '}"
		failed=1
	fi
}

# says TEXT COMMAND…: its output holds TEXT; shows it where not.
says()
{
	local want=$1 out
	shift
	out=$("$@" 2>&1 || true)
	echo "$out"
	[[ $out == *"$want"* ]]
}

# module_status USER: 0 where that user can read through the module, else the errno.
module_status() { status_of as "$1" env NBREAD_BACKEND=module consumer /mnt/file; }

status_of() { local s=0; "$@" >/dev/null 2>&1 || s=$?; echo "$s"; }

udev_gives_the_device_to_the_group_with_mode_0660()
{
	in_r udevadm settle
	[[ $(in_r stat -c '%U:%G %a %F' /dev/nbread) == 'root:nbread 660 character special file' ]]
}

a_member_of_the_group_reads_through_the_module()
{
	[[ $(module_status member) == 0 ]]
	says 'by the module' as member consumer /mnt/file	# of the library's own accord
	says 'filemap: cached bytes in the call, by folio look-up' as member nbread-info /mnt/file
	as member nbsum /mnt/file
	[[ $(as member nbsum /mnt/file | cut -d' ' -f1) == "$(cksum <"$r/mnt/file" | cut -d' ' -f1)" ]]
}

another_user_is_refused_and_told_why()
{
	[[ $(module_status other) == 13 ]]	# EACCES
	says 'by threads' as other consumer /mnt/file
	says "/dev/nbread is root:nbread, mode 0660; you are other." as other nbread-info
	says "adduser other nbread" as other nbread-info
	[[ $(status_of as other nbread-info) == 1 ]]
}
