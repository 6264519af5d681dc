#!/usr/bin/env bash
# Prints FOLDER/README.md for a package of VERSION. A package has no other files of the repository, so
# the relative links become links to the version's tag.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1 version=$2
url=https://github.com/boreas-pubsub/boreas/blob/v$version
sed -E "s#\]\((\.\./)+#](${url}/#g; s#\]\(([a-zA-Z][^):]*)\)#](${url}/${folder}/\1)#g" "$folder/README.md"
