#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A program of libnbread in a container, as people run one: podman, its current default
# seccomp profile or docker's, no capability, no new privileges, a user that is not root,
# and of the host only the device node. Runs in the VM (tests/suites), as root.
#
# The engine and the profiles come from tests/container/fetch, the program is
# container-probe. NBREAD_MNT: a disk for the container's files.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/../unit/support/tap.sh"

user=1000
group=2000
engine=$work/engine
root=$NBREAD_MNT/root
probe=$NBREAD_TOP/build/tests/container-probe

# The engine from memory: page faults on the shared tree are slow.
set_up()
{
	local from=$NBREAD_TOP/build/vm/container
	[[ -e $from/complete ]] || skip "$(tail -n 1 "$NBREAD_TOP/build/tests/container.err")"
	mkdir -p "$engine" "$root"/{proc,dev,sys,etc,tmp,run,data} "$NBREAD_MNT/data" /etc/containers
	cp -a "$from"/{bin,lib,profiles} "$engine/"
	# podman hands no environment on to it.
	mv "$engine/bin/crun" "$engine/crun"
	printf '#!/bin/sh\nexec env LD_LIBRARY_PATH=%s %s "$@"\n' "$engine/lib" "$engine/crun" \
		>"$engine/bin/crun"
	chmod 755 "$engine/bin/crun"
	cat >"$engine/containers.conf" <<-CONF
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "none"
		conmon_path = ["$engine/bin/conmon"]
		# For the podman that cleans up, which conmon starts: without it the first one waits for 20 s.
		conmon_env_vars = ["PATH=$PATH", "LD_LIBRARY_PATH=$engine/lib", "CONTAINERS_CONF=$engine/containers.conf"]
		runtime = "crun"
		[engine.runtimes]
		crun = ["$engine/bin/crun"]
	CONF
	[[ -e /etc/containers/policy.json ]] ||
		echo '{"default":[{"type":"reject"}]}' >/etc/containers/policy.json
	cp "$probe" "$root/probe"
	"$probe" --make "$root/file"
	"$probe" --make "$NBREAD_MNT/data/file"
	chmod -R go+rX "$root" "$NBREAD_MNT/data"
	# As the udev rule of the package: a group of its own.
	chgrp "$group" /dev/nbread
	chmod 660 /dev/nbread
}

# contained PROFILE ARG...: the probe's words into 'out'; ARGs are podman's.
contained()
{
	local profile=$1 net=none
	shift
	[[ -e /proc/self/ns/net ]] || net=host
	CONTAINERS_CONF=$engine/containers.conf LD_LIBRARY_PATH=$engine/lib GOMAXPROCS=1 \
		"$engine/bin/podman" --root "$work/store" --runroot "$work/state" \
		--storage-driver vfs run --rm --network "$net" --log-driver none \
		--security-opt "seccomp=$engine/profiles/$profile.json" \
		--security-opt no-new-privileges --cap-drop all --user "$user:$user" "$@" \
		/probe /file /data/file >out 2>err || {
		cat out err
		return 1
	}
	sed "s/^/# $profile: /" out >>"$work/said"
}

# said LINE...: each is a line of what the probe said.
said()
{
	local line
	for line; do
		grep -qE "^$line\$" out || {
			cat out
			echo "the program in the container did not say: $line"
			return 1
		}
	done
}

unprivileged()
{
	said "Uid:	$user	$user	$user	$user" 'CapEff:	0+' 'CapBnd:	0+' 'NoNewPrivs:	1' 'Seccomp:	2'
}

served()
{
	said 'nbread works' 'pid 1' 'end of pid 1' \
		'nbread read /file: 16 of 16 parts right, .*; 16 by try; .*' \
		'nbread read /data/file: 16 of 16 parts right, .*; 16 by try; .*'
}

docker_profile_refuses_io_uring_and_nbread_is_served_in_the_same_process()
{
	contained moby --device /dev/nbread --group-add "$group" \
		-v "$NBREAD_MNT/data:/data:ro" --rootfs "$root"
	unprivileged
	said 'io_uring_setup EPERM'
	served
}

podman_profile_refuses_io_uring_and_nbread_is_served_on_its_overlay_too()
{
	contained containers-common --device /dev/nbread --group-add "$group" \
		-v "$NBREAD_MNT/data:/data:ro" --rootfs "$root:O"
	unprivileged
	said 'io_uring_setup ENOSYS'
	served
}

without_the_device_in_the_container_the_library_says_enodev()
{
	contained moby --group-add "$group" --rootfs "$root"
	unprivileged
	said 'nbread -ENODEV'
}

# The node alone, say by a volume of /dev: the container's device list lacks it.
a_refusal_of_the_device_cgroup_is_eperm()
{
	contained moby --group-add "$group" -v /dev/nbread:/dev/nbread:dev --rootfs "$root"
	unprivileged
	said 'nbread -EPERM'
}

# No container is needed to lack a group.
without_the_group_of_the_node_the_library_says_eacces()
{
	setpriv --reuid "$user" --regid "$user" --clear-groups "$probe" >out
	said 'nbread -EACCES'
	setpriv --reuid "$user" --regid "$user" --groups "$group" "$probe" >out
	said 'nbread works'
}

( set -e; set_up ) >setup.log 2>&1
status=$?
if [[ $status != 0 ]]; then
	reason=$(tail -n 1 setup.log)
	# Every test ends here.
	set_up_failed() { echo "${reason:-the engine could not be set up}"; return "$status"; }
fi

each()
{
	if [[ $status != 0 ]]; then
		eval "$1() { set_up_failed; }"
	fi
	tap "$1"
}

each docker_profile_refuses_io_uring_and_nbread_is_served_in_the_same_process
each podman_profile_refuses_io_uring_and_nbread_is_served_on_its_overlay_too
each without_the_device_in_the_container_the_library_says_enodev
each a_refusal_of_the_device_cgroup_is_eperm
each without_the_group_of_the_node_the_library_says_eacces
[[ ! -e said ]] || cat said
tap_end
