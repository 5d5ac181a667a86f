#!/usr/bin/env bash
# Writes a software bill of materials (CycloneDX) of a built binary, from what the Go
# toolchain recorded in it. It has the time of the commit and no serial number, so that it
# can be made again.
#
#   scripts/sbom.sh BINARY DOCUMENT
set -euo pipefail
cyclonedx-gomod bin -json -noserial -notimestamp -output "$2" "$1"
