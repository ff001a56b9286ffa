"""URL configuration."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import conditional_page
from django.views.generic import RedirectView

from backend.accounts.selectors import authenticate
from backend.api.graphql import CACHED_FIELDS, schema
from backend.api.rest import api
from backend.core.broker import count_queued_tasks
from backend.core.error_pages import permission_denied
from backend.core.graphql import GraphQLView
from backend.core.health import Health, report_liveness
from backend.core.media.views import serve_media
from backend.core.metrics import make_metrics_view
from backend.core.problems import bad_request, page_not_found, server_error
from backend.core.storefront import PATHS, serve_storefront
from backend.notifications.selectors import count_failed_emails, count_waiting_emails, measure_email_delay
from backend.orders.admin.dashboard import show_dashboard
from backend.orders.payments.views import receive_payment
from backend.wishlists.views import unsubscribe

handler400 = bad_request
handler403 = permission_denied
handler404 = page_not_found
handler500 = server_error

graphql = csrf_exempt(
    conditional_page(
        GraphQLView.as_view(
            schema=schema,
            authenticate=authenticate,
            cached_fields=CACHED_FIELDS,
            graphql_ide="graphiql" if settings.GRAPHIQL else None,
        )
    )
)

readiness = ["health_check.checks.Database", "health_check.checks.Cache"]
if settings.ENV.db_replica_host:
    readiness.append("backend.core.health.Replica")
if settings.ENV.object_storage_url:
    readiness.append("backend.core.health.Storage")

home: list[URLPattern] = []
if settings.STOREFRONT:
    home.append(re_path(PATHS, serve_storefront, name="storefront"))
elif settings.GRAPHIQL or settings.SWAGGER_PERMISSION != "NONE":
    home.append(path("", RedirectView.as_view(url="/graphql" if settings.GRAPHIQL else "/docs")))

# Values that all hosts share: an alert takes their maximum, not their sum.
metrics = make_metrics_view(
    {
        ("lavka_queued_tasks", "Celery tasks that no worker has taken, by priority.", "priority"): (
            count_queued_tasks
        ),
        ("lavka_waiting_mails", "Mails that are not sent yet.", ""): count_waiting_emails,
        (
            "lavka_failed_mails",
            "Mails of the last 30 days that are not tried again.",
            "",
        ): count_failed_emails,
        ("lavka_mail_delay_seconds", "Time for which the most overdue mail has been due.", ""): (
            measure_email_delay
        ),
    }
)

urlpatterns = [
    path("graphql", graphql, name="graphql"),
    path("admin/", admin.site.admin_view(show_dashboard)),
    path("admin/", admin.site.urls),
    path("health/live", report_liveness, name="health-live"),
    path("health/ready", Health.as_view(checks=readiness), name="health-ready"),
    path("metrics", metrics, name="metrics"),
    path("payments/<str:provider>", receive_payment, name="payments"),
    path("unsubscribe", unsubscribe, name="unsubscribe"),
    re_path(r"^media/(?P<path>.*)$", serve_media, name="media"),
    *home,
    path("", api.urls),
]
