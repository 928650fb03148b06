# setup.sh - what ./demo and ./check share: packages, build directories, a kernel to boot. Sourced by bash.
#
# Everything is quick and silent when it is there already. Root is needed only to install packages that are missing.

# Packages that build and run bpboot and its virtual cluster on Debian.
setup_packages_build="gcc meson ninja-build pkg-config libc6-dev libsodium-dev libzstd-dev libev-dev libkmod-dev
	libjansson-dev libinih-dev libarchive-dev libsquashfs-dev
	zlib1g-dev liblzma-dev liblz4-dev libbz2-dev"
setup_apt_patience="-o Acquire::Retries=5" # a mirror, or a name server, may stumble
setup_packages_lab="kmod iproute2 dnsmasq-base qemu-system-x86 ipxe-qemu"

setup_say() {
	printf '%s\n' "$*" >&2
}

# Run a command as root: as it is, or through sudo.
setup_as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		setup_say "root is needed for: $*"
		return 1
	fi
}

setup_is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# setup_packages NAME...: install the ones that are missing; says so in one line.
setup_packages() {
	local p missing=() log

	for p in "$@"; do
		setup_is_installed "$p" || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	setup_say "installing ${#missing[@]} Debian packages: ${missing[*]}"
	log=$(mktemp) || return 1
	if ! setup_apt install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 &&
		! { setup_apt update && setup_apt install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
		tail -n 15 "$log" >&2
		rm -f "$log"
		setup_say "could not install: ${missing[*]}"
		return 1
	fi
	rm -f "$log"
}

# apt-get as root, waiting for another one that holds the lock.
setup_apt() {
	setup_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 $setup_apt_patience "$@" </dev/null
}

# setup_debs DIR PACKAGE...: packages that are not to be installed, since they exclude each other, begin to serve or are for
# another kernel, unpacked beside each other in DIR. DIR is there whole or not at all; one of other packages is replaced.
setup_debs() {
	local dir
	dir=$(realpath -m "$1")
	shift
	[ "$(cat "$dir/.packages" 2>/dev/null)" = "$*" ] || setup_locked "$dir.lock" setup_debs_anew "$dir" "$@"
}
setup_debs_anew() {
	local dir=$1 temp p
	shift
	rm -rf -- "$dir".new.* # of a run that was killed
	temp=$(mktemp -d "$dir.new.XXXXXX") || return 1
	if ! (
		cd "$temp" && apt-get -qq -o APT::Sandbox::User="$(id -un)" $setup_apt_patience download "$@" || exit 1
		for p in *.deb; do
			dpkg-deb -x "$p" root || exit 1
		done
		echo "$*" >root/.packages && chmod 755 root && rm -rf -- "$dir" && mv -T root "$dir"
	) >"$temp.log" 2>&1; then
		cat "$temp.log" >&2
		rm -rf -- "$temp" "$temp.log"
		return 1
	fi
	rm -rf -- "$temp" "$temp.log"
}

# setup_locked FILE COMMAND...: one at a time, so that two runs at once do not meet in one build directory.
# The lock is not inherited by what COMMAND leaves running.
setup_locked() {
	local lock=$1 fd
	shift
	mkdir -p "$(dirname "$lock")" || return 1
	exec {fd}>"$lock" || return 1
	flock "$fd" || return 1
	"$@" {fd}>&-
	local status=$?
	exec {fd}>&-
	return $status
}

# setup_build DIR [MESON OPTION...]: configure when needed and build; prints only on failure.
setup_build() {
	local dir=$1 log
	shift
	log=$(mktemp) || return 1
	if ! { { [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"; } && ninja -C "$dir"; } >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		rm -f "$log"
		setup_say "the build in $dir failed"
		return 1
	fi
	rm -f "$log"
}

# setup_kernel cloud|full DIR: download Debian's kernel package, unpack it (not installed) and print the folder that holds
# boot/ and lib/modules/ on standard output. What is there already is used as it is.
setup_kernel() {
	local meta dir=$2/$1 package

	case $1 in
	cloud) meta=linux-image-cloud-amd64 ;;
	full) meta=linux-image-amd64 ;;
	*)
		setup_say "unknown kernel '$1': expected cloud or full"
		return 2
		;;
	esac
	if [ ! -d "$dir" ]; then
		package=$(setup_kernel_package $meta) || return 1
		setup_say "downloading $package (unpacked, not installed)"
		setup_debs "$dir" "$package" || return 1
	fi
	printf '%s\n' "$dir"
}

# The package that a kernel's meta package depends on; fetches the package lists when there are none.
setup_kernel_package() {
	local found try

	for try in 1 2; do
		found=$(apt-cache show "$1" 2>/dev/null |
			sed -n 's/^Depends: .*\(linux-image-[0-9][^ ,]*\).*/\1/p' | head -n 1)
		if [ -n "$found" ]; then
			printf '%s\n' "$found"
			return 0
		fi
		[ $try = 1 ] && setup_apt update >&2
	done
	setup_say "the package lists do not know $1"
	return 1
}
