#!/usr/bin/env bash
# Writes the npm package of js/ into a folder: scripts/pack-js.sh DIR VERSION. The same commit gives
# the same bytes. The version is set in the package only, and the working tree stays as it is.
set -euo pipefail
export npm_config_update_notifier=false # which would ask for a newer npm
cd "$(dirname "$0")/.."

if [ $# -ne 2 ] || ! [[ $2 =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "pack-js: give a folder and a version, such as 2.0.0 or 2.1.0-rc.1: scripts/pack-js.sh DIR VERSION" >&2
	exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd) version=$2
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

install -m 644 js/boreas.js js/boreas.d.ts js/codes.d.ts js/package.json LICENSE "$stage"
scripts/packed-readme.sh js "$version" >"$stage/README.md"
cd "$stage"
npm pkg set version="$version"
npm pkg delete scripts devDependencies
chmod 644 README.md package.json
npm pack --ignore-scripts --loglevel=error --pack-destination "$dir" .
