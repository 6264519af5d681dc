#!/usr/bin/env bash
# Installs the programs that the tests need. It lists all that are missing, then installs their Debian
# packages. README.md has the whole list.
set -euo pipefail
cd "$(dirname "$0")/.."

# command, its Debian package, what needs it
needs=(
	"curl    curl              the quickstart test"
	"wsdump  python3-websocket the quickstart test"
	"python3 python3           the tests of the Python client"
	"node    nodejs            the tests of js and with the npm client ws"
	"npm     npm               the tests of js and with the npm client ws"
	"nginx   nginx-light       the test of streams through a proxy that buffers"
	"chromium chromium         the tests with a browser: EventSource, the examples"
	"$(go env CC) gcc          the race detector"
)

missing=()
for need in "${needs[@]}"; do
	read -r command package reason <<<"$need"
	if ! command -v "$command" >/dev/null; then
		echo "setup: missing: $command (Debian package $package), for $reason"
		missing+=("$package=$command")
	fi
done

# A C compiler without the C library's headers cannot link a race test.
if [ "$(go env GOOS)" = linux ] && [ ! -e /usr/include/stdlib.h ]; then
	echo "setup: missing: the C library's headers (Debian package libc6-dev), for the race detector"
	missing+=(libc6-dev=/usr/include/stdlib.h)
fi

# The Python library has no command.
websockets=/usr/lib/python3/dist-packages/websockets
if [ ! -e $websockets ]; then
	echo "setup: missing: $websockets (Debian package python3-websockets), for the test of compression"
	missing+=(python3-websockets=$websockets)
fi

# By $BASH, because env might find none.
"$BASH" scripts/apt.sh ${missing[@]+"${missing[@]}"}
"$BASH" scripts/npm.sh scripts/realclients js ui
echo "setup: all there"
