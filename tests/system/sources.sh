#!/bin/bash
# sources.sh - whole trees that a site has: folders, tar archives, container images, packages; and hostile ones
. "$(dirname "$0")/lib.sh"

bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/boot TMPDIR=$SCRATCH/tmp
mkdir -p "$TMPDIR" && cd "$SCRATCH" || exit 1

# image NAME LINE...: NAME.ext2 of these lines; all have one label, so that the same files are the same bytes.
image() {
	local name=$1
	shift
	printf '%s\n' "$@" >"$name.image"
	"$bpboot" image -q --name x "$name.image" --raw "$name.ext2" >/dev/null
}
same() { # NAME NAME: the same image
	cmp "$1.ext2" "$2.ext2" || { "$bpboot" diff "$1.ext2" "$2.ext2"; return 1; }
}
clean() { e2fsck -fn "$1.ext2"; }
cat_file() { debugfs -R "cat $2" "$1.ext2" 2>/dev/null; }
has() { debugfs -R "stat $2" "$1.ext2" 2>/dev/null | grep -q Inode; }
has_not() { ! has "$@"; }

# --- a tree with every kind of thing -----------------------------------------------------------------------------

make_tree() {
	local long=$1/$(printf 'l%.0s' {1..255})

	mkdir -p "$1"/{usr/bin,usr/lib,etc,var/lib/x} "$long/$(printf 'm%.0s' {1..200})" && chmod 755 "$1" &&
		ln -s usr/bin "$1/bin" && cp /bin/true "$1/usr/bin/one" && ln "$1/usr/bin/one" "$1/usr/bin/two" &&
		chmod 4751 "$1/usr/bin/one" && echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd" &&
		echo text >"$long/$(printf 'm%.0s' {1..200})/file" && ln -s "$(printf 't%.0s' {1..300})" "$1/etc/long" &&
		: >"$1/etc/empty" && chown 7:70000 "$1/var/lib/x" && chmod 2775 "$1/var/lib/x" &&
		mknod "$1/var/null" c 1 3 && mknod "$1/var/disk" b 259 70000 && mkfifo -m 640 "$1/var/fifo" &&
		printf 'latin1' >"$1/etc/"$'caf\xe9' && setfattr -n user.note -v 'a "note"' "$1/etc/empty" &&
		setfacl -m u:12345:r,g:54321:rw "$1/etc/passwd" && setfacl -d -m u:12345:rx "$1/var/lib" &&
		setcap cap_net_raw+ep "$1/usr/bin/two" && truncate -s 9M "$1/var/holes" &&
		printf 'in the middle' | dd of="$1/var/holes" bs=1k seek=5000 conv=notrunc status=none &&
		head -c 3000000 /dev/urandom >"$1/var/data" && truncate -s 1M "$1/var/empty"
}
pack() { # ARCHIVE OPTIONS...: the tree in an archive, in no particular order
	tar -C tree --numeric-owner "${@:2}" -cf "$1" .
}
all=(--xattrs '--xattrs-include=*' --acls)

make_tree tree || not_ok "the tree is made"
t "a folder" image folder 'from tree'
t "a folder: clean" clean folder
t "a folder is what 'tree' with its owners brings" image lines 'tree tree / owner=keep'
t "a folder is what 'tree' with its owners brings: the same bytes" same folder lines
for format in gnu pax; do
	pack $format.tar --format=$format "${all[@]}"
	t "$format archive" image "$format" "from $format.tar"
	t "$format archive: the same bytes as the folder" same folder "$format"
	pack $format-sparse.tar --format=$format --sparse "${all[@]}"
	t "$format archive with holes" image "$format" "from $format-sparse.tar"
	t "$format archive with holes: the same bytes" same folder "$format"
done
for version in 0.0 0.1 1.0; do
	pack sparse.tar --format=pax --sparse --sparse-version=$version "${all[@]}"
	t "holes as pax $version has them" image sparse 'from sparse.tar'
	t "holes as pax $version has them: the same bytes" same folder sparse
