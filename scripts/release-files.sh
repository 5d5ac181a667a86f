#!/usr/bin/env bash
# Writes into build/release what packages hold besides the binary: manual pages and
# completion scripts, made by zkctl itself. The files depend on nothing but the sources,
# the version and the time of the commit.
#
#   scripts/release-files.sh VERSION COMMIT_DATE
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
package=github.com/zkctl/zkctl/internal/version
out=build/release

rm -rf "$out"
mkdir -p "$out/man" "$out/completions"
CGO_ENABLED=0 GOOS= GOARCH= "$GO" build -trimpath -ldflags "-X $package.Version=$1 -X $package.Date=$2" -o build/zkctl ./cmd/zkctl

build/zkctl man "$out/man"
gzip -9 --no-name "$out"/man/*.1
build/zkctl completion bash >"$out/completions/zkctl.bash"
build/zkctl completion zsh >"$out/completions/_zkctl"
build/zkctl completion fish >"$out/completions/zkctl.fish"
build/zkctl completion powershell >"$out/completions/zkctl.ps1"
