#!/usr/bin/env bash
# Checks what `make release` makes, for linux/amd64: two builds in different folders have the same bytes;
# the package works on Debian, from the installation to the purge; and `go install` reports its version.
# It needs root and Debian. TAGS are the build tags of the program.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD

version=2.0.0-rc.1
scripts/apt.sh lintian=lintian rpm=rpm mandoc=mandoc debootstrap=/usr/sbin/debootstrap qemu-user-static=qemu-arm-static systemd=systemd-analyze

dir=$(mktemp -d)
emulated=
stop() {
	if [ -n "$emulated" ]; then kill $emulated 2>/dev/null || true; fi
	chmod -R u+w "$dir" # the Go command removes the right to delete modules
	rm -rf "$dir"
}
trap stop EXIT
set -E # functions and subshells too
trap 'echo "package-check: line $LINENO failed ($?): $BASH_COMMAND" >&2' ERR
fail() {
	echo "package-check: $*" >&2
	exit 1
}
began=$SECONDS
done_with() { echo "package-check: $* ($((SECONDS - began)) s)"; }

# The configuration of this user's Git must not matter: it may sign commits, or name hooks and ignored files.
# A Git hook that runs this has set variables such as GIT_DIR.
unset $(git rev-parse --local-env-vars)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export LC_ALL=C.UTF-8 # rpm translates its messages

# A commit of the tree as it is here, whoever owns it and whether or not it is a clone, and a clone of
# that in another folder with another umask. Git leaves out what .gitignore names.
mkdir "$dir/copy" "$dir/another folder"
tar -c --exclude=./.git --exclude=./dist --exclude=node_modules . | tar -x --no-same-owner -C "$dir/copy"
export GIT_AUTHOR_DATE="@1793600000 +0000" GIT_COMMITTER_DATE="@1793600000 +0000"
git -C "$dir/copy" init -q -b main
git -C "$dir/copy" add -A
git -C "$dir/copy" -c user.name=check -c user.email=check@localhost commit -q -m check
git clone -q "$dir/copy" "$dir/tree"
(umask 077 && git clone -q "$dir/tree" "$dir/another folder/clone")

(cd packaging/release && GOFLAGS='' go build -buildvcs=false -o "$dir/release" .)
"$dir/release" -version=$version -tags="$TAGS" -targets=linux/amd64 -tree="$dir/tree" -dist="$dir/one"
done_with "first build"
(umask 077 && export TZ=Asia/Tokyo && "$dir/release" -version=$version -tags="$TAGS" -targets=linux/amd64 -tree="$dir/another folder/clone" -dist="$dir/another folder/two" >/dev/null)
diff -r "$dir/one" "$dir/another folder/two" || fail "two builds of one commit differ"
done_with "two builds have the same bytes"

cd "$dir/one"
sha256sum --quiet -c SHA256SUMS
[ "$(wc -l <SHA256SUMS)" -eq "$(($(find . -type f | wc -l) - 1))" ] || fail "SHA256SUMS does not name every file"
deb=boreas_${version}_amd64.deb rpm=boreas_${version}_amd64.rpm apk=boreas_${version}_amd64.apk
tar xzf "boreas_${version}_linux_amd64.tar.gz" -C "$dir"
unpacked=$dir/boreas_${version}_linux_amd64
[[ $("$unpacked/boreas" --version) = "boreas v$version "* ]] || fail "the program reports another version: $("$unpacked/boreas" --version)"
mandoc -Tlint -W warning "$unpacked/man/boreas.1"
bash -n "$unpacked/completions/boreas.bash"

size=$(stat -c %s "$deb")
[ "$size" -le 10000000 ] || fail "$deb has $size bytes, and at most 10,000,000 are allowed"
tags=$(lintian --no-cfg --fail-on error "$deb" 2>&1) || fail "lintian reports errors:"$'\n'"$tags"

