#!/bin/bash
# diff.sh - what changed between two images or manifests
# fast
. "$(dirname "$0")/lib.sh"

bpboot=$BUILD/src/cli/bpboot
cd "$SCRATCH" || exit 1
mkdir -p a/d && echo same >a/same && echo 12345 >a/data && echo short >a/grows && echo looong >a/shrinks && echo gone >a/gone &&
	ln -s one a/link && echo m >a/mode && echo d >a/d/deep && cp -a a b
echo 54321 >b/data && echo shorter >b/grows && echo lo >b/shrinks && rm b/gone && echo new >b/$'new\nname' && ln -sfn two b/link &&
	chmod 4755 b/mode && chmod 644 a/mode
printf 'tree a /\nnode /node c 1 3\n' >a.image && printf 'tree b /\nnode /node c 1 5\n' >b.image
line() { grep -qE "$1" diff.out || { cat diff.out; false; }; }
t "two manifests are compared" eval '"$bpboot" diff a.image b.image >diff.out'
t "a new name" line '^\+ +4 B  /new\\x0aname$'
t "a name that is gone" line '^- +5 B  /gone$'
t "a file that grew" line '^> +2 B  /grows$'
t "a file that shrank" line '^< +4 B  /shrinks$'
t "other data of the same size" line '^~ +6 B  /data$'
t "another mode" line '^\* .* /mode \(mode 4755, was 0644\)$'
t "another target" line "^\* .* /link \(to 'two', was 'one'\)$"
t "another device" line '^\* .* /node \(device 1:5, was 1:3\)$'
t "what is the same is not named" eval '! grep -e same -e deep diff.out'
t "the sum" line '^1 in \(4 B\), 1 out \(5 B\), 1 grown \(2 B\), 1 shrunk \(4 B\), 1 changed \(6 B\), 3 with another'
t_says "the same manifest: the same files" 0 "the same files; " "$bpboot" diff a.image a.image
"$bpboot" image -q a.image --raw a.ext2 >/dev/null
if "$bpboot" inspect a.ext2 >/dev/null 2>&1; then
	t_says "a manifest and the image that it gives" 0 "the same files; " "$bpboot" diff a.ext2 a.image
	"$bpboot" image -q b.image --raw b.ext2 >/dev/null
	t "two images differ as their manifests do" eval '"$bpboot" diff a.ext2 b.ext2 >images.out && diff <(grep -v bytes diff.out) <(grep -v bytes images.out)'
fi
(cd a && find . | cpio --quiet -o -H newc) >a.cpio
t_says "archives" 0 "the same files" "$bpboot" diff a.cpio a.cpio
t_says "a file that is not there" 1 "cannot read 'nowhere'" "$bpboot" diff a.image nowhere
t_says "one operand is a wrong use" 2 "usage: bpboot diff" "$bpboot" diff a.image
done_testing
