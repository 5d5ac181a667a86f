#!/usr/bin/env bash
# Installs what tests need besides ZooKeeper, unless it is already there: the clients that others wrote,
# which tests run against the embedded server: kazoo with its SASL, the C client, Curator, and a
# Java compiler; a KDC of MIT Kerberos, which tests run with a realm of their own; zsh and fish, for
# the tests of completion; and groff, for that of the manual pages.
#
# Exits with 1 when one is missing in the end.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
[ -e /usr/lib/python3/dist-packages/kazoo/client.py ] || missing+=(python3-kazoo)
[ -x /usr/lib/zookeeper/bin/cli_mt ] || missing+=(zookeeper-bin)
[ -e /usr/share/java/curator-recipes.jar ] || missing+=(libcurator-recipes-java)
[ -e /usr/lib/python3/dist-packages/puresasl ] || missing+=(python3-pure-sasl)
ls /usr/lib/python3/dist-packages/kerberos*.so >/dev/null 2>&1 || missing+=(python3-kerberos)
[ -x /usr/sbin/krb5kdc ] || missing+=(krb5-kdc)
[ -x /usr/sbin/kadmin.local ] || missing+=(krb5-admin-server)
command -v kinit >/dev/null || missing+=(krb5-user)
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v zsh >/dev/null || missing+=(zsh)
command -v fish >/dev/null || missing+=(fish)
command -v groff >/dev/null || missing+=(groff-base)
[ ${#missing[@]} -eq 0 ] || scripts/apt-install.sh "${missing[@]}"
