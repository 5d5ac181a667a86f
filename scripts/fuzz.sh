#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other. What is found to be new is
# made smaller a few times only, so that the time goes into looking.
#
#   scripts/fuzz.sh [TIME, 10s unless given]
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
time=${1:-10s}

{ grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . || true; } |
	sed -E 's/^(.*)\/[^/]*:func (Fuzz.*)$/\1 \2/' | sort |
	while read -r package target; do
		echo "$package $target"
		"$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" </dev/null
	done
