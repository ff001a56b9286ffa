"""The Helm chart: Helm renders it, Kubernetes accepts it, and it runs what docker-compose.yml runs."""

import json
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import chart as helm
from helm_python.errors import HelmError

from backend.config.environment import Environment
from tests.support.chart import CHART, read_manifests, render_chart
from tests.support.deployed import read_deployed_command

VARIABLES = {name.upper() for name in Environment.model_fields}
# In the Secret.
SECRETS = {
    *("DJANGO_SECRET_KEY", "DB_PASSWORD", "REDIS_URL", "OBJECT_STORAGE_KEY_ID", "OBJECT_STORAGE_SECRET_KEY"),
    *("SMTP_FROM_PASSWORD", "METRICS_TOKEN", "SENTRY_DSN", "PAYMENT_SECRETS"),
}
# The chart and the image define them.
FIXED = {"PORT", "DATA_DIR"}
VALUES: dict[str, Any] = {
    "image": {"repository": "registry.example.com/lavka", "tag": "1.0.0"},
    "environment": {
        "ALLOWED_HOSTS": ".example.com,shop.example.org",
        "DB_HOST": "db.internal",
        "OBJECT_STORAGE_URL": "https://storage.example.com",
        "OBJECT_STORAGE_REGION": "ru-1",
        "OBJECT_STORAGE_BUCKET": "pictures",
        "SHOP_CURRENCY": "EUR",
    },
}
AUTOSCALED = VALUES | {"web": {"autoscaling": {"enabled": True}}}
# The oldest version that the chart accepts, and the newest one with a schema in the package.
VERSIONS = ("1.29", "1.37")


def render(values: dict[str, Any] = VALUES) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the manifests of a release that is named shop, by kind and name."""
    manifests = read_manifests(render_chart(values, "shop"))
    by_name = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}
    assert len(by_name) == len(manifests)
    return by_name


def list_pods(manifests: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the specifications of the pods by the names of their containers."""
    pods = [
        manifest["spec"]["template"]["spec"]
        for (kind, _), manifest in manifests.items()
        if kind in ("Deployment", "Job")
    ]
    return {pod["containers"][0]["name"]: pod for pod in pods}


@pytest.mark.parametrize("values", [VALUES, AUTOSCALED, VALUES | {"ingress": {"enabled": False}}])
def test_helm_lint_has_no_complaint(values: dict[str, Any]) -> None:
    report = helm.lint(CHART, values, strict=True)
    # Severity 1 is information: the chart has no icon.
    assert [message for message in report["messages"] if message["severity"] > 1] == []
    assert not report["errors"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [VALUES, AUTOSCALED])
def test_manifests_are_valid(values: dict[str, Any], version: str) -> None:
    manifests = render(values)
    assert len(manifests) >= 8
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_invalid_manifest_is_refused() -> None:
    manifest = render()["Deployment", "shop-web"]
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_variables_are_those_of_the_shop() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    names = set(schema["properties"]["environment"]["propertyNames"]["enum"])
    assert names == VARIABLES - SECRETS - FIXED
    manifests = render()
    data = manifests["ConfigMap", "shop"]["data"]
    assert data.keys() <= names | FIXED
    assert data.items() >= VALUES["environment"].items()
    # The Job runs before the ConfigMap exists.
    migrate = list_pods(manifests)["migrate"]["containers"][0]
    assert {variable["name"]: variable["value"] for variable in migrate["env"]} == data
    comment = re.search(
        r"# An existing Secret with(.*?)\nsecretName", (CHART / "values.yaml").read_text(), re.S
    )
    assert comment
    assert set(re.findall(r"[A-Z]+_[A-Z_]+", comment[1])) == SECRETS


