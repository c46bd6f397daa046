#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A program outside the tree: installs the library into a folder of its own and
# builds and runs a program against it with pkg-config, in C and in C++.
# shellcheck source=tests/unit/support/tap.sh
. "$(dirname "$(readlink -f "$0")")/support/tap.sh"

prefix=/opt/nbread
root=$work/root
export PKG_CONFIG_LIBDIR=$root$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
# Nothing of the tree may help.
unset CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH LD_LIBRARY_PATH

top() { make -s -C "$NBREAD_TOP" BUILD="$work/build" DESTDIR="$root" PREFIX="$prefix" "$@"; }
installed() { (cd "$root$prefix" && find . ! -type d | sort); }
flags() { pkg-config --cflags --libs libnbread; }

# Valid C and C++. Where there is a device it reads; where there is none, it
# says so by the right error and without a word.
cat >consumer.c <<'END'
#include <errno.h>
#include <fcntl.h>
#include <libnbread.h>

int main(void)
{
	struct nbread ring;
	struct nbread_cqe *cqe;
	struct nbread_query query;
	struct nbread_try req = {};
	char buf[64];
	unsigned head, done = 0;
	int fd = open("/proc/self/exe", O_RDONLY), ret;

	errno = 4711;
	ret = nbread_queue_init(8, &ring, 0);
	if (ret < 0 || nbread_query(NULL, &query) < 0)
		return 1;
	nbread_prep_read(nbread_get_sqe(&ring), fd, buf, sizeof(buf), 0);
	if (nbread_submit(&ring) != 1 || nbread_wait_cqe(&ring, &cqe) || cqe->res != 64)
		return 2;
	nbread_for_each_cqe(&ring, head, cqe)
		done++;
	nbread_cq_advance(&ring, done);
	req.fd = fd;
	req.addr = (uintptr_t)buf;
	req.len = sizeof(buf);
	/* Not every file system answers from its cache; those that do not say EAGAIN. */
	ret = (int)nbread_try(&ring, fd, buf, 4, 0, 0);
	if (nbread_try_many(&ring, &req, 1) != (ret == 4) || (ret != 4 && ret != -EAGAIN))
		return 3;
	if (nbread_backend(&ring) != NBREAD_BACKEND_MODULE &&
	    nbread_backend(&ring) != NBREAD_BACKEND_THREADS)
		return 4;
	nbread_queue_exit(&ring);
	return errno != 4711;
}
END

# runs PROGRAM... : silent and successful, with the installed shared library.
runs()
{
	local out
	out=$(LD_LIBRARY_PATH=$root$prefix/lib "$@" 2>&1) || { echo "$1: status $? $out"; return 1; }
	[[ -z $out ]]
}

make_install_lib_installs_headers_libraries_and_pkg_config()
{
	top install-lib
	same files "$(installed | grep -v '^./share/man/')" "$(printf './%s\n' include/libnbread.h \
		include/libnbread/{barrier,inline,register,types}.h include/linux/nbread.h lib/libnbread.a \
		lib/libnbread.so{,".${VERSION%%.*}",".$VERSION"} lib/pkgconfig/libnbread.pc | sort)"
}

pkg_config_knows_version_and_folders()
{
	same version "$(pkg-config --modversion libnbread)" "$VERSION"
	flags | grep -qF -e "-I$root$prefix/include"
	flags | grep -qF -e "-L$root$prefix/lib -lnbread"
}

# shellcheck disable=SC2046 # the words of flags are meant
a_c_program_builds_with_pkg_config_and_runs()
{
	"$CC" "${warnings[@]}" -o c consumer.c $(flags)
	ldd c 2>/dev/null | grep -q libnbread.so || readelf -d c | grep -q libnbread.so.0
	runs ./c
}

# shellcheck disable=SC2046
a_cxx_program_builds_with_pkg_config_and_runs()
{
	"$CXX" -xc++ "${warnings[@]}" -o cxx consumer.c $(flags)
	runs ./cxx
}

# shellcheck disable=SC2046
a_static_program_builds_with_pkg_config_and_runs()
{
	"$CC" "${warnings[@]}" -o static consumer.c $(pkg-config --cflags libnbread) \
		"$root$prefix/lib/libnbread.a"
	if readelf -d static | grep libnbread; then return 1; fi
	runs ./static
}

# As a binding of another language does: by name, without the header.
the_inline_functions_can_be_called_by_their_symbols()
{
	cat >binding.c <<-'END'
		extern void nbread_prep_rw(void *sqe, int op, int fd, const void *addr, unsigned len,
					   unsigned long long off);
		int main(void)
		{
			unsigned char sqe[64] = { 0 };

			nbread_prep_rw(sqe, 2, 0, 0, 7, 0);
			return sqe[0] != 2 || sqe[24] != 7;
		}
	END
	"$CC" "${warnings[@]}" -o binding binding.c -L"$root$prefix/lib" -lnbread
	runs ./binding
}

# shellcheck disable=SC2046
the_examples_build_against_the_installed_library()
{
	local example other
	for example in "$NBREAD_TOP"/examples/*.c; do
		# The other library that it wants, as it says itself.
		other=$(sed -n 's|^/\* PKG: \(.*\) \*/$|\1|p' "$example")
		[[ ! $other ]] || pkg-config --exists "$other" || continue
		"$CC" "${warnings[@]}" -pthread -o "$(basename "$example" .c)" "$example" $(flags) \
			${other:+$(pkg-config --cflags --libs "$other")}
	done
	"$CC" "${warnings[@]}" -pthread -o nbhttpd "$NBREAD_TOP"/examples/httpd/*.c $(flags)
	[[ -x nbcat && -x nbsum && -x pool-first ]]
}

make_uninstall_leaves_nothing_behind()
{
	top uninstall KDIR="$work/none"
	same files "$(installed)" ''
}

tap make_install_lib_installs_headers_libraries_and_pkg_config
# The others need what it does, also when one of them is run alone.
[[ -d $root ]] || top install-lib >/dev/null
tap pkg_config_knows_version_and_folders
tap a_c_program_builds_with_pkg_config_and_runs
tap a_cxx_program_builds_with_pkg_config_and_runs
tap a_static_program_builds_with_pkg_config_and_runs
tap the_inline_functions_can_be_called_by_their_symbols
tap the_examples_build_against_the_installed_library
tap make_uninstall_leaves_nothing_behind
tap_end