done
cp -a tree plain && rm -rf plain/l* plain/var/disk plain/etc/long && find plain -exec setfattr -h -x user.note {} \; 2>/dev/null
setfacl -R -b plain && setcap -r plain/usr/bin/two && chown 7:8 plain/var/lib/x && chmod 2775 plain/var/lib/x
image plain 'from plain'
for format in ustar v7 oldgnu; do
	tar -C plain --numeric-owner --format=$format --exclude=./var/null --exclude=./var/fifo -cf $format.tar .
	image expect 'from plain'
	[ $format = ustar ] && tar -C plain --numeric-owner --format=$format -cf $format.tar . || rm -f plain/var/{null,fifo}
	image expect 'from plain'
	t "$format archive" image $format "from $format.tar"
	t "$format archive: the same bytes as the folder" same expect $format
done
t "owner= stands over the archive's" image owned 'from pax.tar owner=5:6'
t "owner= stands over the archive's: root's" grep -q 'User: *5 *Group: *6' <(debugfs -R 'stat /etc/passwd' owned.ext2 2>/dev/null)

for by in gzip 'xz -0' 'zstd -q' lz4 bzip2 'xz -0 --format=lzma'; do
	$by -c <pax.tar >packed
	t "packed by $by" image packed 'from packed'
	t "packed by $by: the same bytes" same folder packed
done
split -n 2 pax.tar half. && { gzip -c half.aa && gzip -c half.ab; } >packed
t "packed in two streams" image packed 'from packed'
t "packed in two streams: the same bytes" same folder packed
through() { # COMMAND...: its output as the source
	"$@" | image in 'from -' && same folder in
}
t "standard input: a pipe" through cat pax.tar
t "standard input: packed, through a pipe" through zstd -qc pax.tar
t "standard input: a file" eval "image in 'from -' <pax.tar && same folder in"
t "a named pipe" eval "mkfifo fifo && { cat pax.tar >fifo & } && image in 'from fifo' && same folder in"
t_says "standard input twice" 1 "standard input is read already, by line 1" image twice 'from -' 'from -' </dev/null
t_says "nothing on standard input" 1 "neither a tar archive" image nothing 'from -' </dev/null
t "nothing is left in TMPDIR" test -z "$(ls -A "$TMPDIR")"

# --- lines of the manifest stand over what "from" brought ---------------------------------------------------------

echo mine >mine && mkdir -p more/etc/new more/usr/bin && echo more >more/etc/passwd && ln -s one more/usr/bin/three
lines=('from pax.tar' 'file mine /etc/empty' 'link /usr/bin/two one' 'tree more /' 'dir /var/lib/x mode=0700'
	'dir /made' 'node /var/fifo c 1 9')
t "lines over an archive" image over "${lines[@]}"
t "lines over an archive: clean" clean over
t "a file line replaces" test "$(cat_file over /etc/empty)" = mine
t "a tree line replaces and adds" test "$(cat_file over /etc/passwd)" = more
t "a link line replaces" grep -q 'Type: symlink' <(debugfs -R 'stat /usr/bin/two' over.ext2 2>/dev/null)
t "a node line replaces" grep -q 'Type: character' <(debugfs -R 'stat /var/fifo' over.ext2 2>/dev/null)
t "a dir line gives a mode and keeps the owner" grep -q 'Mode:  0700.*' <(debugfs -R 'stat /var/lib/x' over.ext2 2>/dev/null)
t "a dir line keeps the owner" grep -q 'User: *7 *Group: *70000' <(debugfs -R 'stat /var/lib/x' over.ext2 2>/dev/null)
t "in any order of lines" image order 'node /var/fifo c 1 9' "${lines[@]:1:5}" 'from pax.tar'
t "in any order of lines: the same bytes" same over order
t "through a symlink of the archive" image through 'from pax.tar' 'file mine /bin/mine'
t "through a symlink of the archive: where it leads" test "$(cat_file through /usr/bin/mine)" = mine
t_says "a folder that holds something stays" 1 "'/etc' would take the place of a folder of 'pax.tar' that is not empty" \
	image folder-stays 'from pax.tar' 'file mine /etc'
t_says "two lines for one name are an error as ever" 1 "is in the image already, by line 2" \
	image twice 'from pax.tar' 'file mine /etc/empty' 'file mine /etc/empty'
