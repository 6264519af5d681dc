#!/usr/bin/env bash
# Builds the server for one platform: scripts/program.sh OS/ARCH FILE. TAGS are the build tags, see the
# Makefile; VERSION is the version of a release, such as v2.0.0. It fails if the program has become too
# large.
set -euo pipefail

target=$1 file=$2
# Without -buildvcs=false the bytes of a release would depend on the tags of the clone.
release=(-ldflags='-s -w')
if [ -n "${VERSION:-}" ]; then
	release=(-buildvcs=false -ldflags="-s -w -X main.version=$VERSION")
fi

# The largest size in bytes, with the NATS server inside and without. A program that is larger has
# usually begun to keep all methods: look for ReflectMethod in the output of
# `go build -ldflags=-dumpdep ./cmd/boreas`.
case ",$TAGS," in
*,noembed,*) largest=18874368 ;; # 18 MiB
*) largest=30000000 ;;
esac

# The program has no symbol table and no debug information: stack traces and profiles do not need them.
CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} GOARM=7 \
	go build -trimpath -tags="$TAGS" "${release[@]}" -o "$file" ./cmd/boreas
size=$(wc -c <"$file")
echo "built $file, $((size)) bytes"
if ((size > largest)); then
	echo "program: $file has $((size)) bytes, and at most $largest are allowed" >&2
	exit 1
fi
