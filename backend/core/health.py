"""Health checks for load balancers and for `make up`."""

import asyncio
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, JsonResponse
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from backend.core.media.storage import check_media_storage


@dataclass
class Storage(HealthCheck):
    """Checks that the object storage responds, at most every few seconds."""

    def run(self) -> None:
        fault = check_media_storage()
        if fault:
            raise ServiceUnavailable(fault)


# The shop stays in service without these.
_OPTIONAL = {"storage"}


class Health(HealthCheckView):
    """A JSON report of all checks, with status 503 if a required one fails and 200 otherwise.

    It does not contain the reasons of failures, which are logged.
    """

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        results = await asyncio.gather(*(check.get_result() for check in self.get_checks()))
        report = {
            type(result.check).__name__.lower(): "unavailable" if result.error else "ok" for result in results
        }
        down = {name for name, state in report.items() if state == "unavailable"}
        return JsonResponse(report, status=503 if down - _OPTIONAL else 200)