mkdir -p second/etc && echo second >second/etc/passwd && ln -s /elsewhere second/usr
t "the later of two sources counts" image later 'from pax.tar' 'from second'
t "the later of two sources counts: its file" test "$(cat_file later /etc/passwd)" = second
t "the later of two sources counts: a symlink in place of a folder" has_not later /usr/bin/one
t "size says where a file is from" eval "'$bpboot' size over.image | grep -q ' /var/data .*from pax.tar (line 1)'"
t "size says it as JSON" eval "'$bpboot' size --json over.image | grep -A4 '\"/var/data\"' | grep -q '\"from\": \"pax.tar\"'"

# --- container images ------------------------------------------------------------------------------------------

cat >make.py <<'EOP'
import gzip, hashlib, io, json, os, sys, tarfile

def layer(entries):
    out = io.BytesIO()
    tar = tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT)
    for name, kind, what in entries:
        info = tarfile.TarInfo(name)
        info.mode = 0o755 if kind == 'd' else 0o644
        info.type = {'f': tarfile.REGTYPE, 'd': tarfile.DIRTYPE, 's': tarfile.SYMTYPE, 'h': tarfile.LNKTYPE,
                     'b': tarfile.BLKTYPE}[kind]
        data = b''
        if kind == 'f':
            data = what.encode()
            info.size = len(data)
        elif kind == 'b':
            info.devmajor, info.devminor = what
        elif kind != 'd':
            info.linkname = what
        tar.addfile(info, io.BytesIO(data))
    tar.close()
    return out.getvalue()

layers = [layer(x) for x in (
    [('etc/', 'd', 0), ('etc/a', 'f', 'a1'), ('etc/b', 'f', 'b1'), ('etc/c', 'f', 'c1'), ('gone/', 'd', 0),
     ('gone/deep/', 'd', 0), ('gone/deep/x', 'f', 'x'), ('opaque/', 'd', 0), ('opaque/old', 'f', 'old'),
     ('opaque/sub/', 'd', 0), ('opaque/sub/old', 'f', 'old'), ('file-then-dir', 'f', '1'), ('dir-then-file/', 'd', 0),
     ('dir-then-file/x', 'f', 'x'), ('usr/', 'd', 0), ('usr/lib/', 'd', 0), ('lib', 's', 'usr/lib'),
     ('linked', 'f', 'linked'), ('both', 'f', 'lower'), ('slashed/', 'd', 0), ('slashed/x', 'f', 'x')],
    [('etc/.wh.b', 'f', ''), ('.wh.gone', 'f', ''), ('opaque/new', 'f', 'new'), ('opaque/.wh..wh..opq', 'f', ''),
     ('opaque/sub/', 'd', 0), ('file-then-dir/', 'd', 0), ('file-then-dir/y', 'f', 'y'), ('dir-then-file', 'f', '2'),
     ('both', 'f', 'upper'), ('.wh.both', 'f', ''), ('lib/so', 'f', 'so'), ('hard', 'h', 'linked'),
     ('.wh..wh.plnk', 'd', 0), ('etc/.wh.never-was', 'f', ''), ('slashed/.wh..wh..opq', 'f', '')],
    [('etc/c', 'f', 'c3'), ('.wh.linked', 'f', ''), ('gone/', 'd', 0), ('gone/again', 'f', 'again')])]
expect = [('etc/', 'd', 0), ('etc/a', 'f', 'a1'), ('etc/c', 'f', 'c3'), ('gone/', 'd', 0), ('gone/again', 'f', 'again'),
          ('opaque/', 'd', 0), ('opaque/new', 'f', 'new'), ('opaque/sub/', 'd', 0), ('file-then-dir/', 'd', 0),
          ('file-then-dir/y', 'f', 'y'), ('dir-then-file', 'f', '2'), ('usr/', 'd', 0), ('usr/lib/', 'd', 0),
          ('lib', 's', 'usr/lib'), ('usr/lib/so', 'f', 'so'), ('hard', 'f', 'linked'), ('both', 'f', 'upper'),
          ('slashed/', 'd', 0)]

def digest(data):
    return hashlib.sha256(data).hexdigest()

