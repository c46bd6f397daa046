# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# How tests/vm reads the distribution's archive without touching this
# machine's own package state. Sourced by fetch, debug-kernel and root, after
# lib.sh.

# The archive did not answer, as opposed to: it has not got it.
STATUS_OFFLINE=75
# Before apt_use sets it.
MACHINE_APT=${APT_CONFIG-}

# source_line SUITE [TYPE]: a line for sources.list, its URI from the machine's
# own sources, so that whatever mirror or proxy this machine uses serves us too.
source_line()
{
	local want=$1 kind='' uri release component key='' codename found='' rank best=0
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	[[ $want == *-security ]] && kind=-security
	# shellcheck disable=SC2016 # apt-get replaces these, not the shell
	local format='$(REPO_URI)|$(RELEASE)|$(COMPONENT)'
	command -v apt-get >/dev/null ||
		die "the kernels of $VM_SRC/kernels come from Debian's archive by apt-get, which this machine lacks. KERNEL=host tests with the machine's own kernel."
	while IFS='|' read -r uri release component; do
		[[ $component == main ]] || continue
		# Others have a suite 'stable' too, and another distribution its own codename.
		case $release in
		"$want") rank=3 ;;
		"$codename$kind" | stable"$kind" | testing"$kind" | oldstable"$kind")
			rank=1
			[[ $uri != *debian* ]] || rank=2
			;;
		*) continue ;;
		esac
		((rank <= best)) || best=$rank found=$uri
	done < <(env -u APT_CONFIG ${MACHINE_APT:+APT_CONFIG="$MACHINE_APT"} \
		apt-get indextargets --format "$format" 'Created-By: Packages')
	if [[ $found ]]; then
		for key in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp} ''; do
			[[ -e $key ]] && break
		done
		echo "deb ${key:+[signed-by=$key] }$found $want main"
		return 0
	fi
	die "no package source of this machine looks like the archive that has the suite '$want'. Add a line for Debian's${kind:+ security} archive to /etc/apt/sources.list.d, then run this again."
}

# local_fault SAID: whether that is of a fault of this machine's, not of the network. A network that
# is down, or a portal in its place, makes apt say much.
local_fault()
{
	! grep -qE 'Could not (resolve|connect)|Temporary failure|Unable to connect|timed out|connect \(|NODATA' <<<"$1" &&
		grep -qE 'No space left|Disk quota|Read-only file system|Permission denied|NO_PUBKEY|is not signed' <<<"$1"
}

# apt_setup SUITE: an apt state of our own, with an empty dpkg status: the
# machine's state stays as it is and no dependency counts as installed.
apt_setup()
{
	local d=$VM/apt/$1 line
	line=$(source_line "$1")
	mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
	: >"$d/status"
	echo "$line" >"$d/sources.list"
	cat >"$d/apt.conf" <<-CONF
		Dir::State "$d";
		Dir::State::lists "$d/lists";
		Dir::State::status "$d/status";
		Dir::Cache "$d/cache";
		Dir::Etc::sourcelist "$d/sources.list";
		Dir::Etc::sourceparts "-";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "3";
	CONF
	APT_CONFIG=$d/apt.conf apt-get -qq update 2>"$d/update.err" || {
		cat "$d/update.err" >&2
		! grep -qE '404|does not have a Release file' "$d/update.err" ||
			die "the archive has no suite '$1' (source: $line). Change $VM_SRC/kernels."
		! local_fault "$(<"$d/update.err")" ||
			die "apt-get could not keep or believe the lists of the suite '$1' (source: $line), for the reason above. Make room or rights below $VM, or install Debian's archive keyring, then run this again."
		DIE_STATUS=$STATUS_OFFLINE die "apt-get could not read the suite '$1' (source: $line). Check the network and the machine's package sources, then run this again."
	}
}

# apt_use SUITE: its package lists, fresh; the apt commands that follow use them.
apt_use()
{
	with_lock "$VM/apt/$1.lock" apt_setup "$1"
	export APT_CONFIG=$VM/apt/$1/apt.conf
}

# apt_download PACKAGE...: into the current folder.
apt_download()
{
	local said
	! said=$(apt-get -qq download "$@" 2>&1) || return 0
	printf '%s\n' "$said" >&2
	! local_fault "$said" ||
		die "apt-get could not keep what it downloads ($*), for the reason above. Make room or rights in $PWD, then run this again."
	DIE_STATUS=$STATUS_OFFLINE die "apt-get could not download: $*. Check the network, then run this again."
}

# version_of PACKAGE
version_of()
{
	# A suite may not have it: that is no failure. awk reads to the end, so that nobody writes
	# to a closed pipe.
	{ apt-cache show --no-all-versions "$1" 2>/dev/null || true; } |
		awk '$1 == "Version:" && !n++ { print $2 }'
}