def test_settings_of_the_rendered_pods_are_valid_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    secrets = {name: f"{name}-of-the-test" for name in SECRETS - {"SENTRY_DSN", "PAYMENT_SECRETS"}}
    secrets["REDIS_URL"] = "redis://redis.internal:6379/0"
    for name, value in (render()["ConfigMap", "shop"]["data"] | secrets).items():
        monkeypatch.setenv(name, value)
    env = Environment(_env_file=None)
    assert not env.debug
    assert (env.behind_tls_proxy, env.trusted_proxies, env.storefront) == (True, 1, True)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"environment": VALUES["environment"] | {"SHOP_CURENCY": "EUR"}}, "SHOP_CURENCY"),
        ({"environment": VALUES["environment"] | {"DJANGO_SECRET_KEY": "k"}}, "DJANGO_SECRET_KEY"),
        # Helm would write 1e+06.
        ({"environment": VALUES["environment"] | {"RATE_LIMIT_PER_ADDRESS": 1_000_000}}, "RATE_LIMIT"),
        ({"environment": {}}, "environment.ALLOWED_HOSTS is required"),
        (
            {"environment": VALUES["environment"] | {"OBJECT_STORAGE_URL": ""}},
            "OBJECT_STORAGE_URL is required",
        ),
        ({"image": {"repository": "lavka"}}, "image.tag is required"),
        ({"replicas": 3}, "replicas"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(HelmError, match=problem):
        render(VALUES | values)


def test_processes_are_those_of_docker_compose() -> None:
    pods = list_pods(render())
    assert pods.keys() == {"web", "worker", "beat", "migrate"}
    for name in ("worker", "beat", "migrate"):
        assert pods[name]["containers"][0]["command"] == read_deployed_command(name), name
    # That of the image.
    assert "command" not in pods["web"]["containers"][0]
    for name, pod in pods.items():
        (container,) = pod["containers"]
        assert container["image"] == "registry.example.com/lavka:1.0.0", name
        assert {"secretRef": {"name": "lavka"}} in container["envFrom"], name
        assert {"cpu", "memory"} == container["resources"]["requests"].keys(), name


def test_pods_run_without_privileges() -> None:
    for name, pod in list_pods(render()).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["automountServiceAccountToken"] is False, name
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}, name


def test_health_checks_are_those_of_the_shop() -> None:
    pods = list_pods(render())
    web = pods["web"]["containers"][0]
    paths = {
        name: web[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {
        "startupProbe": "/health/ready",
        "readinessProbe": "/health/live",
        "livenessProbe": "/health/live",
    }
    for name in paths:
        assert web[name]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "example.com"}]
    services = yaml.safe_load((CHART.parents[1] / "docker-compose.yml").read_text())["services"]
    for name in ("worker", "beat"):
        (shell, option, script) = pods[name]["containers"][0]["livenessProbe"]["exec"]["command"]
        assert (shell, option) == ("sh", "-c")
        assert script == services[name]["healthcheck"]["test"][1].replace("$$", "$"), name


def test_upgrades_migrate_first_and_keep_every_web_pod_until_its_successor_is_ready() -> None:
    manifests = render()
    job = manifests["Job", "shop-migrate"]["metadata"]["annotations"]
    assert job["helm.sh/hook"] == "pre-install,pre-upgrade"
    web = manifests["Deployment", "shop-web"]["spec"]
    assert web["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    beat = manifests["Deployment", "shop-beat"]["spec"]
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})
    changed = render(VALUES | {"environment": VALUES["environment"] | {"SHOP_CURRENCY": "USD"}})
    for name in ("web", "worker", "beat"):
        before, after = (
            each["Deployment", f"shop-{name}"]["spec"]["template"] for each in (manifests, changed)
        )
        assert before["metadata"]["annotations"] != after["metadata"]["annotations"], name


def test_ingress_and_service_lead_to_the_web_pods_alone() -> None:
    manifests = render()
    ingress = manifests["Ingress", "shop"]["spec"]
    (rule,) = ingress["rules"]
    assert rule["host"] == "example.com"
    assert ingress["tls"] == [{"hosts": ["example.com"], "secretName": "lavka-tls"}]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = manifests["Service", backend["name"]]["spec"]
    matching = [
        name
        for (kind, name), manifest in manifests.items()
        if kind in ("Deployment", "Job")
        and manifest["spec"]["template"]["metadata"]["labels"].items() >= service["selector"].items()
    ]
    assert matching == ["shop-web"]
    assert [port["name"] for port in service["ports"]] == [backend["port"]["name"]]


def test_autoscaling_replaces_the_number_of_replicas() -> None:
    assert render()["Deployment", "shop-web"]["spec"]["replicas"] == 2
    manifests = render(AUTOSCALED)
    assert "replicas" not in manifests["Deployment", "shop-web"]["spec"]
    scaler = manifests["HorizontalPodAutoscaler", "shop-web"]["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop-web"}
