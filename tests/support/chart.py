"""The Helm chart as Helm renders it."""

from pathlib import Path
from typing import Any

import yaml
from helm_python.chart import Chart

CHART = Path(__file__).resolve().parents[2] / "examples/kubernetes"


def render_chart(values: dict[str, Any], release: str) -> dict[str, str]:
    """Return the rendered files of a release by their paths.

    Args:
        release: the name of the release and of its namespace.

    Raises:
        HelmError: the chart refuses the values.
    """
    with Chart.load(CHART) as chart:
        return dict(chart.render(values, name=release, namespace=release))


def read_manifests(files: dict[str, str]) -> list[dict[str, Any]]:
    """Return the Kubernetes manifests in rendered files."""
    return [
        manifest
        for path, text in files.items()
        if path.endswith(".yaml")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]
