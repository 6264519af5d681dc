#!/usr/bin/env bash
# Installs the npm packages of folders, unless they are there: scripts/npm.sh FOLDER...
# package-lock.json pins them with their hashes.
set -euo pipefail

for folder in "$@"; do
	modules=$folder/node_modules
	if ! cmp -s "$folder/package-lock.json" "$modules/.boreas-lock"; then
		echo "npm: installing packages into $modules"
		(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
		cp "$folder/package-lock.json" "$modules/.boreas-lock"
	fi
done
