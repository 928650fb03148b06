#!/bin/bash
# manifest-errors.sh - what people write wrong in a manifest: one line, with file, line and what was expected
# fast
. "$(dirname "$0")/lib.sh"

bp=$BUILD/src/cli/bpboot
cd "$SCRATCH" || exit 1
echo hi >one && mkdir tr && echo x >tr/a

# Each row: what is wrong | the line (\n for more than one, the last of them is wrong) | what the message holds.
n=0 bad=
while IFS='|' read -r what line says; do
	[ -n "$what" ] || continue
	printf '# a comment\n\n'"${line//%/%%}"'\n' >wrong.image
	at=$(wc -l <wrong.image)
	"$bp" size wrong.image >out 2>err </dev/null
	status=$?
	if [ $status != 1 ] || [ -s out ] || [ "$(wc -l <err)" != 1 ] || ! grep -qF -- "bpboot: wrong.image:$at: " err || ! grep -qF -- "$says" err; then
		not_ok "$what" "status $status, expected '$says' of line $at: $(cat err)"
		bad=1
	fi
	n=$((n + 1))
done <<'EOT'
a word in capitals|File one /one|unknown line 'File'; expected
a word of another program|mknod /dev/x c 1 3|unknown line 'mknod'; expected
every word is known to the message|ln a b|node, program, module, bpslave, needs, gconv,
an equals sign|file=one|unknown line 'file=one'; expected
a section|[files]|unknown line '[files]'; expected
JSON|{"file": 1}|unknown line '{"file":'; expected
nothing behind the word|file|'file' takes SOURCE TARGET
no target|file one|'file' takes SOURCE TARGET [mode=MODE] [owner=USER[:GROUP]]; that is too little
a word too many|file one /one two|'file' takes SOURCE TARGET [mode=MODE] [owner=USER[:GROUP]]; 'two' is too much
a name with a blank|file one /my one|'one' is too much (what holds blanks stands in double quotes)
a target that is not absolute|file one one|target 'one' has to be an absolute path
a target from here|file one ./one|target './one' has to be an absolute path
a target with dots|file one /a/../b|must not contain '..'
a target with a dot|file one /a/./b|must not contain '.'
an empty target|file one ""|has to be an absolute path
an empty source|file "" /x|the source is empty
the root as a target|file one /|'/' is a folder
a mode that is not octal|file one /one mode=0888|expected one mode= with an octal mode
a mode in letters|file one /one mode=u+x|expected one mode= with an octal mode
an empty mode|file one /one mode=|expected one mode= with an octal mode
a mode that is too large|dir /d mode=17777|up to 7777
a mode twice|file one /one mode=0644 mode=0600|expected one mode=
an empty owner|file one /one owner=|owner=USER:GROUP
an owner with two colons|file one /one owner=a:b:c|owner=USER:GROUP
an owner nobody knows|file one /one owner=nobody-here|is not in the image's /etc/passwd
an owner with blanks|file one /one owner = root|'file' takes SOURCE TARGET
an attribute that is none|file one /one perm=0644|'perm=0644' is too much
an attribute of another line|tree tr /etc inodes=5|'tree' takes SOURCE TARGET
a mode for a symlink|link /a b mode=0777|'link' takes TARGET DESTINATION
a quote that is not closed|file "one /one|quote is not closed
text behind a quote|file "one"/one|text follows a closing quote
quotes of a shell|file 'one' /one|cannot find
a comma|file one, /one|cannot find 'one,'
a tilde|file ~/one /one|cannot find '~/one'
a variable|file $HOME/one /one|cannot find '$HOME/one'
a pattern|file *.c /one|cannot find '*.c'
a source that is not there|file nowhere /x|cannot find 'nowhere'
a folder as a file|file tr /x|'tr' is a folder; 'tree' takes folders
a file as a tree|tree one /x|'one' is not a folder; 'file' takes files
a tree without a target|tree tr|'tree' takes SOURCE TARGET
the same target twice|file one /a\nfile one /a|'/a' is in the image already, by line 3
a target below a file|file one /a\nfile one /a/b|'/a' is not a folder
a symlink the wrong way round|link a /b|target 'a' has to be an absolute path
a symlink to nothing|link /a|'link' takes TARGET DESTINATION
a device of no kind|node /dev/x char 1 3|expected c or b
a device without a number|node /dev/x c 1|'node' takes TARGET c
a device's number in words|node /dev/x c one 3|major number 'one': expected 0 to 4095
a device's number too large|node /dev/x c 1 9999999|minor number '9999999': expected 0 to 1048575
a program that is not there|program bsh|program 'bsh' is in none of the usual folders
a program by half a path|program bin/bash|expected an absolute path, or a name
a program that is a folder|program /bin|'/bin' is not a regular file
a program that is text|program /etc/passwd|is neither an ELF file nor a script
two programs in a line|program bash ls|target 'ls' has to be an absolute path
a module by its path|module kernel/net/x.ko|is not the name of a module
a module with its suffix|module virtio_net.ko|is not the name of a module (no path, no .ko)
a module of no kernel|module virtio_net|is of which kernel?
a library by half a path|needs lib/libm.so|expected the name of a library or an absolute path
a library that is not there|needs libnone.so.3|library 'libnone.so.3' is not found
a character set that is none|gconv KLINGON|character set 'KLINGON' is in none of the lists
something behind bpslave|bpslave yes|'bpslave' takes nothing
an init by its name|init sh|has to be an absolute path
an init with arguments|init /sbin/init -x|'init' takes PATH
two inits|init /a\ninit /b|a second 'init'
an init that is not there|init /bin/none|init '/bin/none' is not in the image
a name with blanks|name my image|'name' takes NAME
a name with a slash|name a/b|expected up to 63 letters, digits
free in words|free lots|expected a size up to 1T, like 8M
free with a blank|free 8 M|'free' takes SIZE
free below nothing|free -5|expected a size up to 1T, like 8M
inodes in words|free 8M inodes=x|expected one inodes= with a number
a time in words|time now|expected seconds since 1970
a format that is none|format ext5|'ext5'
EOT
[ -n "$bad" ] || ok "$n mistakes are each named in one line with file, line and what was expected"
t "there were enough of them" test $n -ge 60
printf 'file one /o\0ne\n' >wrong.image
t_says "a NUL" 1 "wrong.image:1: line holds a NUL byte" "$bp" size wrong.image
{ echo; head -c 9000 /dev/zero | tr '\0' a; } >wrong.image
t_says "a line without an end" 1 "wrong.image:2: line is longer than 8191 bytes" "$bp" size wrong.image
printf 'file one /%0300d\n' 7 >wrong.image
t_says "a name that no file system holds" 1 "has a name of 300 bytes; 255 is the most" "$bp" size wrong.image
printf '\357\273\277file one /one\r\n' >wrong.image
t "lines of another system are taken, and a byte order mark" "$bp" size wrong.image
done_testing
