#!/usr/bin/env bash
# Builds the server for each OS/ARCH given, into dist/, and vets what each OS sees.
set -euo pipefail
cd "$(dirname "$0")/.."

# For every step, so that nothing is compiled twice for a platform.
export GOFLAGS="${GOFLAGS:-} -trimpath"

vetted=$(go env GOHOSTOS) # by `make lint`
for target in "$@"; do
	os=${target%/*} arch=${target#*/}
	out=dist/boreas-$os-$arch
	if [ "$os" = windows ]; then
		out=$out.exe
	fi
	echo "build $out"
	GOOS=$os GOARCH=$arch go build ./...
	GOOS=$os GOARCH=$arch go build -o "$out" ./cmd/boreas
	# Vet also compiles the tests, so it finds a file without its build tag.
	case " $vetted " in
	*" $os "*) ;;
	*)
		GOOS=$os GOARCH=$arch go vet ./...
		vetted="$vetted $os"
		;;
	esac
done
