"""Try docker-compose.yml on a Debian machine without a container engine, as root.

    .venv/bin/python -m scripts.try_compose

`scripts/try_image.sh` must have built the image. Every service has its own network namespace, and runs as in
docker-compose.yml: after its dependencies, with its command, environment, mounts, health check, read-only
root and no capabilities. Programs of packages replace the images of others: nginx, PostgreSQL, Valkey, rclone
for the S3 server, a mail sink, and Prometheus. Grafana is left out, since Debian has no package of it.

The tour and the browser tests of the storefront run against the published port, or the command in the
arguments.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from scripts.containers import HOST, IMAGE, MAX_SECONDS, PROJECT_DIR, PYTHON, Deployment, run

# Programs, and the packages that have them.
PROGRAMS = {
    "buildah": "buildah",
    "ip": "iproute2",
    "nginx": "nginx",
    "prometheus": "prometheus",
    "socat": "socat",
}
COMMAND = [sys.executable, "-m", "scripts.try_compose"]


def print_step(text: str) -> None:
    """Print what happens next."""
    print(f"== {text}", flush=True)


def remove(work: Path) -> None:
    """Remove the directory of a deployment, unless a mount is left in it."""
    subprocess.run(["umount", "--recursive", "--lazy", work / "mounts"], check=True)
    (work / "mounts").rmdir()
    shutil.rmtree(work)


def check_services(deployment: Deployment) -> None:
    """Check what only a running deployment shows: the rights of its processes, and its metrics."""
    refused = subprocess.run(
        deployment.make_command("web", ["touch", "/app/file"]), capture_output=True, text=True, check=False
    )
    if "Read-only file system" not in refused.stderr:
        sys.exit("The root of web is not read-only.")
    query = "http://127.0.0.1:9090/api/v1/query?query=up"
    for _ in range(MAX_SECONDS):
        answer = json.loads(run(*deployment.make_command("prometheus", ["wget", "-q", "-O", "-", query])))
        values = [sample["value"][1] for sample in answer["data"]["result"]]
        if values == ["1"]:
            print("prometheus: scrapes web")
            return
        time.sleep(1)
    sys.exit(f"Prometheus does not scrape the shop: {answer}")


def try_shop(deployment: Deployment, commands: Sequence[Sequence[str]]) -> None:
    """Add an account and the sample catalogue, and run commands beside the published ports."""
    in_web = partial(deployment.make_command, "web")
    password = secrets.token_urlsafe(20)
    print_step("Creating the first staff account, and loading the sample catalogue")
    create = ["python", "manage.py", "createsuperuser", "--no-input", "--email", "admin@example.com"]
    print(run(*in_web(create, DJANGO_SUPERUSER_PASSWORD=password)))
    print(run(*in_web(["python", "manage.py", "load_sample_catalogue"])))
    environment = {
        **os.environ,
        "SHOP_URL": "http://localhost:8000",
        "SHOP_EXEC": shlex.join(in_web([])),
        "SHOP_MAIL": str(deployment.work / "mail"),
        "DATA_DIR": str(deployment.work),
    }
    for command in commands:
        print_step(shlex.join(command))
        in_host = ["ip", "netns", "exec", HOST, *command]
        if subprocess.run(in_host, env=environment, cwd=PROJECT_DIR, check=False).returncode:
            logs = "\n".join(
                f"{name}:\n{deployment.read_log(name)[-2000:]}" for name in ("nginx", "web", "worker")
            )
            sys.exit(f"{logs}\n{command[0]} has failed")


def main(arguments: Sequence[str]) -> None:
    # Clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if arguments[:1] != ["--in-namespace"]:
        # The mounts disappear with the namespace, also when this process is killed.
        os.execvp("unshare", ["unshare", "--mount", *COMMAND, "--in-namespace", *arguments])  # noqa: S606
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        print_step(f"Installing {', '.join(missing)}")
        run("apt-get", "update", "-qq")
        run("env", "RUNLEVEL=1", "apt-get", "install", "-qq", "--yes", "--no-install-recommends", *missing)
    commands = [list(arguments[1:])] if arguments[1:] else [
        [str(PYTHON), "scripts/tour.py"],
        [str(PYTHON), "-m", "pytest", "-q", "tests/browser/test_storefront.py"],
    ]  # fmt: skip
    with ExitStack() as stack:
        work = Path(tempfile.mkdtemp(prefix="lavka-compose-"))
        stack.callback(remove, work)
        work.chmod(0o755)
        # All other mounts are in this one, and the upper layers not in the file system of the lower ones.
        (work / "mounts").mkdir()
        run("mount", "-t", "tmpfs", "tmpfs", work / "mounts")
        container = run("buildah", "from", IMAGE)
        stack.callback(run, "buildah", "rm", container)
        deployment = Deployment(work, Path(run("buildah", "mount", container)), stack)
        print_step("Creating the network")
        deployment.make_network()
        stack.callback(deployment.stop)
        print_step("Starting the services")
        run("mount", "--bind", work / "hosts", "/etc/hosts")
        deployment.start_all()
        check_services(deployment)
        try_shop(deployment, commands)
        print_step("Stopping the services")
    print_step("docker-compose.yml works")


if __name__ == "__main__":
    main(sys.argv[1:])
