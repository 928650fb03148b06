#!/bin/bash
# needs-roots.sh - closures in other roots (another libc, another machine), and of what programs open later
# fast
. "$(dirname "$0")/lib.sh"

bpboot=$BUILD/src/cli/bpboot
cd "$SCRATCH" || exit 1
if ! command -v gcc >/dev/null || ! command -v python3 >/dev/null; then
	echo "skip closures in other roots - needs gcc and python3"
	exit 0
fi

needs_are() { # "EXPECTED PATHS" ARGUMENTS...
	local want=$1 got
	shift
	got=$("$bpboot" needs "$@" 2>&1) || { echo "$got"; return 1; }
	[ "$got" = "$(printf '%s\n' $want)" ] || { echo "got: $got"; return 1; }
}
library() { # FILE SONAME MORE...
	local f=$1 so=$2
	shift 2
	mkdir -p "$(dirname "$f")" && echo 'int unused;' | gcc -x c -shared -fPIC -nostdlib -o "$f" - -Wl,-soname,"$so" -Wl,--no-as-needed -x none "$@"
}
program() { # FILE INTERPRETER MORE...
	local f=$1 i=$2
	shift 2
	mkdir -p "$(dirname "$f")" &&
		echo 'void _start(void){}' | gcc -x c -nostdlib -fPIC -pie -o "$f" - -Wl,--dynamic-linker,"$i" -Wl,--no-as-needed -Wl,--allow-shlib-undefined -x none "$@"
}

# --- musl: libc is the loader, no cache, folders of its own -----------------------------------------------------

library alpine/lib/ld-musl-x86_64.so.1 libc.musl-x86_64.so.1
ln -s ld-musl-x86_64.so.1 alpine/lib/libc.musl-x86_64.so.1
library alpine/usr/lib/libz.so.1.2 libz.so.1 alpine/lib/ld-musl-x86_64.so.1
ln -s libz.so.1.2 alpine/usr/lib/libz.so.1
library alpine/usr/local/lib/libown.so libown.so alpine/usr/lib/libz.so.1
program alpine/usr/bin/tool /lib/ld-musl-x86_64.so.1 alpine/usr/local/lib/libown.so alpine/lib/libc.musl-x86_64.so.1
t "a program of musl: libc is the loader, libraries in musl's folders" \
	needs_are "/lib/ld-musl-x86_64.so.1 /usr/local/lib/libown.so /usr/lib/libz.so.1" --root alpine /usr/bin/tool
t "a library of musl alone" needs_are "/lib/ld-musl-x86_64.so.1" --root alpine /usr/lib/libz.so.1
mkdir -p alpine/etc alpine/odd && echo '/odd:/usr/lib' >alpine/etc/ld-musl-x86_64.path
mv alpine/usr/local/lib/libown.so alpine/odd/
t "musl's path file says where, and comes along" needs_are \
	"/lib/ld-musl-x86_64.so.1 /etc/ld-musl-x86_64.path /odd/libown.so /usr/lib/libz.so.1" --root alpine /usr/bin/tool
printf 'program /usr/bin/tool\ninit /usr/bin/tool\n' >alpine.image
t "an image of a tree of musl" eval '"$bpboot" image -q --root alpine alpine.image --raw alpine.ext2 && e2fsck -fn alpine.ext2 &&
	debugfs -R "stat /odd/libown.so" alpine.ext2 2>/dev/null | grep -q "Type: regular"'
if [ -x /lib/ld-musl-x86_64.so.1 ]; then
	program here-musl /lib/ld-musl-x86_64.so.1 /lib/ld-musl-x86_64.so.1
	t "a program of musl on this machine" needs_are /lib/ld-musl-x86_64.so.1 here-musl
fi

# --- another machine: arm64, where nothing could be run ----------------------------------------------------------

arm() { printf '\267\0' | dd of="$1" bs=1 seek=18 conv=notrunc status=none; } # e_machine
library arm/lib/aarch64-linux-gnu/libc.so.6 libc.so.6
library arm/opt/lib/libnear.so libnear.so arm/lib/aarch64-linux-gnu/libc.so.6
program arm/opt/bin/prog /lib/ld-linux-aarch64.so.1 arm/opt/lib/libnear.so arm/lib/aarch64-linux-gnu/libc.so.6 '-Wl,-rpath,$ORIGIN/../lib'
library arm/lib/ld-linux-aarch64.so.1 ld-linux-aarch64.so.1
mkdir -p arm/usr/lib/x86_64-linux-gnu && cp arm/lib/aarch64-linux-gnu/libc.so.6 arm/usr/lib/
for f in lib/ld-linux-aarch64.so.1 lib/aarch64-linux-gnu/libc.so.6 opt/lib/libnear.so opt/bin/prog; do arm arm/$f; done
t "a program for arm64 with \$ORIGIN" needs_are \
	"/lib/ld-linux-aarch64.so.1 /opt/bin/../lib/libnear.so /lib/aarch64-linux-gnu/libc.so.6" --root arm /opt/bin/prog
