#!/usr/bin/env bash
# Installs Debian's package zookeeper unless a ZooKeeper is already there. The
# package depends on a Java runtime and, through libzookeeper-java, on the jars
# of log4j and slf4j. It starts no service.
#
# Exits with 1 when there is no ZooKeeper in the end.
set -euo pipefail
cd "$(dirname "$0")/.."

present() {
	{ [ -x "${JAVA_HOME:-}/bin/java" ] || command -v java >/dev/null; } || return 1
	local jar
	for jar in zookeeper zookeeper-jute slf4j-api; do
		[ -e "/usr/share/java/$jar.jar" ] || return 1
	done
}

if [ -n "${ZOOKEEPER_HOME:-}" ]; then
	# Whoever names a ZooKeeper means that one.
	compgen -G "$ZOOKEEPER_HOME/lib/zookeeper-*.jar" >/dev/null && exit 0
	echo "ZOOKEEPER_HOME=$ZOOKEEPER_HOME has no lib/zookeeper-*.jar" >&2
	exit 1
fi
present && exit 0
scripts/apt-install.sh zookeeper || exit 1
if ! present; then
	echo "the package zookeeper is installed, but its jars or java are not where they are expected" >&2
	exit 1
fi
