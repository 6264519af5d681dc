#!/usr/bin/env bash
# Unpacks a minimal Debian 12 for tests of the package: scripts/debian-root.sh DIR. debootstrap makes it
# once a month and keeps it as an archive in the cache of the user. It needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$1
if [ "$(id -u)" -ne 0 ]; then
	echo "debian-root: only root can make a Debian system: run it as root" >&2
	exit 1
fi
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/boreas
archive=$cache/debian-bookworm-$(dpkg --print-architecture).tar
mkdir -p "$cache" "$dir"
if [ -z "$(find "$archive" -mtime -30 2>/dev/null)" ]; then
	scripts/apt.sh debootstrap=/usr/sbin/debootstrap >&2
	fresh=$(mktemp -d "$cache/root.XXXXXX")
	# debootstrap mounts /proc and /sys there while it runs.
	trap 'rm -rf --one-file-system "$fresh" "$archive.$$"' EXIT
	echo "debian-root: debootstrap makes a Debian 12" >&2
	if ! output=$(/usr/sbin/debootstrap --variant=minbase bookworm "$fresh" 2>&1); then
		echo "$output" | tail -n 20 >&2
		exit 1
	fi
	rm -f "$fresh"/var/cache/apt/archives/*.deb
	tar -C "$fresh" --numeric-owner -cf "$archive.$$" .
	mv "$archive.$$" "$archive"
fi
tar -C "$dir" --numeric-owner -xf "$archive"
chmod 755 "$dir" # all users in it must reach their files
# As in a container image, no package may start a service here.
printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
chmod 755 "$dir/usr/sbin/policy-rc.d"