printf 'program /opt/bin/prog\ninit /opt/bin/prog\n' >arm.image
t "an image for arm64 says so" eval '"$bpboot" image -q --root arm arm.image --no-sign --output boot && grep -qx "arch aarch64" boot/arm.index'

# --- symlinks never leave the root ---------------------------------------------------------------------------------

library jail/lib/real.so libjail.so
echo outside >secret
mkdir -p jail/usr/lib && ln -s ../../../../../../../../lib/real.so jail/usr/lib/libjail.so && ln -s "$SCRATCH" jail/out
ln -s "$SCRATCH/secret" jail/secret && ln -s ../secret jail/secret2
program jail/bin/prog /lib/ld-linux-x86-64.so.2 jail/lib/real.so && library jail/lib/ld-linux-x86-64.so.2 ld-linux-x86-64.so.2
t "'..' of a symlink stops at the root" needs_are "/lib/ld-linux-x86-64.so.2 /usr/lib/libjail.so" --root jail /bin/prog
for f in /secret /secret2 /out/secret /../secret; do
	t_says "'$f' is not followed out of the root" 1 "cannot find" "$bpboot" needs --root jail $f
done
printf 'program /secret2\n' >jail.image
t_says "nor for an image" 1 "cannot find '/secret2'" "$bpboot" image -q --root jail jail.image --raw jail.ext2
t_says "a root that is not there" 1 "nowhere" "$bpboot" needs --root nowhere /bin/sh

# --- what is opened later ------------------------------------------------------------------------------------------

noted() { # FILE JSON: a program with .note.dlopen
	python3 - "$2" >note.s <<'EOT'
import sys
print('.section .note.dlopen,"a",@note\n.balign 4\n.long 4,2f-1f,0x407c0c0a\n.asciz "FDO"\n1: .asciz %s\n2: .balign 4\n.section .note.GNU-stack,"",@progbits' %
      ('"' + sys.argv[1].replace('"', '\\"') + '"'))
EOT
	echo 'int main(void){return 0;}' | gcc -x c -o "$1" - -x assembler note.s
}
noted later '[{"feature":"x","priority":"recommended","soname":["libnone.so.7","libm.so.6"]},{"priority":"suggested","soname":["libresolv.so.2"]}]'
t "what a note recommends is found, the first there is; what it suggests is left out" eval \
	'"$bpboot" needs later | grep -q "/libm.so.6$" && ! "$bpboot" needs later | grep resolv'
noted must '[{"priority":"required","soname":["libnone.so.7"]}]'
t_says "what a note requires has to be there" 1 "library 'libnone.so.7' is not found; '$SCRATCH/must' says that it opens it" "$bpboot" needs must
noted optional '[{"priority":"recommended","soname":["libnone.so.7"]}]'
t_says "what a note recommends may be missing" 0 libc.so.6 "$bpboot" needs optional
noted broken '[{"priority":'
t_says "a note that cannot be read is passed over" 0 libc.so.6 "$bpboot" needs broken

in_image() { "$bpboot" size "$1" 2>"$1.err" >"$1.size" && grep -qE "$2" "$1.size"; }
printf 'passwd: files nosuch [NOTFOUND=return] dns # compat\nhosts: [ !UNAVAIL=return ] files\n' >nsswitch
printf 'program /bin/bash\nfile nsswitch /etc/nsswitch.conf\n' >nss.image
t "nsswitch.conf brings the modules that it names" in_image nss.image 'libnss_dns\.so\.2 .*needed by /etc/nsswitch.conf'
t "one that is not installed is named and passed over" grep -q "names 'nosuch', but library 'libnss_nosuch.so.2' is not found" nss.image.err
t "a comment names nothing" eval '! grep -q compat nss.image.size nss.image.err'
printf 'program /bin/bash\nneeds libm.so.6\nneeds /usr/bin/env\n' >also.image
t "'needs' brings a library by its name" in_image also.image 'libm\.so\.6'
t "'needs' brings a file by its path" in_image also.image '/usr/bin/env'
printf 'program /bin/bash\nneeds libnone.so.9\n' >none.image
t_says "'needs' names what is not found" 1 "none.image:2: library 'libnone.so.9' is not found" "$bpboot" size none.image
if [ -e /usr/lib/x86_64-linux-gnu/gconv/gconv-modules ]; then
	printf 'program /bin/bash\ngconv latin2\ngconv EUC-JP\n' >gconv.image
	t "'gconv' brings a character set by its alias" in_image gconv.image 'gconv/ISO8859-2\.so'
	t "a character set's own libraries come with it" in_image gconv.image 'gconv/libJIS\.so .*needed by'
	t "the lists come with it" in_image gconv.image 'gconv/gconv-modules '
	printf 'program /bin/bash\ngconv KLINGON\n' >klingon.image
	t_says "a character set that is none" 1 "klingon.image:2: character set 'KLINGON' is in none of the lists" "$bpboot" size klingon.image
	printf 'program /usr/bin/iconv\ngconv *\n' >all.image
	t "'gconv *' brings all of them" in_image all.image 'gconv/IBM1047\.so'
fi
done_testing
