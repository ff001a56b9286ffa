#!/bin/sh
# Write the generated files to the directory $1: schema.graphql, openapi.json, the documents with a diagram or a
# table of the code, the catalogue of translations, and the compiled requirements. Versions that are pinned in $1
# are kept, unless $UPDATE has options of uv to upgrade them.
set -eu
bin=$PWD/.venv/bin
target=$(cd "$1" && pwd)

"$bin/python" manage.py export_schema backend.api.graphql:schema --path "$target/schema.graphql"
"$bin/python" manage.py export_openapi_schema --api backend.api.rest.api --indent 2 --output "$target/openapi.json"
mkdir -p "$target/docs"
"$bin/python" -m scripts.draw_architecture "$target/docs/architecture.md"
"$bin/python" -m scripts.draw_data_model "$target/docs/data-model.md"
"$bin/python" -m scripts.describe_configuration "$target/docs/configuration.md"
"$bin/python" -m scripts.extract_messages "$target/backend/locale"

cd "$target/requirements"
# strawberry-django-auth requires a type checker, which the shop does not use. Its packages are excluded, so
# base.txt must be installed without resolving dependencies.
type_checker="ast-serialize django-stubs django-stubs-ext librt mypy mypy-extensions pathspec types-pyyaml"
for name in base embedded sbom dev; do
    "$bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-emit-find-links \
        $([ "$name" = base ] && printf -- '--no-emit-package %s ' $type_checker) \
        ${UPDATE:-} --output-file "$name.txt" "$name.in"
done
