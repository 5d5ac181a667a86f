#!/usr/bin/env bash
# Checks what `make release-snapshot` has built: a second build gives the same bytes, the
# Debian package installs into an empty root, its manual opens, its binary runs.
#
#   scripts/check-release.sh
set -euo pipefail
cd "$(dirname "$0")/.."

sums() { (cd dist && find . -maxdepth 1 -type f \( -name '*SHA256SUMS' -o -name '*.tar' -o -name '*.deb' -o -name '*.rpm' -o -name '*.apk' \) -exec sha256sum {} + | sort -k 2); }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
sums >"$root/first"
scripts/release.sh --snapshot >"$root/log" 2>&1 || { tail "$root/log" >&2; exit 1; }
sums | diff "$root/first" - || { echo "the second build differs from the first" >&2; exit 1; }
echo "the second build gave the same bytes: $(wc -l <"$root/first") files"

deb=$(ls "$PWD"/dist/zkctl_*_"$(dpkg --print-architecture)".deb)
mkdir -p "$root/deb/var/lib/dpkg/info" "$root/deb/var/lib/dpkg/updates" "$root/deb/var/lib/dpkg/triggers"
touch "$root/deb/var/lib/dpkg/status"
dpkg --root="$root/deb" --log=/dev/null -i "$deb"
"$root/deb/usr/bin/zkctl" --version
MANPATH="$root/deb/usr/share/man" MANWIDTH=80 man zkctl-ls | sed -n 1,6p
for f in usr/share/bash-completion/completions/zkctl usr/share/zsh/vendor-completions/_zkctl usr/share/fish/vendor_completions.d/zkctl.fish \
	usr/lib/systemd/system/zkctl-server@.service usr/lib/systemd/system/zkctl-supervise@.service usr/share/doc/zkctl/copyright; do
	[ -s "$root/deb/$f" ] || { echo "the package lacks /$f" >&2; exit 1; }
done
[ "$("$root/deb/usr/bin/zkctl" --local create /installed 2>/dev/null)" = "Created /installed" ]
echo "the Debian package works"
