#!/usr/bin/env bash
# gofmt, go vet and staticcheck over the whole module.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

echo "gofmt"
unformatted=$("$("$GO" env GOROOT)/bin/gofmt" -l .)
if [ -n "$unformatted" ]; then
	printf 'not formatted as gofmt does (run: gofmt -w FILE):\n%s\n' "$unformatted" >&2
	exit 1
fi
echo "go vet ./..."
"$GO" vet ./...
echo "staticcheck ./..."
"$GO" tool staticcheck ./...
