"""Health checks for load balancers and for `make up`."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from backend import __version__
from backend.core.media.storage import check_media_storage
from backend.core.replica.monitor import monitor

logger = logging.getLogger(__name__)


@require_safe
def report_liveness(request: HttpRequest) -> JsonResponse:
    """Report that this process responds, and its version. No service is used."""
    return JsonResponse({"status": "ok", "version": __version__})


@dataclass
class Storage(HealthCheck):
    """Check that the object storage responds, at most every few seconds."""

    def run(self) -> None:
        error = check_media_storage()
        if error:
            raise ServiceUnavailable(error)


@dataclass
class Replica(HealthCheck):
    """Check that catalogue reads can use the replica. Otherwise they use the primary."""

    def run(self) -> None:
        monitor.start()
        if monitor.last_error:
            raise ServiceUnavailable(monitor.last_error)


# Failures of these checks do not make the shop unavailable.
_OPTIONAL = {"storage", "replica"}


class Health(HealthCheckView):
    """A JSON report of all checks, with status 503 if a required one fails and 200 otherwise.

    The reasons of failures are logged in one line and not part of the report.
    """

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        results = await asyncio.gather(*(check.get_result() for check in self.get_checks()))
        report = {
            type(result.check).__name__.lower(): "unavailable" if result.error else "ok" for result in results
        }
        failures = [f"{type(result.check).__name__}: {result.error}" for result in results if result.error]
        if failures:
            logger.warning("Health checks failed. %s", " ".join("; ".join(failures).split()))
        down = {name for name, state in report.items() if state == "unavailable"}
        return JsonResponse(report, status=503 if down - _OPTIONAL else 200)
