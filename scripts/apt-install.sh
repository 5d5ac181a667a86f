#!/usr/bin/env bash
# Installs Debian packages, as root or through a sudo that asks for no password.
# Exits with 1 and one sentence when that cannot be done.
#
#   scripts/apt-install.sh PACKAGE...
set -euo pipefail

if ! command -v apt-get >/dev/null; then
	echo "cannot install $*: there is no apt-get here" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "cannot install $*: not root, and sudo asks for a password (run: sudo apt-get install $*)" >&2
		exit 1
	fi
	as_root=(sudo -n)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing $* with apt-get" >&2
apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get "$@" >>"$log" 2>&1 </dev/null; }
# A failed update may still leave lists that are good enough.
apt update -q || true
if ! apt install -qy --no-install-recommends "$@"; then
	tail -n 15 "$log" >&2
	echo "cannot install $*: apt-get failed" >&2
	exit 1
fi
