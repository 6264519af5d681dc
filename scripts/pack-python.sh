#!/usr/bin/env bash
# Writes the wheel and the sdist of clients/python into a folder: scripts/pack-python.sh DIR VERSION. The
# same commit gives the same bytes. The version is set in the packages only, in the form of Python
# (2.1.0-rc.1 becomes 2.1.0rc1), and the working tree stays as it is. It installs the Debian packages
# of its tools if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -ne 2 ] || ! [[ $2 =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "pack-python: give a folder and a version, such as 2.0.0 or 2.1.0-rc.1: scripts/pack-python.sh DIR VERSION" >&2
	exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd) version=$2
python=${PYTHON:-/usr/bin/python3} # which has Debian's modules, unlike another python3 of the PATH
if ! "$python" -c 'import build, hatchling' 2>/dev/null; then
	scripts/apt.sh python3 python3-build python3-hatchling >&2
fi
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
fi
export SOURCE_DATE_EPOCH
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

mkdir -p "$stage/src/boreas" "$stage/dist"
install -m 644 clients/python/src/boreas/*.py clients/python/src/boreas/py.typed "$stage/src/boreas"
install -m 644 clients/python/test_boreas.py LICENSE "$stage"
scripts/packed-readme.sh clients/python "$version" >"$stage/README.md"
sed -E "s/^version = .*/version = \"$version\"/" clients/python/pyproject.toml >"$stage/pyproject.toml"
# Without the check of dependencies: Debian's hatchling names one that only editable installations need.
if ! output=$("$python" -m build --no-isolation --skip-dependency-check --outdir "$stage/dist" "$stage" 2>&1); then
	echo "$output" >&2
	exit 1
fi
for file in "$stage"/dist/*; do
	install -m 644 "$file" "$dir"
	echo "${file##*/}"
done
