#!/usr/bin/env bash
# Installs the clients of ZooKeeper that others wrote, which tests run against the embedded
# server, unless they are already there: kazoo, the C client, Curator, and a Java compiler;
# and zsh and fish, for the tests of completion, and groff, for that of the manual pages.
#
# Exits with 1 when one is missing in the end.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
[ -e /usr/lib/python3/dist-packages/kazoo/client.py ] || missing+=(python3-kazoo)
[ -x /usr/lib/zookeeper/bin/cli_mt ] || missing+=(zookeeper-bin)
[ -e /usr/share/java/curator-recipes.jar ] || missing+=(libcurator-recipes-java)
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v zsh >/dev/null || missing+=(zsh)
command -v fish >/dev/null || missing+=(fish)
command -v groff >/dev/null || missing+=(groff-base)
[ ${#missing[@]} -eq 0 ] || scripts/apt-install.sh "${missing[@]}"
