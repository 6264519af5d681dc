#!/usr/bin/env bash
# Builds the server into dist/ for each given OS/ARCH, and runs go vet for each OS.
set -euo pipefail
cd "$(dirname "$0")/.."

# Use the same flags for every step, so that nothing is compiled twice for a platform.
export GOFLAGS="${GOFLAGS:-} -trimpath"

vetted=$(go env GOHOSTOS) # `make lint` has checked this OS
for target in "$@"; do
	os=${target%/*} arch=${target#*/}
	out=dist/boreas-$os-$arch
	if [ "$os" = windows ]; then
		out=$out.exe
	fi
	echo "build $out"
	GOOS=$os GOARCH=$arch go build ./...
	GOOS=$os GOARCH=$arch go build -o "$out" ./cmd/boreas
	# Vet also compiles the tests, so it finds a file that needs a build tag.
	case " $vetted " in
	*" $os "*) ;;
	*)
		GOOS=$os GOARCH=$arch go vet ./...
		vetted="$vetted $os"
		;;
	esac
done
