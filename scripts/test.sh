#!/usr/bin/env bash
# Checks the sources, then runs every test with the race detector, those
# against a real ZooKeeper included.
#
# Where no ZooKeeper can be had its tests are skipped, and the last lines say
# which and why. With CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
CI=${CI:-}

notes=$(mktemp)
skipped=$(mktemp)
trap 'rm -f "$notes" "$skipped"' EXIT
export ZKCTL_SKIPPED=$skipped

scripts/install-zookeeper.sh || {
	[ "$CI" != true ] || exit 1
}
scripts/install-clients.sh || {
	[ "$CI" != true ] || exit 1
}

command -v pwsh >/dev/null ||
	echo "The completion in PowerShell was NOT run, only its parts in Go: there is no pwsh here." >>"$notes"

# The race detector is C.
race=(-race)
export CGO_ENABLED=1
cc=$("$GO" env CC)
if ! command -v "${cc%% *}" >/dev/null; then
	scripts/apt-install.sh gcc libc6-dev || {
		[ "$CI" != true ] || exit 1
		race=()
		unset CGO_ENABLED
		echo "Tests ran WITHOUT the race detector, which needs a C compiler: $cc is missing." >>"$notes"
	}
fi

# Without cgo, as zkctl is built below: what this compiles need not be compiled again. The tests
# need no vet of their own after this.
CGO_ENABLED=0 scripts/lint.sh

status=0
# One and a half times as many packages at once as there are processors: many tests wait for servers to start, elect and
# expire.
at_once=$((($(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2))
echo "go test ${race[*]-} ./..."
"$GO" test ${race[@]+"${race[@]}"} -p "$at_once" -vet=off -timeout 20m ./... || status=$?

echo "go test -run TestGoZookeeper ./localserver/internal/ensembles (a client with a data race)"
CGO_ENABLED=0 "$GO" test -vet=off -run '^TestGoZookeeper$' ./localserver/internal/ensembles || status=$?

# What was written against the real server must hold on the embedded one too: the client,
# the commands, the shell and the command line, all once more; and on the newest release that it
# emulates what does not compare it with Debian's 3.8.0. These runs look for other answers, not for races, for which
# the first has looked in the same code.
embedded=(./internal/client ./completions ./commands ./shell ./cmd)
newest=(./internal/client ./completions ./commands)
zkctl=$(mktemp -d)
trap 'rm -rf "$notes" "$skipped" "$zkctl"' EXIT
CGO_ENABLED=0 "$GO" build -o "$zkctl/zkctl" ./cmd/zkctl
export ZKCTL_TEST_SERVER=$zkctl/zkctl
echo "go test -short ${embedded[*]} (on the embedded server)"
"$GO" test -count=1 -p "$at_once" -vet=off -short -timeout 20m "${embedded[@]}" || status=$?
echo "go test -short ${newest[*]} (on the embedded server as 3.9)"
ZKCTL_TEST_EMULATE=3.9 "$GO" test -count=1 -p "$at_once" -vet=off -short -timeout 20m "${newest[@]}" || status=$?

if [ -s "$skipped" ]; then
	echo "Skipped for want of a real ZooKeeper: $(wc -l <"$skipped") tests."
	sort "$skipped"
fi
cat "$notes"
exit "$status"
