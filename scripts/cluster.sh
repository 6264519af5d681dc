#!/usr/bin/env bash
# Starts three nodes of a cluster on this machine, and stops them at Ctrl-C. With the argument n1, n2 or
# n3 it runs only that node, for example one that was killed. With the argument status it shows the state
# of the cluster, as n1 sees it; further arguments are those of `boreas cluster status`.
#
# The directories of the nodes are in DIR, by default dist/cluster. They stay, so that the next start
# has the same messages. BIN is the program. The ports begin at FIRST_PORT: 8001 (API), 8002
# (subscribers) and 8003 (other nodes) for n1, 8011 to 8013 for n2, 8021 to 8023 for n3.
set -euo pipefail
cd "$(dirname "$0")/.."

boreas=${BIN:-./boreas}
dir=${DIR:-dist/cluster}
first=${FIRST_PORT:-8001}

mkdir -p "$dir"
if [[ ! -e $dir/secret ]]; then
  (umask 077 && head -c 32 /dev/urandom | base64 >"$dir/secret")
fi
peers=
for i in 1 2 3; do
  peers+=${peers:+,}n$i=127.0.0.1:$((first + 10 * i - 8))
done

# node sets the command of the node with this number.
node() {
  api=$((first + 10 * ($1 - 1)))
  command=("$boreas" "--node=n$1" "--cluster-peers=$peers" "--cluster-secret=file:$dir/secret" "--data-dir=$dir/n$1"
    "--api-port=$api" "--ws-port=$((api + 1))")
}

case ${1:-} in
n[123])
  node "${1#n}"
  exec "${command[@]}"
  ;;
status)
  shift
  exec "$boreas" cluster status --node=n1 --cluster-peers="$peers" --cluster-secret="file:$dir/secret" --data-dir="$dir/n1" "$@"
  ;;
?*)
  echo "cluster.sh: there is no node $1: give n1, n2 or n3, nothing for all of them, or status" >&2
  exit 2
  ;;
esac

# Each node has a process group of its own, so that Ctrl-C reaches only this script, which stops the
# nodes in order.
set -m

pids=()
stop() {
  trap '' INT TERM
  echo "stopping the nodes"
  kill -TERM "${pids[@]}" 2>/dev/null || true
  wait "${pids[@]}" || true
  exit 0
}
trap stop INT TERM

label() {
  local line
  while IFS= read -r line; do printf '%s | %s\n' "$1" "$line"; done
}

echo "Three nodes start. The first start takes up to ten seconds. Ctrl-C stops all of them."
for i in 1 2 3; do
  node $i
  "${command[@]}" > >(label "n$i") 2>&1 &
  pids+=($!)
  echo "  n$i: API http://127.0.0.1:$api, subscribers ws://127.0.0.1:$((api + 1)), data $dir/n$i, process $!"
done
wait "${pids[@]}" || true
echo "all nodes have ended"
