#!/usr/bin/env bash
# Installs the npm packages of folders, unless they are there: scripts/npm.sh FOLDER...
# package-lock.json pins them with their hashes.
set -euo pipefail
export npm_config_update_notifier=false # which would ask for a newer npm

for folder in "$@"; do
	modules=$folder/node_modules
	if ! cmp -s "$folder/package-lock.json" "$modules/.boreas-lock"; then
		echo "npm: installing packages into $modules"
		(cd "$folder" && npm ci --include=dev --ignore-scripts --no-audit --no-fund --loglevel=error)
		cp "$folder/package-lock.json" "$modules/.boreas-lock"
	fi
done