def blob(root, data, kind, **more):
    os.makedirs(root + '/blobs/sha256', exist_ok=True)
    with open(root + '/blobs/sha256/' + digest(data), 'wb') as f:
        f.write(data)
    return dict(mediaType='application/vnd.oci.image.' + kind, digest='sha256:' + digest(data), size=len(data), **more)

def manifest(root, stack, arch, pack):
    config = json.dumps(dict(architecture=arch, os='linux', config=dict(Entrypoint=['/bin/false']),
        rootfs=dict(type='layers', diff_ids=['sha256:' + digest(x) for x in stack]))).encode()
    return json.dumps(dict(schemaVersion=2, config=blob(root, config, 'config.v1+json'),
        layers=[blob(root, gzip.compress(x, mtime=0) if pack else x, 'layer.v1.tar' + ('+gzip' if pack else ''))
                for x in stack])).encode()

def write(path, data):
    with open(path, 'wb') as f:
        f.write(data if isinstance(data, bytes) else json.dumps(data).encode())

def layout(root, stack, name='main', pack=True):
    ref = {'org.opencontainers.image.ref.name': name}
    m = blob(root, manifest(root, stack, 'amd64', pack), 'manifest.v1+json', annotations=ref)
    write(root + '/oci-layout', {'imageLayoutVersion': '1.0.0'})
    write(root + '/index.json', dict(schemaVersion=2, manifests=[m]))
    return m

def platforms(root):
    """One name, two machines and an attestation, in an index inside the index; and another name."""
    inner = []
    for arch, text in (('amd64', 'for amd64'), ('arm64', 'for arm64')):
        m = blob(root, manifest(root, [layer([('arch', 'f', text)])], arch, True), 'manifest.v1+json')
        m['platform'] = dict(os='linux', architecture=arch)
        inner.append(m)
    fake = blob(root, b'{}', 'manifest.v1+json', platform=dict(os='unknown', architecture='unknown'))
    index = blob(root, json.dumps(dict(schemaVersion=2, manifests=[fake] + inner)).encode(), 'index.v1+json',
                 annotations={'org.opencontainers.image.ref.name': 'multi'})
    other = layout(root, [layer([('arch', 'f', 'other')])], 'other')
    write(root + '/index.json', dict(schemaVersion=2, manifests=[index, other]))

def docker(root, stack):
    os.makedirs(root, exist_ok=True)
    config = json.dumps(dict(architecture='amd64', os='linux',
        rootfs=dict(type='layers', diff_ids=['sha256:' + digest(x) for x in stack]))).encode()
    write(root + '/' + digest(config) + '.json', config)
    names = []
    for x in stack:
        d = digest(b'id' + x)
        os.makedirs(root + '/' + d)
        write(root + '/' + digest(x) + '.tar', x)
        os.symlink('../' + digest(x) + '.tar', root + '/' + d + '/layer.tar')
        names.append(d + '/layer.tar')
    write(root + '/manifest.json', [dict(Config=digest(config) + '.json', RepoTags=['site/node:7'], Layers=names)])

layout('oci', layers)
layout('oci-plain', layers, pack=False)
platforms('multi')
docker('docker', layers)
write('expect.tar', layer(expect))
write('one.tar', layer(expect))
layout('oci-tree', [open('pax.tar', 'rb').read()])

hostile = {
    'dotdot': [('../evil', 'f', 'x')],
    'dotdot-inside': [('a/../../evil', 'f', 'x')],
    'dotdot-hard-link': [('h', 'h', '../../etc/shadow')],
    'hard-link-nowhere': [('h', 'h', '/etc/shadow')],
    'loop': [('loop', 's', 'loop'), ('loop/x', 'f', 'y')],
    'below-file': [('a', 'f', '1'), ('a/b', 'f', '2')],
    'device-number': [('d', 'b', (200000, 0))],
    'long-name': [('n' * 256, 'f', 'x')],
    'long-path': [('/'.join(['name'] * 900), 'f', 'x')],
    'deep': [('/'.join(['d'] * 1500) + '/', 'd', 0)],
    'symlink-to-nothing': [('s', 's', '')],
    'root-is-a-file': [('.', 'f', 'x')],
    'absolute': [('/abs', 'f', 'x'), ('link', 's', os.getcwd() + '/canary'), ('link/in', 'f', 'x'),
                 ('up', 's', '../../../../../../../../' + os.getcwd() + '/canary'), ('up/in2', 'f', 'x')],
}
os.makedirs('hostile')
for name, entries in hostile.items():
    write('hostile/' + name, layer(entries))
