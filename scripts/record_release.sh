#!/bin/sh
# Record the code of the commit $1 (HEAD by default) as the previous release, with which tests/upgrade runs the
# migrations after it. It is in the repository, so that a shallow clone and a source archive can run the tests.
set -eu
cd "$(dirname "$0")/.."
# Neither the local stack nor static files answer the requests of the tests.
git archive --format=tar.gz -9 --output=tests/upgrade/previous_release.tar.gz "${1:-HEAD}" \
    backend manage.py samples/products.tsv scripts/tour.py ':(exclude)backend/core/static' ':(exclude)backend/embedded'
echo "Commit tests/upgrade/previous_release.tar.gz. It has the code of:"
git log -1 --format='%h %ad %s' --date=short "${1:-HEAD}"
