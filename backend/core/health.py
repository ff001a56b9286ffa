"""Whether the shop can serve: asked by load balancers and by `make up`."""

import asyncio
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, JsonResponse
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from backend.core.media import media_fault


@dataclass
class Storage(HealthCheck):
    """Asks the object storage, every few seconds at most."""

    def run(self) -> None:
        fault = media_fault()
        if fault:
            raise ServiceUnavailable(fault)


# The shop sells without these.
_DISPENSABLE = {"storage"}


class Health(HealthCheckView):
    """Answers 200 when every check passes that the shop cannot sell without, else 503, in JSON.

    Why one fails is in the log alone.
    """

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        results = await asyncio.gather(*(check.get_result() for check in self.get_checks()))
        report = {
            type(result.check).__name__.lower(): "unavailable" if result.error else "ok" for result in results
        }
        down = {name for name, state in report.items() if state == "unavailable"}
        return JsonResponse(report, status=503 if down - _DISPENSABLE else 200)
