#!/usr/bin/env bash
# Installs a Debian package in a Debian system and prints how many milliseconds pass until the first
# message has arrived: scripts/first-message.sh DEB [ROOT]. ROOT is a folder with the system; without
# it, scripts/debian-root.sh makes one. systemd does not run there, so the script starts the server as
# the unit would: as the user boreas, with the installed configuration, but on free ports.
set -euo pipefail
deb=$(realpath "$1") root=${2:+$(realpath "$2")}
cd "$(dirname "$0")/.."
server='' subscriber='' made=''
stop() {
	for pid in $subscriber $server; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	if [ -n "$made" ]; then rm -rf "$made"; fi
}
trap stop EXIT
if [ -z "$root" ]; then
	made=$(mktemp -d) root=$made
	scripts/debian-root.sh "$root"
fi

began=$(date +%s%N)
cp "$deb" "$root/tmp/boreas.deb"
chroot "$root" dpkg -i /tmp/boreas.deb >/dev/null
rm "$root/tmp/boreas.deb"

# as_boreas replaces a subshell by a command that runs as the service does.
as_boreas() { exec chroot --userspec=boreas:boreas "$root" /usr/bin/env -i HOME=/var/lib/boreas "$@"; }
log=$root/tmp/boreas.log
: >"$log"
(as_boreas BOREAS_API_PORT=0 BOREAS_WS_PORT=0 /usr/bin/boreas --config=/etc/boreas/boreas.toml) >"$log" 2>&1 &
server=$!
end=$((SECONDS + 300))
until grep -q '^Running\.\.\.' "$log"; do
	if ! kill -0 "$server" 2>/dev/null || ((SECONDS > end)); then
		echo "first-message: the server did not start:" >&2
		cat "$log" >&2
		exit 1
	fi
	sleep 0.05
done
api=http://$(sed -n 's/^API endpoint configured to listen on //p' "$log")
ws=ws://$(sed -n 's/^WebSocket endpoint configured to listen on //p' "$log")

# The subscriber ends after one message, whether it joins before or after the publication.
(as_boreas BOREAS_API_URL="$api" BOREAS_WS_URL="$ws" /usr/bin/timeout 300 /usr/bin/boreas subscribe --quiet --last=1 --count=1 first) >"$root/tmp/boreas.received" &
subscriber=$!
(as_boreas BOREAS_API_URL="$api" /usr/bin/boreas publish first '{"hello":1}') >/dev/null
wait "$subscriber"
subscriber=
grep -q '"hello":1' "$root/tmp/boreas.received"
ended=$(date +%s%N)
echo "first-message: $(((ended - began) / 1000000)) ms from the installation to the first message"
kill "$server"
wait "$server"
server=
