#!/usr/bin/env bash
# Installs Debian packages that are missing: scripts/apt.sh PACKAGE... It lists them, then installs them
# with apt-get, as root or by sudo without a password. If neither is possible, it names the missing
# packages and fails.
#
# PACKAGE=COMMAND means that the package is not needed if the command or file exists.
set -euo pipefail

# there reports whether the package, or its command, is there.
there() {
	local package=${1%%=*} command=${1#*=}
	if [ "$command" != "$1" ]; then
		[ -e "$command" ] || command -v "$command" >/dev/null
	else
		[[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) = *" installed" ]]
	fi
}

wanted=() packages=()
for each in "$@"; do
	if ! there "$each"; then
		wanted+=("$each") packages+=("${each%%=*}")
	fi
done
if [ ${#wanted[@]} -eq 0 ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "apt: this system has no apt-get: install the equivalents of ${packages[*]} yourself" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "apt: neither root nor sudo without a password: run 'apt-get install ${packages[*]}' as root" >&2
		exit 1
	fi
	as_root=(sudo)
fi
# A mirror may be busy, and another program may be installing.
options=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
echo "apt: will install these Debian packages with apt-get: ${packages[*]}"
"${as_root[@]}" apt-get update -qq "${options[@]}"
for each in "${wanted[@]}"; do
	# One by one: some versions of nodejs include npm and conflict with its package.
	if ! there "$each"; then
		echo "apt: installing Debian package ${each%%=*}"
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends "${each%%=*}" "${options[@]}" >/dev/null
	fi
done
