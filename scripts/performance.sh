#!/usr/bin/env bash
# Runs all benchmarks, one after the other, and writes docs/performance.md anew. What misses its target, or cannot be
# measured, does not stop the others: the last lines name it. A benchmark that fails leaves its part of the page as it was.
#
#   scripts/performance.sh ZKCTL [KIND...]     (all kinds: local commands offline logs find transfer watch ensemble)
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
zkctl=$1
shift
[ $# -gt 0 ] || set -- local commands offline logs find transfer watch ensemble

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$GO" build -o "$tools/bench" ./internal/bench
below=()
for kind; do
	flag=-$kind
	[ "$kind" != commands ] || flag=
	echo "measuring: $kind" >&2
	"$tools/bench" $flag -zkctl "$zkctl" -write docs/performance.md 2>&1 >"$tools/out" | tee "$tools/err" >&2 ||
		below+=("$kind: $(grep -E '^bench: (below the target|NOT MEASURED)' "$tools/err" || tail -n 1 "$tools/err")")
done
[ ${#below[@]} -eq 0 ] || printf '%s\n' "${below[@]}" >&2
