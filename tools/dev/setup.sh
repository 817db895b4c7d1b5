#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# setup.sh [build|install|run|test|clang|valgrind|full|bench]...: see that the
# Debian packages for these purposes are installed, and install the missing
# ones: as root, or through sudo if that asks no password.  Otherwise print the
# one command to type and exit 1.  When nothing is missing it only asks dpkg
# once.  What a build can do without (scdoc: the manual pages) is installed if
# that is possible; otherwise a line says what will be missing.
set -eu

build="gcc libc6-dev meson ninja-build pkgconf liburing-dev libunwind-dev
libbsd-dev libsodium-dev systemtap-sdt-dev"
optional=scdoc
run=$build
test="$build g++ python3 scdoc mandoc redis-tools redis-server libhiredis-dev"
clang="$test clang libclang-rt-14-dev"
valgrind="$test valgrind"
full="$clang spin"
bench="$build python3 redis-tools redis-server golang-go g++
libboost-fiber-dev libst-dev libpth-dev libck-dev libjemalloc-dev
libmimalloc-dev libevent-dev libuv1-dev"

want=
for purpose in "${@:-build}"; do
	case $purpose in
	build | install) want="$want $build $optional" ;;
	run) want="$want $run" ;;
	test) want="$want $test" ;;
	clang) want="$want $clang" ;;
	valgrind) want="$want $valgrind" ;;
	full) want="$want $full" ;;
	bench) want="$want $bench" ;;
	*)
		echo "usage: setup.sh" \
		    "[build|install|run|test|clang|valgrind|full|bench]..." >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	# Not Debian: say what is needed only if the build cannot even start.
	for tool in meson ninja pkg-config; do
		command -v "$tool" >/dev/null && continue
		echo "setup: please install what these Debian packages hold:" \
		    $want >&2
		exit 1
	done
	exit 0
fi

have=" $(dpkg-query -W -f '${db:Status-Status}:${Package}\n' $want \
    2>/dev/null | sed -n 's/^installed://p' | tr '\n' ' ')"
missing=
needed=
for package in $want; do
	case "$have $missing " in
	*" $package "*) continue ;;
	esac
	missing="$missing $package"
	[ "$package" = $optional ] || needed="$needed $package"
done
[ -n "$missing" ] || exit 0

# The packages could not be installed: go on if none of them is needed.
give_up() {
	[ -z "$needed" ] || exit 1
	echo "setup: without $optional there will be no manual pages" >&2
	exit 0
}

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
	as_root=
elif sudo -n true 2>/dev/null; then
	as_root=sudo
else
	echo "setup: packages are missing; please type" >&2
	echo "	sudo apt-get update && sudo $install" >&2
	give_up
fi

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q \
	    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# The servers that the tests use are started by the tests, so packages may
# not start theirs.  An existing policy of the machine is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
	$as_root chmod 755 $policy
	trap '$as_root rm -f $policy' EXIT
fi

echo "setup: installing$missing"
log=$(mktemp)
if ! { apt -s install $missing && apt ${install#apt-get }; } \
    >"$log" 2>&1 </dev/null; then
	# Old package lists, or none: fetch them and try again.
	if ! { apt update && apt ${install#apt-get }; } \
	    >"$log" 2>&1 </dev/null; then
		tail -n 20 "$log" >&2
		echo "setup: could not install; the whole log: $log" >&2
		give_up
	fi
fi
rm -f "$log"

# Every build directory is to look again for what it did without.
touch "$(dirname "$0")/../../meson.build"
