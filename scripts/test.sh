#!/usr/bin/env bash
# Runs every check of this repository: the linters, the tests with the race detector, and the checks
# of the nested modules. `make test` calls it, and make's targets are its steps.
#
# go vet runs first and compiles all packages, once for all steps. The other checks then run beside
# the tests, at a lower priority: they use the time in which tests wait. The script prints a line at
# least every 20 seconds, with the programs that are running.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
began=$SECONDS
group=$(ps -o pgid= $$ | tr -d ' ')

# running prints the compilers, linkers, checkers and tests of this run, such as "auth.test".
running() {
	ps -e -o pgid=,args= | awk -v group="$group" '
		$1 != group { next }
		$2 ~ /\/compile$/ { for (i = 3; i < NF; i++) if ($i == "-p") print "compile " $(i + 1) }
		$2 ~ /\/link$/ { for (i = 3; i < NF; i++) if ($i == "-o") { sub(/.*\//, "", $(i + 1)); print "link " $(i + 1) } }
		$2 ~ /\/(vet|staticcheck|gofumpt|[^\/]*\.test)$/ { sub(/.*\//, "", $2); print $2 }
	' | sort -u | paste -s -d , | sed 's/,/, /g'
}

heartbeat() {
	while sleep 20 >/dev/null; do # or the sleep keeps our output open
		echo "test: $((SECONDS - began)) s; running: $(running)"
	done
}

# step runs a target of make and prints how long it took.
step() {
	local start=$SECONDS
	if ! "${MAKE:-make}" --no-print-directory "$@"; then
		echo "test: $* failed after $((SECONDS - start)) s"
		return 1
	fi
	echo "test: $* took $((SECONDS - start)) s"
}

stop() {
	kill "$beating" 2>/dev/null || true
	rm -rf "$dir"
}
heartbeat &
beating=$!
trap stop EXIT

step vet

(
	for check in staticcheck format ui-check bench-check acme-check observe-test; do
		if ! step "$check" >"$dir/$check" 2>&1; then
			touch "$dir/failed"
		fi
		cat "$dir/$check"
	done
) &
checks=$!
renice -n 10 -p "$checks" >/dev/null 2>&1 || true # its children inherit it

export TEST_EXCHANGES=$dir/exchanges # package api writes it, openapi-check reads it
failed=
step race || failed=1
wait "$checks" || failed=1
step openapi-check || failed=1
if [ -n "$failed" ] || [ -e "$dir/failed" ]; then
	echo "test: failed after $((SECONDS - began)) s" >&2
	exit 1
fi
echo "test: all passed in $((SECONDS - began)) s"
