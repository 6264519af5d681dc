#!/usr/bin/env bash
# Builds the server into dist/ for each given OS/ARCH, and runs go vet for each OS. It fails if a program
# has become too large. TAGS are the build tags of the program, see the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."

# Use the same flags for every step, so that nothing is compiled twice for a platform.
export GOFLAGS="${GOFLAGS:-} -trimpath"

# The largest sizes in bytes, with the NATS server inside and without. A program that is larger has
# usually begun to keep all methods: look for ReflectMethod in the output of
# `go build -ldflags=-dumpdep ./cmd/boreas`.
largest=30000000
largest_noembed=18500000

# program builds the server as $1, which may have $2 bytes, with the build tags $3.
program() {
	local size
	go build -tags="$3" -ldflags='-s -w' -o "$1" ./cmd/boreas
	size=$(wc -c <"$1")
	echo "built $1, $((size)) bytes"
	if ((size > $2)); then
		echo "build-all: $1 has $((size)) bytes, and at most $2 are allowed" >&2
		return 1
	fi
}

vetted=$(go env GOHOSTOS) # `make lint` has checked this OS
for target in "$@"; do
	os=${target%/*} arch=${target#*/}
	out=dist/boreas-$os-$arch
	if [ "$os" = windows ]; then
		out=$out.exe
	fi
	GOOS=$os GOARCH=$arch go build ./...
	GOOS=$os GOARCH=$arch program "$out" $largest "$TAGS"
	# Vet also compiles the tests, so it finds a file that needs a build tag.
	case " $vetted " in
	*" $os "*) ;;
	*)
		GOOS=$os GOARCH=$arch go vet ./...
		vetted="$vetted $os"
		;;
	esac
done

program dist/boreas-noembed $largest_noembed "$TAGS,noembed"