good = layer(expect)
write('hostile/cut', good[:1500])
write('hostile/cut-at-an-entry', good[:1536])
write('hostile/damaged', good[:600] + b'\xff' * 100 + good[700:])
write('hostile/sum', good[:100] + b'x' + good[101:])
EOP
python3 make.py || not_ok "container images are made"

# The hard link to a file that a later layer takes away is a file of its own.
image expect 'from expect.tar' || not_ok "the expected tree is made"
t "an OCI image layout" image oci 'from oci'
t "an OCI image layout: layers, whiteouts, opaque folders" same expect oci
t "layers that are not packed" image oci 'from oci-plain'
t "layers that are not packed: the same" same expect oci
tar -C oci -cf oci.tar . && gzip -k oci.tar
t "an OCI archive" image oci 'from oci.tar image=main platform=linux/amd64'
t "an OCI archive: the same" same expect oci
t "an OCI archive, packed, through a pipe" eval "image in 'from -' <oci.tar.gz && same expect in"
(cd docker && tar -cf ../docker.tar *)
t "an archive of docker save" image docker 'from docker.tar'
t "an archive of docker save: the same" same expect docker
t "an archive of docker save, by its name" image docker 'from docker.tar image=site/node:7'
t "a layer of all kinds of things" image oci 'from oci-tree'
t "folder, archive and container image: the same bytes" same folder oci
t "a name and a platform of several" image multi 'from multi image=multi platform=linux/arm64'
t "a name and a platform of several: that one" test "$(cat_file multi /arch)" = 'for arm64'
t "this machine's platform otherwise" image multi 'from multi image=multi'
t "this machine's platform otherwise: that one" grep -q 'for a' <(cat_file multi /arch)
t_says "which of several" 1 "has several images; name one with image=: multi, other" image multi 'from multi'
t_says "no such image" 1 "has no image 'none'; it has: multi, other" image multi 'from multi image=none'
t_says "no such platform" 1 "is not for linux/s390x; platform= takes one of: linux/amd64, linux/arm64" \
	image multi 'from multi image=multi platform=linux/s390x'
t_says "a tar archive is no container image" 1 "'pax.tar' is no container image" image none 'from pax.tar image=x'
t "size names the layer" eval "'$bpboot' size oci.image | grep -q 'from oci-tree, layer 1 of 1 (sha256:'"
t "what a layer's image starts is not the node's" eval "! '$bpboot' image -q oci.image --no-sign 2>/dev/null"

