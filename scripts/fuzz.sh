#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time, one after the other. A failing input is
# written to the package's testdata/fuzz. Commit it with the fix: from then on it is a test.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?"usage: scripts/fuzz.sh TIME (such as 10s)"}

list=$(go test -list '^Fuzz' ./...)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# go test -list prints the names of a package's targets, then "ok" and its path.
names=() ran=0
while read -r first second _; do
	case $first in
	Fuzz*) names+=("$first") ;;
	ok)
		for name in "${names[@]}"; do
			echo "fuzz $second $name $time"
			if ! go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$second" >"$log" 2>&1; then
				# At the end of its time, the fuzzer sometimes reports its own deadline as a
				# failure. A real failure names the input file.
				if grep -q 'Failing input written to' "$log" ||
					! grep -q 'context deadline exceeded' "$log"; then
					cat "$log"
					exit 1
				fi
				echo "fuzz: stopped by its own deadline: no failing input found"
			fi
			ran=$((ran + 1))
		done
		names=()
		;;
	esac
done <<<"$list"

if [ "$ran" -eq 0 ]; then
	echo "fuzz: found no fuzz target: that cannot be right" >&2
	exit 1
fi
echo "fuzz: $ran targets, $time each, no failure"
