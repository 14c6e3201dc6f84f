"""Set OpenTelemetry up from its standard environment variables, for processes where nobody else has."""

from __future__ import annotations

import atexit
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Final

from oxmq.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from oxmq.telemetry.opentelemetry import OpenTelemetry

#: How long a process that ends waits for the collector to take what is left, in seconds.
_FAREWELL: Final = 2.0
#: What a process is called that nobody has given a name.
_SERVICE: Final = "oxmq"
_MISSING: Final = 'OXMQ_OTEL (or --otel) asks for OpenTelemetry, which is not installed: pip install "oxmq[otel]"'


@cache
def start() -> OpenTelemetry:
    """Return OpenTelemetry's hold on jobs; one for a process, however often it is asked for.

    Spans and metrics go where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says, by OTLP over HTTP. Where the process has providers
    already (``opentelemetry-instrument``, or code of its own) they are used as they are. What has not been sent is when
    the process ends.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    try:
        _set_providers()
        from oxmq.telemetry.opentelemetry import OpenTelemetry  # noqa: PLC0415 - it may be missing: see above
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "opentelemetry":
            raise ConfigurationError(_MISSING) from None
        raise
    return OpenTelemetry()


def _set_providers() -> None:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    # What is imported here is wanted only where OpenTelemetry is, and may be missing.
    from opentelemetry import metrics, trace  # noqa: PLC0415 - see above
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - see above
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - see above
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above

    resource = _resource()
    at_exit: list[Callable[[], None]] = []
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider) and _exports("OTEL_TRACES_EXPORTER"):
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        at_exit.append(tracers.shutdown)
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(tracers)
    if not isinstance(metrics.get_meter_provider(), MeterProvider) and _exports("OTEL_METRICS_EXPORTER"):
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        at_exit.append(meters.shutdown)
        metrics.set_meter_provider(meters)
    if at_exit:
        _call_at_exit(at_exit)


def _call_at_exit(sends: Iterable[Callable[[], None]]) -> None:
    """Send what is left when the process ends, and wait a moment for it: a collector may be away for long."""
    ending = threading.Event()

    def wait_and_send(send: Callable[[], None]) -> None:
        ending.wait()
        send()

    # Started here, for a process that ends starts no threads.
    senders = [threading.Thread(target=wait_and_send, args=(send,), daemon=True) for send in sends]
    for sender in senders:
        sender.start()

    def end() -> None:
        ending.set()
        deadline = time.monotonic() + _FAREWELL
        for sender in senders:
            sender.join(max(0.0, deadline - time.monotonic()))

    atexit.register(end)


def _resource() -> Resource:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - it may be missing: see `start`

    named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "") or "OTEL_SERVICE_NAME" in os.environ
    # Each process has counters of its own, which must not be taken for another's.
    attributes: dict[str, str | int] = {"service.instance.id": str(uuid.uuid4()), "process.pid": os.getpid()}
    return Resource.create(attributes if named else {**attributes, "service.name": _SERVICE})


def _exports(variable: str) -> bool:
    return os.environ.get(variable, "otlp").lower() != "none"