# The unit names a program and a page that are not installed here.
mkdir "$dir/units"
sed "s|^ExecStart=/usr/bin/boreas|ExecStart=\"$unpacked/boreas\"|" "$unpacked/systemd/boreas.service" >"$dir/units/boreas.service"
cp "$unpacked/systemd/boreas.socket" "$dir/units"
problems=$(systemd-analyze verify --man=no "$dir/units/boreas.service" "$dir/units/boreas.socket" 2>&1) && [ -z "$problems" ] || fail "systemd-analyze verify: $problems"
systemd-analyze security --offline=true --threshold=20 "$dir/units/boreas.service" | tail -n 1

rpm -qpl "$rpm" >"$dir/rpm-files" 2>/dev/null
for file in /usr/bin/boreas /etc/boreas/boreas.toml /usr/lib/systemd/system/boreas.service /usr/share/man/man1/boreas.1.gz; do
	grep -qx "$file" "$dir/rpm-files" || fail "$rpm has no $file"
done
rpm -K --nosignature "$rpm" >/dev/null
[ "$(rpm -qp --qf "%{BUILDHOST}" "$rpm" 2>/dev/null)" = boreas ] || fail "$rpm names the machine that built it"
[ "$(rpm -qpc "$rpm" 2>/dev/null)" = /etc/boreas/boreas.toml ] || fail "$rpm has other configuration files"
rpm -qp --scripts "$rpm" 2>/dev/null >"$dir/rpm-scripts"
[ "$(grep -c 'scriptlet (using /bin/sh)' "$dir/rpm-scripts")" -eq 4 ] || fail "$rpm has other scripts: $(cat "$dir/rpm-scripts")"
tar tzf "$apk" 2>/dev/null >"$dir/apk-files"
for file in .PKGINFO .pre-install .post-install .post-upgrade usr/bin/boreas etc/boreas/boreas.toml etc/init.d/boreas; do
	grep -qx "$file" "$dir/apk-files" || fail "$apk has no $file"
done
done_with "files of the packages"

# There is no ARM processor here: an emulator runs the programs.
for arch in arm arm64; do
	(cd "$repository" && VERSION=v$version scripts/program.sh linux/$arch "$dir/boreas-$arch") >/dev/null
	emulator=qemu-$arch-static
	if [ $arch = arm64 ]; then emulator=qemu-aarch64-static; fi
	mkdir -m 700 "$dir/state-$arch"
	: >"$dir/$arch.log"
	timeout 300 $emulator "$dir/boreas-$arch" --api-port=0 --ws-port=0 --data-dir="$dir/state-$arch" >"$dir/$arch.log" 2>&1 &
	emulated=$!
	until grep -q '^Running\.\.\.' "$dir/$arch.log"; do
		kill -0 $emulated 2>/dev/null || fail "the program for $arch did not start: $(cat "$dir/$arch.log")"
		sleep 0.05
	done
	export BOREAS_API_URL BOREAS_WS_URL
	BOREAS_API_URL=http://$(sed -n 's/^API endpoint configured to listen on //p' "$dir/$arch.log")
	BOREAS_WS_URL=ws://$(sed -n 's/^WebSocket endpoint configured to listen on //p' "$dir/$arch.log")
	timeout 300 "$unpacked/boreas" publish first '{"hello":1}' >/dev/null
	timeout 300 "$unpacked/boreas" subscribe --quiet --last=1 --count=1 first >"$dir/$arch.received"
	grep -q '"hello":1' "$dir/$arch.received" || fail "the program for $arch delivered no message"
	unset BOREAS_API_URL BOREAS_WS_URL
	kill $emulated
	wait $emulated || fail "the program for $arch ended with $?: $(cat "$dir/$arch.log")"
	emulated=
done
done_with "programs for ARM"

