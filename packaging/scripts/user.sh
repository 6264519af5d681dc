#!/bin/sh
# Begins the scripts of packages that need the user boreas.
set -e

# add_user makes the system user and group boreas if they do not exist.
add_user() {
	if ! getent group boreas >/dev/null; then
		groupadd --system boreas
	fi
	if ! getent passwd boreas >/dev/null; then
		useradd --system --gid boreas --home-dir /var/lib/boreas --no-create-home \
			--shell /usr/sbin/nologin --comment "Boreas pub/sub server" boreas
	fi
}

# own_files lets the service, and nobody else, read its configuration and its state.
own_files() {
	if [ -e /etc/boreas/boreas.toml ]; then # rpm and apk do not bring back a file that was removed
		chgrp boreas /etc/boreas/boreas.toml
		chmod 0640 /etc/boreas/boreas.toml
	fi
	mkdir -p /var/lib/boreas
	chown boreas:boreas /var/lib/boreas
	chmod 0700 /var/lib/boreas
}
