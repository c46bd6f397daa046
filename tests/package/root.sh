# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Roots of Debian in build/package, in which the packages are installed. Sourced
# by tests/package/check.
#
# base is made by mmdebstrap and kept. Everything else is a stack of overlays, so
# that a root costs only what is changed in it:
#
#   root_new NAME LOWER     an empty layer above the root LOWER
#   in_root NAME COMMAND…   COMMAND in it, with namespaces of its own; ends all
#                           that COMMAND started
#   with_root NAME COMMAND… COMMAND outside, with the root mounted at $MNT
#   apt_root NAME ARG…      apt-get in it
#
# Downloads are kept in build/package/archives. INITRD=No: kernels that are installed
# there make no initramfs, which takes longer than all else and is not used. Needs root.

PKG=$PROJECT/build/package
MNT=$PKG/mnt
ROOTS=$PKG/roots
SUITE=bookworm
BASE=$SUITE-base

# The machine's own mirror and proxy serve the roots too.
root_sources()
{
	local uri release component security=''
	# shellcheck disable=SC2016 # apt-get replaces these
	while IFS='|' read -r uri release component; do
		[[ $component == main ]] || continue
		case $release in
		*-security) security=$uri ;;
		*-*) ;;
		*) echo "deb $uri $SUITE main" ;;
		esac
	done < <(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian')
	[[ ! $security ]] || echo "deb $security $SUITE-security main"
}

root_base()
{
	local tmp=$ROOTS/$BASE.tmp sources
	[[ ! -e $ROOTS/$BASE ]] || return 0
	sources=$(root_sources)
	[[ $sources ]] || die "no package source of this machine is Debian's archive. Add one to /etc/apt/sources.list.d, then run this again."
	say "making a root of $SUITE (some minutes, once)"
	rm -rf "$tmp"
	mkdir -p "$ROOTS" "$PKG/archives/partial"
	# No documentation but that of our own packages: it is compared.
	mmdebstrap --quiet --mode=root --variant=apt \
		--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*nbread*' \
		"$SUITE" "$tmp" - <<<"$sources" ||
		die "mmdebstrap could not make a root of $SUITE; its message is above. Check the network, then run this again."
	apt-config dump | grep -E '^Acquire::(http|https|ftp)::Proxy ' >"$tmp/etc/apt/apt.conf.d/10proxy" || true
	printf '#!/bin/sh\nexit 101\n' >"$tmp/usr/sbin/policy-rc.d"
	chmod 755 "$tmp/usr/sbin/policy-rc.d"
	mv "$tmp" "$ROOTS/$BASE"
}

root_new()
{
	rm -rf "${ROOTS:?}/$1"
	mkdir -p "$ROOTS/$1/upper" "$ROOTS/$1/work"
	echo "$2" >"$ROOTS/$1/lower"
}

# layers NAME: the folders of a root, topmost first, in overlayfs's form.
layers()
{
	local name=$1 list=''
	while [[ $name != "$BASE" ]]; do
		list+=$ROOTS/$name/upper:
		name=$(<"$ROOTS/$name/lower")
	done
	echo "$list$ROOTS/$BASE"
}

root_mount()
{
	local list
	mkdir -p "$MNT"
	list=$(layers "$1")
	mount -t overlay -o "lowerdir=${list#*:},upperdir=${list%%:*},workdir=$ROOTS/$1/work" root "$MNT"
}

# with_root NAME COMMAND…
with_root()
{
	local name=$1
	shift
	( export -f root_mount layers; export MNT ROOTS BASE
	  # shellcheck disable=SC2016 # for the inner shell
	  exec unshare --mount bash -euc 'root_mount "$1"; shift; "$@"' root "$name" "$@" )
}

# in_root NAME COMMAND…
in_root()
{
	local name=$1
	shift
	# shellcheck disable=SC2016 # for the inner shells
	with_root "$name" unshare --pid --fork --kill-child bash -euc '
		mount -t proc proc "$MNT/proc"
		mount --rbind /sys "$MNT/sys"
		mount -t tmpfs run "$MNT/run"
		mount -t tmpfs tmp "$MNT/tmp"
		mount -t tmpfs dev "$MNT/dev"
		for node in null zero full random urandom tty; do
			touch "$MNT/dev/$node"
			mount --bind "/dev/$node" "$MNT/dev/$node"
		done
		ln -s /proc/self/fd "$MNT/dev/fd"
		mkdir -p "$MNT/dev/pts" "$MNT/dev/shm" "$MNT/tmp/deb" "$MNT/tmp/prev" "$MNT/tmp/src"
		mount --bind "$PKG/archives" "$MNT/var/cache/apt/archives"
		mount --bind -o ro "$PKG/deb" "$MNT/tmp/deb"
		mount --bind -o ro "$PKG/prev" "$MNT/tmp/prev"
		mount --bind -o ro "$PROJECT/tests/package" "$MNT/tmp/src"
		mkdir "$MNT/tmp/project"
		mount --bind -o ro "$PROJECT" "$MNT/tmp/project"
		for f in resolv.conf hosts; do
			[[ ! -e /etc/$f ]] || { touch "$MNT/etc/$f"; mount --bind "/etc/$f" "$MNT/etc/$f"; }
		done
		exec chroot "$MNT" "$@"' in_root \
		env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive INITRD=No \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"
}

# apt_root NAME ARG…: what it says is shown only when it fails.
apt_root()
{
	local name=$1 log=$PKG/apt.log
	shift
	in_root "$name" apt-get -q -y -o APT::Sandbox::User=root -o Acquire::Retries=3 \
		-o APT::Keep-Downloaded-Packages=true "$@" >"$log" 2>&1 || {
		tail -n 40 "$log"
		return 1
	}
}
