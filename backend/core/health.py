"""Whether the shop can serve: asked by load balancers and by `make up`."""

import asyncio
from typing import Any

from django.http import HttpRequest, JsonResponse
from health_check.views import HealthCheckView


class Health(HealthCheckView):
    """Answers 200 when every check passes, else 503, in JSON; why one fails is in the log alone."""

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        results = await asyncio.gather(*(check.get_result() for check in self.get_checks()))
        report = {
            type(result.check).__name__.lower(): "unavailable" if result.error else "ok" for result in results
        }
        return JsonResponse(report, status=503 if "unavailable" in report.values() else 200)
