#!/usr/bin/env bash
# Runs promtool with the given arguments. If this system has none, the script unpacks the one from
# Debian's package prometheus into dist/promtool. It does not install the package, because that would
# start a Prometheus.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if command -v promtool >/dev/null; then
	exec promtool "$@"
fi
tool=$root/dist/promtool
if [ ! -x "$tool" ]; then
	if ! command -v apt-get >/dev/null; then
		echo "promtool: this system has no apt-get: install promtool yourself" >&2
		exit 1
	fi
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	chmod 755 "$dir" # apt-get drops its privileges for a download
	cd "$dir"
	if ! apt-get download -qq prometheus 2>/dev/null; then
		as_root=()
		[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
		"${as_root[@]}" apt-get update -qq
		apt-get download -qq prometheus 2>/dev/null
	fi
	dpkg-deb -x prometheus_*.deb files
	mkdir -p "$root/dist"
	mv files/usr/bin/promtool "$tool.$$"
	mv "$tool.$$" "$tool"
	cd - >/dev/null
fi
"$tool" "$@"
