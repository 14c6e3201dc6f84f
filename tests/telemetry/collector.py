"""Be an OpenTelemetry collector: take spans and metrics by OTLP over HTTP, and keep them."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from msgspec import Struct
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


class CollectedSpan(Struct, frozen=True):
    """Hold a span as it arrived; ids in hexadecimal digits.

    Attributes:
        service: the name of the process that sent it.
        links: the ids of the spans that it links to.
    """

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    failed: bool


class Collector:
    """Listen on a free port of this computer from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._spans: list[CollectedSpan] = []
        self._points: dict[str, dict[frozenset[tuple[str, Any]], Any]] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802, RUF100 - the name is the server's
                body = self._read_body()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _read_body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Return what goes into ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[CollectedSpan]:
        """Return what has arrived so far."""
        return list(self._spans)

    def named(self, name: str) -> list[CollectedSpan]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def points(self, metric: str) -> dict[frozenset[tuple[str, Any]], Any]:
        """Return the latest point of each series of a metric, by its attributes."""
        return dict(self._points.get(metric, {}))

    def take(self, path: str, body: bytes) -> None:
        """Keep what a process has sent."""
        self.bodies.append(body)
        if path == "/v1/traces":
            self._take_spans(ExportTraceServiceRequest.FromString(body))
        else:
            self._take_metrics(ExportMetricsServiceRequest.FromString(body))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take_spans(self, request: ExportTraceServiceRequest) -> None:
        for of_resource in request.resource_spans:
            service = str(_values(of_resource.resource.attributes).get("service.name"))
            for scope in of_resource.scope_spans:
                for span in scope.spans:
                    self._spans.append(
                        CollectedSpan(
                            service=service,
                            name=span.name,
                            kind=_KINDS[span.kind],
                            trace=span.trace_id.hex(),
                            id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            links=tuple(link.span_id.hex() for link in span.links),
                            attributes=_values(span.attributes),
                            failed=span.status.code == 2,
                        )
                    )

    def _take_metrics(self, request: ExportMetricsServiceRequest) -> None:
        for of_resource in request.resource_metrics:
            for scope in of_resource.scope_metrics:
                for metric in scope.metrics:
                    shape = metric.WhichOneof("data")
                    for point in getattr(metric, str(shape)).data_points:
                        series = self._points.setdefault(metric.name, {})
                        series[frozenset(_values(point.attributes).items())] = point


def _values(attributes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in attributes:
        value = attribute.value
        kind = value.WhichOneof("value")
        found[attribute.key] = (
            tuple(_plain(one) for one in value.array_value.values) if kind == "array_value" else (_plain(value))
        )
    return found


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