root=$dir/root
"$repository/scripts/debian-root.sh" "$root"
"$repository/scripts/first-message.sh" "$deb" "$root"
chroot "$root" sh -euc '
	[ "$(stat -c "%a %U %G" /etc/boreas/boreas.toml)" = "640 root boreas" ]
	[ "$(stat -c "%a %U %G" /var/lib/boreas)" = "700 boreas boreas" ]
	[ -L /etc/systemd/system/multi-user.target.wants/boreas.service ]
' || fail "the installation left other owners or modes, or the service is not enabled"

# in_root runs a command in the Debian system, and shows its output only if it fails.
in_root() {
	local output
	output=$(chroot "$root" "$@" 2>&1) || fail "$* failed: $output"
}

# A newer package, with another configuration file, over an edited one.
dpkg-deb -R "$deb" "$dir/newer"
sed -i 's/^Version: .*/Version: 2.0.0~rc.2/' "$dir/newer/DEBIAN/control"
echo '# a new comment' >>"$dir/newer/etc/boreas/boreas.toml"
dpkg-deb --root-owner-group -Znone -b "$dir/newer" "$root/tmp/newer.deb" >/dev/null
echo 'log_format = "json"' >>"$root/etc/boreas/boreas.toml"
before=$(cd "$root/var/lib/boreas" && find . -type f -exec sha256sum {} + | sort)
[ -n "$before" ] || fail "the server left no state"
in_root dpkg --force-confdef --force-confold -i /tmp/newer.deb
grep -qx 'log_format = "json"' "$root/etc/boreas/boreas.toml" || fail "the upgrade lost the configuration"
[ -e "$root/etc/boreas/boreas.toml.dpkg-dist" ] || fail "the upgrade did not show the new configuration"
[ "$before" = "$(cd "$root/var/lib/boreas" && find . -type f -exec sha256sum {} + | sort)" ] || fail "the upgrade changed the state"
in_root dpkg -r boreas
if [ -e "$root/usr/bin/boreas" ]; then fail "the removal left the program"; fi
[ "$before" = "$(cd "$root/var/lib/boreas" && find . -type f -exec sha256sum {} + | sort)" ] || fail "the removal changed the state"
[ -e "$root/etc/boreas/boreas.toml" ] || fail "the removal lost the configuration"
# rpm and apk run this at each upgrade, also if the administrator has removed the file.
mv "$root/etc/boreas/boreas.toml" "$root/tmp/boreas.toml"
{ cat "$repository/packaging/scripts/user.sh" && echo own_files; } | chroot "$root" sh || fail "own_files failed without a configuration"
mv "$root/tmp/boreas.toml" "$root/etc/boreas/boreas.toml"
in_root dpkg -P boreas
for left in /etc/boreas/boreas.toml /var/lib/boreas /etc/systemd/system/multi-user.target.wants/boreas.service; do
	if [ -e "$root$left" ] || [ -L "$root$left" ]; then fail "the purge left $left"; fi
done
if chroot "$root" getent passwd boreas >/dev/null; then fail "the purge left the user boreas"; fi
done_with "installed, upgraded, removed and purged on Debian"

# go install, from a module proxy that has this tree. The other modules come from the local cache.
cd "$repository"
(cd packaging/release && GOFLAGS='' go run ./modproxy "$dir/tree" v$version "$dir/proxy")
cache=$(go env GOMODCACHE)
if ! output=$(cd / && GOPROXY="file://$dir/proxy,file://$cache/cache/download" GONOSUMDB='*' GOFLAGS="-trimpath -tags=$TAGS" \
	GOMODCACHE=$dir/modules GOBIN=$dir/bin CGO_ENABLED=0 go install "github.com/boreas-pubsub/boreas/v2/cmd/boreas@v$version" 2>&1); then
	fail "go install: $output"
fi
[[ $("$dir/bin/boreas" --version) = "boreas v$version "* ]] || fail "go install reports another version: $("$dir/bin/boreas" --version)"
done_with "go install"
