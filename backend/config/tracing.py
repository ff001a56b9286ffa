"""Traces of requests, statements, Redis commands and tasks, sent to an OpenTelemetry collector."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, get_tracer, set_tracer_provider
from opentelemetry.util.types import Attributes

from backend.core import db_watch
from backend.core.logs import remove_personal_data
from backend.core.metrics import name_operation
from backend.core.request_record import get_record

# A collector that is down delays the end of a process by no more than this.
EXPORT_TIMEOUT_SECONDS = 2

_tracer = get_tracer("lavka")


class CleaningExporter(OTLPSpanExporter):
    """Exporter that removes personal data from all texts of a span, as the logs do."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send cleaned copies of the spans."""
        return super().export([_clean_span(span) for span in spans])


def start_tracing(endpoint: str) -> None:
    """Send the traces of this process to a collector.

    Further variables of the OpenTelemetry SDK apply, such as ``OTEL_TRACES_SAMPLER`` and
    ``OTEL_EXPORTER_OTLP_HEADERS``.

    Args:
        endpoint: base address of the collector's OTLP receiver over HTTP.
    """
    exporter = CleaningExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS)
    provider = TracerProvider(resource=Resource.create({"service.name": "lavka"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    set_tracer_provider(provider)
    RedisInstrumentor().instrument()
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    # The instrumentation of psycopg2 replaces the class of cursors, which has the timeout.
    db_watch.trace_statement = _trace_statement


def trace_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Give each request a span, which continues the trace of the client's `traceparent`."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with _tracer.start_as_current_span(
            str(request.method), extract(request.headers), SpanKind.SERVER
        ) as span:
            response = get_response(request)
            record, match = get_record(), request.resolver_match
            if record:
                api, operation = name_operation(request.method, match, record)
                span.update_name(f"{request.method} {api} {operation}")
                span.set_attribute("lavka.request_id", record.request_id)
                if record.error_code:
                    span.set_attribute("error.type", record.error_code)
            span.set_attribute("http.request.method", str(request.method))
            span.set_attribute("http.response.status_code", response.status_code)
            if match:
                span.set_attribute("http.route", match.route)
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
            return response

    return middleware


@contextmanager
def _trace_statement(query: Any) -> Iterator[None]:
    """Give a statement a span with its text, which has placeholders in the place of values."""
    text = str(query)
    with _tracer.start_as_current_span(text.split(maxsplit=1)[0], kind=SpanKind.CLIENT) as span:
        span.set_attribute("db.system.name", "postgresql")
        span.set_attribute("db.query.text", text)
        yield


def _clean_span(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_clean_attributes(span.attributes),
        events=[
            Event(event.name, _clean_attributes(event.attributes), event.timestamp) for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, remove_personal_data(span.status.description or "") or None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _clean_attributes(attributes: Attributes) -> Attributes:
    return {
        name: remove_personal_data(value) if isinstance(value, str) else value
        for name, value in (attributes or {}).items()
    }
