#!/usr/bin/env bash
# Installs the programs that the tests need. It lists all missing Debian packages, then installs
# them with apt-get, as root or by sudo without a password. If neither is possible, it names the
# missing packages and fails. README.md has the whole list.
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

packages=() commands=()
for need in "${needs[@]}"; do
	read -r command package reason <<<"$need"
	if ! command -v "$command" >/dev/null; then
		echo "setup: missing: $command (Debian package $package), for $reason"
		packages+=("$package") commands+=("$command")
	fi
done

# A C compiler without the C library's headers cannot link a race test.
if [ "$(go env GOOS)" = linux ] && [ ! -e /usr/include/stdlib.h ]; then
	echo "setup: missing: the C library's headers (Debian package libc6-dev), for the race detector"
	packages+=(libc6-dev) commands+=(/usr/include/stdlib.h)
fi

if [ ${#packages[@]} -gt 0 ]; then
	if ! command -v apt-get >/dev/null; then
		echo "setup: this system has no apt-get: install the commands named above yourself" >&2
		exit 1
	fi
	as_root=()
	if [ "$(id -u)" -ne 0 ]; then
		if ! sudo -n true 2>/dev/null; then
			echo "setup: neither root nor sudo without a password: run 'apt-get install ${packages[*]}' as root" >&2
			exit 1
		fi
		as_root=(sudo)
	fi
	echo "setup: will install these Debian packages with apt-get: ${packages[*]}"
	"${as_root[@]}" apt-get update -qq
	for i in "${!packages[@]}"; do
		# One by one: some versions of nodejs include npm and conflict with its package.
		if [ ! -e "${commands[i]}" ] && ! command -v "${commands[i]}" >/dev/null; then
			echo "setup: installing Debian package ${packages[i]}"
			"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
				apt-get install -y -qq --no-install-recommends "${packages[i]}" >/dev/null
		fi
	done
fi

# package-lock.json pins the npm packages with their hashes.
for folder in scripts/realclients js ui; do
	modules=$folder/node_modules
	if ! cmp -s "$folder/package-lock.json" "$modules/.boreas-lock"; then
		echo "setup: installing npm packages into $modules"
		(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
		cp "$folder/package-lock.json" "$modules/.boreas-lock"
	fi
done
echo "setup: all there"
