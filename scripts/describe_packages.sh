#!/bin/sh
# Write an SBOM (CycloneDX) and the licences of the packages that the Python $1 has, to the directory $2.
set -eu
mkdir -p "$2"
# `--with-system`: packages of the shop that pip-licenses uses too are listed.
cyclonedx-py environment --output-reproducible --mc-type application --output-file "$2/sbom.cdx.json" "$1"
pip-licenses --python "$1" --from mixed --with-system --format markdown --with-urls --output-file "$2/licences.md"
