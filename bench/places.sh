# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The places that bench/plan names, in the VM: sourced by bench/guest and bench/guest-profile,
# which say by $fs of which kind of file system they are. ${where[PLACE]} is the folder, or
# the block device.
declare -A where=()
: "${fs:?}"

# null_disk NUMBER NANOSECONDS MIB: a disk of memory that takes so long for each read.
null_disk()
{
	local dir=/sys/kernel/config/nullb/nullb$1
	modprobe -q null_blk nr_devices=0 || true
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	mkdir "$dir"
	echo "$3" >"$dir/size"
	echo 1 >"$dir/memory_backed"
	echo 2 >"$dir/irqmode"
	echo "$2" >"$dir/completion_nsec"
	echo 128 >"$dir/hw_queue_depth"
	echo 1 >"$dir/power"
}

# mount_on NAME DEVICE
mount_on()
{
	tests/vm/kind up "$fs" "$2" "/mnt/$1"
	where[$1]=/mnt/$1
	[[ $fs != bdev ]] || where[$1]=$2
}

# place_up PLACE: makes it, unless it is there.
place_up()
{
	local at=$1
	[[ ! ${where[$at]-} ]] || return 0
	case $at in
	main) mount_on main "$NBREAD_DEV" ;;
	disk)
		null_disk 0 80000 512
		mount_on disk /dev/nullb0
		;;
	slow)
		null_disk 1 4000000 1024
		mount_on slow /dev/nullb1
		;;
	worker)
		# Of bench/profile: all that is read there goes to a worker, in 6.1.
		local fs=f2fs
		mount_on worker "$NBREAD_SCRATCH"
		;;
	*) echo "bench/plan: no such place: $at" >&2; exit 2 ;;
	esac
}

places_down()
{
	local at dir
	for at in "${!where[@]}"; do
		[[ ${where[$at]} != /mnt/* ]] || tests/vm/kind down "$fs" "/mnt/$at"
	done
	for dir in /sys/kernel/config/nullb/nullb[01]; do
		[[ ! -e $dir ]] || rmdir "$dir"
	done
}
