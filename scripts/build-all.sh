#!/usr/bin/env bash
# Builds the server into dist/ for each given OS/ARCH, and runs go vet for each OS, and for a processor
# of 32 bits. TAGS are the build tags of the program, see the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."

# Use the same flags for every step, so that nothing is compiled twice for a platform.
export GOFLAGS="${GOFLAGS:-} -trimpath" GOARM=7

# `make lint` has checked this OS. FreeBSD has the same files as macOS.
vetted="$(go env GOHOSTOS) freebsd"
for target in "$@"; do
	os=${target%/*} arch=${target#*/}
	out=dist/boreas-$os-$arch
	if [ "$os" = windows ]; then
		out=$out.exe
	fi
	GOOS=$os GOARCH=$arch go build ./...
	scripts/program.sh "$target" "$out"
	# Vet also compiles the tests, so it finds a file that needs a build tag, and a number that does
	# not fit in 32 bits.
	case " $vetted " in
	*" $os "*) [ "$arch" = arm ] || continue ;;
	esac
	GOOS=$os GOARCH=$arch go vet ./...
	vetted="$vetted $os"
done

TAGS=$TAGS,noembed scripts/program.sh "$(go env GOHOSTOS)/$(go env GOHOSTARCH)" dist/boreas-noembed
