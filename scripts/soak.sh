#!/usr/bin/env bash
# Uses the operator's page at length: every view with axe, 100,000 channels with 15,000 sessions, and a cluster
# that loses a node. Then it runs five soak tests, one after the other:
#
# 1. 15,000 sessions lose their server and reconnect to the next one: no session may miss a message.
# Then tokens are revoked while clients connect and disconnect: no revoked client may receive a
# later message.
#
# 2. For the whole time, a process with messages on disk is killed with SIGKILL and opened again,
# while segments are sorted and compacted: no acknowledged message may be missing.
#
# 3. The leader of a stream of NATS dies, ends, hangs and is cut off while several nodes publish, and the
# network between the servers fails in other ways: no acknowledged message may be missing at a node,
# and a minority may acknowledge none. Disks of servers are full, and a node and a server are frozen for
# 20 seconds. The stream is deleted and replaced by an older copy: no position may stand for two
# messages. Nodes with users are killed 100 times: no user may stay present.
#
# 4. For three quarters of the time, the oracle runs trials: a server with all kinds of clients,
# faults and restarts; see docs/testing.md. It gets the arguments after the time, such as -seed=7. In
# the second third of it, the server keeps its messages on disk and is killed. In the last third,
# three servers keep their messages on three NATS servers, and all of them are killed and cut off.
#
# 5. For the rest of the time, and at least three rounds, a load with some subscribers that read
# nothing runs against a server with the race detector. After each round, the server must have no
# sessions left. After the second round, its memory and goroutines may grow only by a fixed part. At
# the end it must stop in order.
set -euo pipefail
cd "$(dirname "$0")/.."
limit=${1:?"usage: scripts/soak.sh TIME (in s, m or h, such as 10m) [ORACLE OPTION]..."}
shift

readonly round=30s         # of publishing
readonly growth=130        # maximum memory, in percent of the second round's
readonly settle_attempts=60 # one per second

case $limit in
*h) seconds=$((${limit%h} * 3600)) ;;
*m) seconds=$((${limit%m} * 60)) ;;
*) seconds=${limit%s} ;;
esac

STORM_SESSIONS=15000 go test -count=1 -timeout=10m -run='^TestStorm$' -v ./internal/server
CGO_ENABLED=1 REVOCATION_ROUNDS=20 go test -race -count=1 -timeout=10m -run='^(TestRevocation|TestRulesTakenMeanwhile)$' ./internal/systemtest/access

UI_LARGE=1 go test -count=1 -timeout=10m -run='^(TestPage|TestPageLarge)$' ./scripts/realclients

KILL_TIME="${seconds}s" go test -count=1 -timeout=0 -run='^TestKill$' -v ./engine/disk
CLUSTER_FAULTS=1 go test -count=1 -timeout=20m -run='^(TestLeaderFaults|TestMinority|TestNetwork|TestFullDisks|TestReplacedUnderLoad|TestStartRate)$' -v ./engine/cluster
CLUSTER_FAULTS=1 go test -count=1 -timeout=10m -run='^(TestFullDisk|TestKilledAfterFormation)$' -v ./engine/cluster/embed
CLUSTER_FAULTS=1 go test -count=1 -timeout=30m -run='^(TestCrashes|TestClocks|TestLongSuspension|TestPlantedBugsAreFoundInCluster)$' -v ./internal/trial
CLUSTER_FAULTS=1 go test -count=1 -timeout=10m -run='^TestStartWaitsForMajority$' -v ./internal/server
CLUSTER_FAULTS=1 go test -count=1 -timeout=10m -run='^(TestLeaderFaults|TestMinority)$' -v ./auth/clusterstore
SECONDS=0 # the next two tests share the time

work=$(mktemp -d)
server=
cleanup() {
	if [ -n "$server" ]; then
		kill -9 "$server" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT

fail() {
	echo "soak: $1" >&2
	tail -n 50 "$work/log" >&2
	exit 1
}

CGO_ENABLED=1 go build -race -o "$work/oracle" ./internal/trial/soak
GORACE="halt_on_error=1" "$work/oracle" -for "$((seconds / 4))s" "$@" | tee "$work/verdict"
GORACE="halt_on_error=1" "$work/oracle" -disk -for "$((seconds / 4))s" "$@" | tee "$work/verdict-on-disk"
GORACE="halt_on_error=1" "$work/oracle" -cluster -round=30s -for "$((seconds / 4))s" "$@" | tee "$work/verdict-of-cluster"

CGO_ENABLED=1 go build -race -o "$work/server" ./cmd/boreas
go build -o "$work/boreas" ./cmd/boreas

# The history is short, so that it is full after the first round. The load runs on the same machine,
# so the server uses free ports on loopback.
GORACE="halt_on_error=1" "$work/server" --api-port=0 --ws-port=0 --history-age=10s --history-memory=16MiB \
	>"$work/banner" 2>"$work/log" &
server=$!
for _ in $(seq "$settle_attempts"); do
	if grep -q '^Running\.\.\.' "$work/banner" || ! kill -0 "$server" 2>/dev/null; then
		break
	fi
	sleep 1
done
address() { sed -n "s/^$1 endpoint configured to listen on //p" "$work/banner"; }
api=http://$(address API) ws=ws://$(address WebSocket)
if [ "$api" = http:// ]; then
	fail "the server did not start"
fi

# metric NAME prints the sum of a metric's values over all labels.
metric() {
	curl -fsS "$api/metrics" | awk -v name="$1" '{split($1, part, "{")} part[1] == name {sum += $2} END {printf "%d\n", sum}'
}

rounds=0 memory= goroutines=
while [ "$SECONDS" -lt "$seconds" ] || [ "$rounds" -lt 3 ]; do
	rounds=$((rounds + 1))
	echo "soak: round $rounds, $SECONDS of $seconds seconds"
	"$work/boreas" bench --api "$api" --ws "$ws" --duration "$round" \
		--subscribers 500 --slow 5 --channels 50 --joins 5 --publishers 4 >"$work/bench" 2>&1 ||
		{ cat "$work/bench"; fail "round $rounds went wrong"; }
	for _ in $(seq "$settle_attempts"); do
		if [ "$(metric boreas_sessions)" -eq 0 ]; then
			break
		fi
		sleep 1
	done
	[ "$(metric boreas_sessions)" -eq 0 ] || fail "sessions are left when all clients are gone"
	now_memory=$(metric process_resident_memory_bytes) now_goroutines=$(metric go_goroutines)
	echo "soak: $((now_memory >> 20)) MiB, $now_goroutines goroutines, $(metric boreas_deliveries_total) deliveries"
	if [ "$rounds" -eq 2 ]; then
		memory=$now_memory goroutines=$now_goroutines
	elif [ "$rounds" -gt 2 ]; then
		[ $((now_memory * 100)) -le $((memory * growth)) ] || fail "memory grew from $memory to $now_memory bytes"
		[ "$now_goroutines" -le $((goroutines + 20)) ] || fail "goroutines grew from $goroutines to $now_goroutines"
	fi
done

kill -TERM "$server"
wait "$server" || fail "the server ended with exit code $?"
server=
echo "soak: $rounds rounds of load, no race, no leak, nothing lost; the oracle's verdict:"
tail -qn 1 "$work/verdict" "$work/verdict-on-disk" "$work/verdict-of-cluster"
