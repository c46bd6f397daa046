# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# How the guest sees the host's files, by 9p or by virtiofs, as its kernel has it
# (tests/vm/initrd says which). Sourced by run.
#
#   share_start 9p|virtiofs RUN MEM   sets share_args (for QEMU); virtiofs: starts
#                                     a daemon a share, of which share_pids are the ids
#   share_stop                        ends those; they also end with QEMU
share_args=() share_pids=()

virtiofsd_command()
{
	local f
	for f in virtiofsd /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd /usr/lib/virtiofsd; do
		f=$(command -v "$f") || continue
		echo "$f"
		return 0
	done
	die "this kernel has no 9p, only virtiofs, and the command virtiofsd is not installed. Debian 12 has it in qemu-system-common, later ones in the package virtiofsd; install it and try again."
}

# share_daemon RUN TAG FOLDER OPTION...: sockets by relative names, since a long
# path does not fit into a socket address.
share_daemon()
{
	local dir=$1 tag=$2 folder=$3 daemon sandbox=chroot words
	shift 3
	daemon=$(virtiofsd_command)
	if "$daemon" --help 2>&1 | grep -q -e --shared-dir; then
		# The later one, in Rust.
		[[ $(id -u) -eq 0 ]] || sandbox=none
		words=(--socket-path="$tag.sock" --shared-dir="$folder" --sandbox="$sandbox" --cache="$1")
	else
		[[ $(id -u) -eq 0 ]] ||
			die "this kernel has no 9p, only virtiofs, and $daemon can share files only as root. Run this as root, or name another kernel."
		words=(--socket-path="$tag.sock" -o "source=$folder,sandbox=$sandbox,cache=$1,log_level=err" -f)
	fi
	rm -f "$dir/$tag.sock"
	# Nothing of ours stays open in it: a lock would outlive this script.
	# shellcheck disable=SC2154 # lock_fd is run's
	( cd "$dir" && exec setpriv --pdeathsig TERM "$daemon" "${words[@]}" {lock_fd}>&- ) \
		</dev/null >"$dir/$tag.virtiofsd" 2>&1 &
	share_pids+=($!)
	until [[ -S $dir/$tag.sock ]]; do
		kill -0 "${share_pids[-1]}" 2>/dev/null || {
			cat "$dir/$tag.virtiofsd" >&2
			die "virtiofsd could not share $folder; its messages are above."
		}
		sleep 0.05
	done
	share_args+=(-chardev "socket,id=$tag,path=$tag.sock" -device "vhost-user-fs-pci,chardev=$tag,tag=$tag")
}

share_start()
{
	share_args=() share_pids=()
	if [[ $1 == 9p ]]; then
		share_args=(
			-virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
			-virtfs "local,path=$PROJECT,mount_tag=proj,security_model=none,multidevs=remap"
			# For 9p as a file system under test (tests/vm/kind).
			-virtfs "local,path=$2/export,mount_tag=export,security_model=none,multidevs=remap"
		)
		return
	fi
	# The daemons serve from the guest's memory, so it has to be shared.
	share_args=(-object "memory-backend-memfd,id=mem,size=$3,share=on" -machine memory-backend=mem)
	share_daemon "$2" host / always
	share_daemon "$2" proj "$PROJECT" auto
}

# shellcheck disable=SC2317 # called by run
share_stop()
{
	[[ ${#share_pids[@]} -eq 0 ]] || kill "${share_pids[@]}" 2>/dev/null || true
	share_pids=()
}
