"""Whether the shop can serve: asked by load balancers and by `make up`."""

from typing import Any

from django.http import HttpResponse
from health_check.views import HealthCheckView


class Health(HealthCheckView):
    """Answers 200 when every check passes, else 503; in JSON, or as the query's `format` says."""

    def render_to_response(self, context: dict[str, Any], status: int = 200) -> HttpResponse:
        return self.render_to_response_json(status)

    def render_to_response_json(self, status: int) -> HttpResponse:
        response: HttpResponse = super().render_to_response_json(503 if status == 500 else status)
        return response
