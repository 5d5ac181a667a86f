#!/usr/bin/env bash
# Builds everything that a release consists of into dist/: goreleaser does (.goreleaser.yaml),
# but for the container image, which tools/image makes without Docker. With --snapshot it
# publishes nothing and needs no network once the modules are there; other arguments
# go to goreleaser.
#
# The tools are compiled from tools/go.mod, which takes some minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

COMMIT=$(git rev-parse HEAD)
COMMIT_TIMESTAMP=$(git log -1 --format=%ct)
COMMIT_DATE=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
export TAP_TOKEN=${TAP_TOKEN:-} # for the tap and the bucket, when it publishes
export COMMIT COMMIT_DATE COMMIT_TIMESTAMP SOURCE_DATE_EPOCH=$COMMIT_TIMESTAMP

mkdir -p build/tools
echo "building the release tools"
(cd tools && "$GO" build -o ../build/tools/ github.com/goreleaser/goreleaser/v2 github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod \
	github.com/google/go-containerregistry/cmd/crane ./image)
export PATH="$PWD/build/tools:$PATH"

goreleaser release --clean "$@"

version=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' dist/metadata.json)
image -version "$version" -date "$COMMIT_DATE" -o "dist/zkctl_${version}_oci.tar" \
	amd64="$(echo dist/zkctl_linux_amd64*/zkctl)" arm64="$(echo dist/zkctl_linux_arm64*/zkctl)"
ls -l dist | awk 'NR > 1 { print $5, $9 }'