damage() { # NAME SED BLOB...: the layout with something changed
	rm -rf damaged && cp -r oci damaged && sed -i "$1" "damaged/$2"
}
big=$(cd oci && ls -S blobs/sha256/* | head -n 1)
rm -rf damaged && cp -r oci damaged && printf x | dd of="damaged/$big" bs=1 seek=100 conv=notrunc status=none
t_says "a layer with other bytes" 1 "is damaged: the bytes of 'sha256:" image damaged 'from damaged'
rm -rf damaged && cp -r oci damaged && printf x >>"damaged/$big"
t_says "a layer of another size" 1 "bytes, and should have" image damaged 'from damaged'
rm -rf damaged && cp -r oci damaged && rm "damaged/$big"
t_says "a layer that is not there" 1 "has no 'blobs/sha256/" image damaged 'from damaged'
rm -rf damaged && cp -r oci damaged && cp "damaged/$big" outside && rm "damaged/$big" && ln -s ../../../outside "damaged/$big"
t_says "a blob that is a symlink out of the layout" 1 "has no 'blobs/sha256/" image damaged 'from damaged'
damage 's/sha256:[0-9a-f]*/sha256:..\/..\/..\/etc\/passwd/' index.json
t_says "a digest that leads elsewhere" 1 "is no digest" image damaged 'from damaged'
damage 's/sha256:/md5:/' index.json
t_says "a digest of an unknown kind" 1 "" image damaged 'from damaged'
damage 's/\]/,/' index.json
t_says "JSON that is none" 1 "'index.json' of 'damaged', line 1" image damaged 'from damaged'
head -c 5000000 /dev/zero | tr '\0' ' ' >damaged/index.json
t_says "an index of 5 MB" 1 "has more than 4194304 bytes" image damaged 'from damaged'
printf '[%.0s' {1..100000} >damaged/index.json
t_says "an index nested 100,000 deep" 1 "maximum parsing depth reached" image damaged 'from damaged'
cp -r docker docker-damaged && printf x | dd of="$(ls -S docker-damaged/*.tar | head -n 1)" bs=1 seek=5000 conv=notrunc status=none
(cd docker-damaged && tar -cf ../docker-damaged.tar *)
t_says "an archive of docker save with other bytes" 1 "is damaged: the bytes of 'sha256:" image damaged 'from docker-damaged.tar'

# --- hostile and broken archives ---------------------------------------------------------------------------------

mkdir canary
while IFS='|' read -r name says; do
	t_says "hostile: $name" 1 "$says" image hostile "from hostile/$name"
done <<'EOT'
dotdot|'../evil' of 'hostile/dotdot' leads out of the image by '..'
dotdot-inside|leads out of the image by '..'
dotdot-hard-link|leads out of the image by '..'
hard-link-nowhere|is a hard link to a file that was not before it
loop|leads through too many symlinks
below-file|is not a folder
device-number|is a device with a number that Linux does not have
long-name|File name too long
long-path|a path of more than 4095 bytes
deep|is more than 1000 folders deep
cut-at-an-entry|it is cut off
symlink-to-nothing|is a symlink to nothing
root-is-a-file|takes the place of the root
cut|it is cut off (tar archive, byte
damaged|a damaged header (tar archive, byte
sum|neither a tar archive
EOT
t "absolute paths and links stay inside" image hostile 'from hostile/absolute'
t "absolute paths and links stay inside: nothing outside" test -z "$(ls -A canary)"
t "absolute paths and links stay inside: the file" has hostile "$SCRATCH/canary/in"

limited() { # in 300 MB of memory
	(ulimit -v 300000 && image "$@")
}
head -c 2G /dev/zero | zstd -q -T1 -c >bomb.zst
t_says "a bomb of zeros" 1 "unpacks to more than 200 times its size" limited bomb 'from bomb.zst'
python3 -c '
import sys, tarfile
h = tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT) * 2048
for i in range(400): sys.stdout.buffer.write(h)' | zstd -q -1 -c >bomb.zst
t_says "a bomb of headers" 1 "unpacks to more than 200 times its size" limited bomb 'from bomb.zst'
xz -9 --lzma2=dict=512MiB -c <one.tar >window.xz
t_says "a decoder that wants too much memory" 1 "is damaged (xz stream)" limited bomb 'from window.xz'
python3 -c '
import sys, tarfile
i = tarfile.TarInfo("x"); i.size = 8 << 33; sys.stdout.buffer.write(i.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)' >huge
t_says "a file larger than its archive" 1 "'x' is cut off" limited bomb 'from huge'
python3 -c '
import sys, tarfile
i = tarfile.TarInfo("x"); i.type = b"x"; i.size = 1 << 30; sys.stdout.buffer.write(i.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)' >huge
t_says "records of 1 GiB" 1 "1048576 is the most" limited bomb 'from huge'
python3 -c '
import sys, tarfile
for k in range(70):
    i = tarfile.TarInfo("s%d" % k); i.type = b"S"; b = bytearray(i.tobuf(tarfile.GNU_FORMAT)); b[483:495] = b"\x80\0\0\0\0\0\0\x07\0\0\0\0"
    s = sum(b) - sum(b[148:156]) + 8 * 32; b[148:156] = b"%06o\0 " % s; sys.stdout.buffer.write(b)
sys.stdout.buffer.write(b"\0" * 1024)' >huge
t_says "holes of 2 TiB" 1 "makes it more than 1 TiB" limited bomb 'from huge'
small_disk() {
	unshare -m sh -c 'mount -t tmpfs -o size=8m none "$0" && exec "$@"' "$TMPDIR" "$bpboot" image -q --raw full.ext2 full.image
}
echo 'from packed' >full.image
t_says "a full disk" 1 "cannot unpack 'packed' in '$TMPDIR'; TMPDIR names another folder: No space left" small_disk
t "a full disk: no image" test ! -e full.ext2
t_says "a folder for what is unpacked that is not there" 1 "cannot unpack 'packed' in '/nowhere'" \
	env TMPDIR=/nowhere "$bpboot" image -q --raw full.ext2 full.image
t_says "a source that is not there" 1 "cannot find 'nowhere'" image nowhere 'from nowhere'
t_says "a source that is something else" 1 "'make.py' is neither a tar archive" image nowhere 'from make.py'
chmod 755 . && chmod 644 ./*.image && chmod 000 gnu.tar && echo 'from gnu.tar' >no.image
t_says "a source that may not be read" 1 "cannot read 'gnu.tar': Permission denied" \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$bpboot" size "$PWD/no.image"
chmod 644 gnu.tar

# --- programs beside it -------------------------------------------------------------------------------------------

printf 'program bash\nprogram cat\nprogram env\nfile passwd /etc/passwd\n' >system.image && echo root:x:0:0::/:/bin/bash >passwd
"$bpboot" image -q --raw system.ext2 system.image >/dev/null && mkdir system &&
	debugfs -R 'rdump / system' system.ext2 2>&1 | grep -v '^debugfs'
tar -C system -cf rootfs.tar .
t "program bash beside from" image programs 'from rootfs.tar' 'program bash' 'program /usr/bin/cat'
image alone 'from rootfs.tar'
t "program bash beside from: nothing more is needed" same alone programs
rm system/usr/bin/env && libtinfo=$(cd system && find . -name 'libtinfo.so.6*' | head -n 1) && echo 'own build' >system/etc/note
tar -C system -cf without-env.tar .
t "a program that the source does not have is this machine's" image host 'from without-env.tar' 'program env'
t "a program that the source does not have is this machine's: there" has host /usr/bin/env
rm -f "system/$libtinfo" system/lib/*/libtinfo.so.6 system/usr/lib/*/libtinfo.so.6 2>/dev/null
tar -C system -cf broken.tar .
t_says "a library that the source lacks" 1 "library 'libtinfo.so.6' is not found; '/usr/bin/bash' wants it" \
	image broken 'from broken.tar' 'program /usr/bin/bash'
t_says "a program that nobody has" 1 "is in none of the usual folders" image none 'from rootfs.tar' 'program no-such-program'

# A library of two builds: the program of this machine wants what only the newer one has.
mkdir -p ver/new ver/old hostroot && cat >ver/new.c <<'EOC'
int one(void) { return 1; }
int two(void) { return 2; }
EOC
printf 'int one(void) { return 1; }\n' >ver/old.c
printf 'V1 { global: one; };\nV2 { global: two; } V1;\n' >ver/new.map && printf 'V1 { global: one; };\n' >ver/old.map
printf 'int two(void); int main(void) { return two() != 2; }\n' >ver/two.c
printf 'int one(void); int main(void) { return one() != 1; }\n' >ver/one.c
for v in new old; do
	gcc -shared -fPIC -o ver/$v/libver.so.1 -Wl,-soname,libver.so.1 -Wl,--version-script=ver/$v.map ver/$v.c
done
gcc -o ver/two ver/two.c ver/new/libver.so.1 && gcc -o ver/one ver/one.c ver/new/libver.so.1
"$bpboot" image -q --raw hostroot.ext2 system.image >/dev/null && debugfs -R 'rdump / hostroot' hostroot.ext2 2>&1 | grep -v '^debugfs'
cp -a hostroot oldroot && cp ver/new/libver.so.1 hostroot/usr/lib/ && cp ver/one ver/two hostroot/usr/bin/ && cp ver/old/libver.so.1 oldroot/usr/lib/
beside() { # NAME LINE...
	local name=$1
	shift
	printf '%s\n' "$@" >"$name.image" && "$bpboot" image -q --name x --root hostroot "$name.image" --raw "$name.ext2"
}
t "a library of the source that fits is not replaced" beside fits 'from oldroot' 'program one'
t "a library of the source that fits is not replaced: it is the source's" \
	cmp ver/old/libver.so.1 <(cat_file fits /usr/lib/libver.so.1)
t_says "a library of the source that does not fit" 1 "'/usr/bin/two' wants the symbol 'two' of version V2, which no library" \
	beside misfit 'from oldroot' 'program two'
rm oldroot/usr/lib/libver.so.1
t "a library that the source does not have comes along" beside comes 'from oldroot' 'program two'
t "a library that the source does not have comes along: this machine's" \
	cmp ver/new/libver.so.1 <(cat_file comes /usr/lib/libver.so.1)
mkdir -p hostroot/opt/lib oldroot/etc && mv hostroot/usr/lib/libver.so.1 hostroot/opt/lib/ && echo /opt/lib >hostroot/etc/ld.so.conf
cp /etc/ld.so.cache oldroot/etc/
t "a library outside the usual folders" beside cache 'from oldroot' 'program two'
t "a library outside the usual folders: the source's cache gets it" grep -q /opt/lib/libver.so.1 <(cat_file cache /etc/ld.so.cache)
t "a library outside the usual folders: and keeps its own" grep -q 'libc.so.6' <(cat_file cache /etc/ld.so.cache | strings)

# --- packages, by something in place of mmdebstrap -----------------------------------------------------------------

mkdir bin && cat >bin/mmdebstrap <<'EOF'
#!/bin/sh
printf '%s ' "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "$@" >"$SCRATCH/arguments"
case "$*" in *"-- broken "*) echo "E: it is broken" >&2; exit 25 ;; esac
cat "$SCRATCH/pax.tar"
EOF
chmod 755 bin/mmdebstrap && export SCRATCH
packages() { PATH=$SCRATCH/bin:$PATH image "$@"; }
t "packages" packages packages 'packages bookworm bash,coreutils vim variant=essential mirror=http://mirror/debian' 'time 1700000000'
image expect 'from pax.tar' 'time 1700000000'
t "packages: what mmdebstrap made" same expect packages
t "packages: as it was called" test "$(cat arguments)" = \
	"SOURCE_DATE_EPOCH=1700000000 --quiet --format=tar --variant=essential --include=bash,coreutils,vim -- bookworm - http://mirror/debian "
t_says "packages: it fails" 1 "mmdebstrap could not make a tree of 'broken' (exit status 25)" packages fails 'packages broken'
t_says "packages: no option comes in by a name" 1 "is not the name of a package" packages option 'packages bookworm --hook=x'

# --- nothing changed ------------------------------------------------------------------------------------------

"$bpboot" keygen >/dev/null 2>&1
publish() { "$bpboot" image -q stamp.image; }
printf 'from pax.tar.zst\nfrom oci\nfile mine /mine\nprogram bash\ninit /bin/bash\n' >stamp.image
zstd -q pax.tar -o pax.tar.zst && sleep 0.1
t_says "published" 0 "published in" publish
t_says "nothing changed" 0 "nothing that it is made of has changed" publish
t "nothing changed: nothing is unpacked to see that" env TMPDIR=/nowhere "$bpboot" image -q stamp.image
touch oci/index.json && sleep 0.1
t_says "nothing changed in what a touched source holds" 0 "unchanged in" publish
zstd -q -f -1 pax.tar -o pax.tar.zst && sleep 0.1
t "a source changed: built again" eval "! publish | grep -q 'nothing that it is made of'"
t_says "nothing changed again" 0 "nothing that it is made of has changed" publish
echo other >mine && sleep 0.1
t_says "another file changed: built again" 0 "published in" publish
printf 'from -\ninit /usr/bin/one\n' >stamp.image
t_says "standard input is always built" 0 "in $BPBOOT_DIR: stamp" eval 'cat pax.tar | publish'
t "standard input is always built: again" eval "cat pax.tar | publish | grep -qv 'nothing that it is made of'"

done_testing
