#!/usr/bin/env bash
# Treats the embedded servers badly for as long as one likes (localserver/internal/{torture,ensembles,zab}).
#
#   scripts/torture.sh [TIME for each test, 10m unless given] [TEST, a pattern] [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
time=${1:-10m}
pattern=${2:-.}
seed=${3:-0}

scripts/install-zookeeper.sh || echo "Without Apache ZooKeeper its tests are skipped."
ZAB_SCHEDULES=3000 ZKCTL_ELECTION_SCHEDULES=3000 "$GO" test -count=1 -timeout 0 -run "$pattern" -skip Mixed ./localserver/internal/zab
# Every test that has rounds takes TIME; none may take for ever.
"$GO" test -v -count=1 -timeout 0 -run "$pattern" ./localserver/internal/ensembles -torture.for="$time"
exec "$GO" test -v -count=1 -timeout 0 -run "$pattern" ./localserver/internal/torture -torture.for="$time" -torture.seed="$seed"
