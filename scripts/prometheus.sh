#!/usr/bin/env bash
# Runs promtool or prometheus: scripts/prometheus.sh PROGRAM ARGUMENTS... With --where PROGRAM, it prints the
# path of the program. If this system has none, the script unpacks the one of Debian's package prometheus into
# dist. It does not install the package, because that would start a server.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

where=
if [ "${1:-}" = --where ]; then
	where=yes
	shift
fi
program=${1:?give promtool or prometheus}
shift

if ! path=$(command -v "$program"); then
	path=$root/dist/prometheus/$program
	if [ ! -x "$path" ]; then
		if ! command -v apt-get >/dev/null; then
			echo "prometheus: this system has no apt-get: install $program yourself" >&2
			exit 1
		fi
		mkdir -p "$root/dist/prometheus"
		dir=$(mktemp -d "$root/dist/prometheus/unpack.XXXXXX")
		trap 'rm -rf "$dir"' EXIT
		cd "$dir"
		if ! apt-get download -qq prometheus 2>/dev/null; then
			as_root=()
			[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
			"${as_root[@]}" apt-get update -qq >&2
			apt-get download -qq prometheus >&2
		fi
		dpkg-deb -x prometheus_*.deb files
		mv files/usr/bin/promtool files/usr/bin/prometheus "$root/dist/prometheus/"
		cd "$root"
		rm -rf "$dir"
		trap - EXIT
	fi
fi
if [ -n "$where" ]; then
	echo "$path"
else
	exec "$path" "$@"
fi
