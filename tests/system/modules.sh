#!/bin/bash
# modules.sh - what each module of a kernel needs, judged by modprobe, depmod and modinfo
set -u
. "$(dirname "$0")/lib.sh"

tool=$BUILD/tests/tools/module-closures

# judge NAME PACKAGE: compare every module of the kernel package that is unpacked there.
judge() {
	local name=$1 package=$2 v root bad n
	[ -d "${package:-/nowhere}/lib/modules" ] || { echo "skip $name - no kernel package"; return; }
	command -v modprobe >/dev/null || { echo "skip $name - modprobe is not installed"; return; }
	v=$(ls "$package/lib/modules")
	root=$SCRATCH/root
	rm -rf "$root" && mkdir -p "$root/lib/modules/$v" "$SCRATCH/no-conf"
	cp -rl "$package/lib/modules/$v/kernel" "$root/lib/modules/$v/" 2>/dev/null ||
		cp -r "$package/lib/modules/$v/kernel" "$root/lib/modules/$v/"
	cp "$package/lib/modules/$v"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$v/"
	depmod -b "$root" "$v" || { not_ok "$name" "depmod failed"; return; }
	# Of a module's softdep lines modprobe 30 heeds the first only: one line that says them all.
	awk '$1 == "softdep" {
			if (!($2 in seen)) { order[++n] = $2; seen[$2] = 1 }
			mode = ""
			for (i = 3; i <= NF; i++) {
				if ($i == "pre:" || $i == "post:") mode = $i
				else if (mode == "pre:") pre[$2] = pre[$2] " " $i
				else if (mode == "post:") post[$2] = post[$2] " " $i
			}
		}
		END { for (i = 1; i <= n; i++) { m = order[i]; if (pre[m] post[m] != "") print "softdep " m " pre:" pre[m] " post:" post[m] } }' \
		"$root/lib/modules/$v/modules.softdep" >"$SCRATCH/softdep"
	cp "$SCRATCH/softdep" "$root/lib/modules/$v/modules.softdep"

	"$tool" "$root" >"$SCRATCH/ours" && "$tool" "$package" >"$SCRATCH/plain" || { not_ok "$name" "no closures"; return; }
	n=$(grep -c '^closure' "$SCRATCH/ours")
	sed -n 's/^closure \([^ ]*\).*/\1/p' "$SCRATCH/ours" | while read -r module; do
		echo "module $module"
		modprobe -C "$SCRATCH/no-conf" -d "$root" -S "$v" -D "$module" 2>&1
	done | awk '
		function flush() { if (name != "") print line }
		$1 == "module" { flush(); name = $2; line = "closure " name; split("", seen); next }
		$1 == "insmod" { f = $2; sub(/.*\//, "", f); sub(/\.ko.*/, "", f); gsub(/-/, "_", f); if (!(f in seen)) line = line " " f; seen[f] = 1 }
		END { flush() }' >"$SCRATCH/theirs"
	bad=$(grep '^closure' "$SCRATCH/ours" | diff - "$SCRATCH/theirs" | grep '^[<>]' | head -n 4)
	if [ -z "$bad" ] && [ "$n" -gt 1000 ]; then
		ok "$name: $n closures and their order are modprobe's"
	else
		not_ok "$name: $n closures and their order are modprobe's" "$bad"
	fi

	# Without depmod's files: the same modules, each behind those that it depends on.
	bad=$(diff <(grep '^closure' "$SCRATCH/plain" | sorted_words) <(sorted_words <"$SCRATCH/theirs") | grep '^[<>]' | head -n 4)
	[ -n "$bad" ] || bad=$(misplaced "$root/lib/modules/$v/modules.dep" <"$SCRATCH/plain" | head -n 4)
	if [ -z "$bad" ]; then
		ok "$name: without depmod's files the closures hold the same modules, in an order in which they load"
	else
		not_ok "$name: without depmod's files the closures hold the same modules, in an order in which they load" "$bad"
	fi

	find "$root/lib/modules/$v/kernel" -name '*.ko' -print0 | xargs -0 modinfo | awk '
		function flush() { if (name != "") print line }
		/^filename:/ { flush(); name = $2; sub(/.*\//, "", name); sub(/\.ko$/, "", name); gsub(/-/, "_", name); line = "firmware " name }
		/^firmware:/ { sub(/^firmware: */, ""); line = line " " $0 }
		END { flush() }' | sorted_words | sort >"$SCRATCH/theirs"
	bad=$(grep '^firmware' "$SCRATCH/ours" | sorted_words | sort | diff - "$SCRATCH/theirs" | grep '^[<>]' | head -n 4)
	if [ -z "$bad" ]; then
		ok "$name: $(awk 'NF > 2' "$SCRATCH/theirs" | wc -l) modules ask for the firmware that modinfo says"
	else
		not_ok "$name: modules ask for the firmware that modinfo says" "$bad"
	fi
}

# Words of each line from the third on, sorted.
sorted_words() {
	awk '{
		n = 0
		for (i = 3; i <= NF; i++) {
			for (k = n++; k > 0 && w[k] > $i; k--) w[k + 1] = w[k]
			w[k + 1] = $i
		}
		line = $1 " " $2
		for (i = 1; i <= n; i++) line = line " " w[i]
		print line
	}'
}

# misplaced MODULES.DEP: which modules of "closure NAME FILE..." stand before something that they depend on?
misplaced() {
	awk -v dep="$1" '
		function base(p) { sub(/.*\//, "", p); sub(/\.ko.*/, "", p); gsub(/-/, "_", p); return p }
		BEGIN {
			while ((getline line < dep) > 0) {
				k = split(line, w, /[: ]+/)
				for (i = 2; i <= k; i++) if (w[i] != "") needs[base(w[1])] = needs[base(w[1])] " " base(w[i])
			}
		}
		$1 == "closure" {
			split("", at)
			for (i = 3; i <= NF; i++) {
				k = split(needs[$i], d, " ")
				for (j = 1; j <= k; j++) if (!(d[j] in at)) print "in " $2 ": " $i " before " d[j]
				at[$i] = 1
			}
		}'
}

# Packed modules say the same: the cloud kernel's, in each way in which distributions pack.
judge_packed() {
	local v root packer end bad
	[ -d "${KERNEL_CLOUD:-/nowhere}/lib/modules" ] || { echo "skip packed modules - no kernel package"; return; }
	v=$(ls "$KERNEL_CLOUD/lib/modules")
	for packer in "gzip -n1" "xz -0 --check=crc32" "zstd -q1 --rm"; do
		end=${packer%% *}
		[ "$end" = gzip ] && end=gz
		[ "$end" = zstd ] && end=zst
		command -v "${packer%% *}" >/dev/null || { echo "skip modules packed as .ko.$end - ${packer%% *} is not installed"; continue; }
		root=$SCRATCH/packed-$end
		mkdir -p "$root/lib/modules/$v"
		cp -r "$KERNEL_CLOUD/lib/modules/$v/kernel" "$root/lib/modules/$v/"
		[ -s "$SCRATCH/loose" ] || "$tool" "$root" >"$SCRATCH/loose" 2>"$SCRATCH/loose-log"
		find "$root" -name '*.ko' -exec $packer {} +
		[ -z "$(find "$root" -name '*.ko' -print -quit)" ] || not_ok "modules are packed as .ko.$end"
		bad=$("$tool" "$root" 2>&1 | diff "$SCRATCH/loose" - | head -n 4)
		[ -s "$SCRATCH/loose" ] || bad=$(cat "$SCRATCH/loose-log")
		if [ -z "$bad" ]; then
			ok "modules packed as .ko.$end need what they need loose ($(grep -c ^closure "$SCRATCH/loose") modules)"
		else
			not_ok "modules packed as .ko.$end need what they need loose" "$bad"
		fi
	done
}

judge "the cloud kernel" "${KERNEL_CLOUD-}"
judge "the full kernel" "${KERNEL_FULL-}"
judge_packed
done_testing
