"""Tell what happens to jobs: traces, metrics and log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oxmq.telemetry.opentelemetry import OpenTelemetry

__all__ = ["OpenTelemetry"]

_MISSING = 'OpenTelemetry is not installed: pip install "oxmq[otel]"'


def __getattr__(name: str) -> type[OpenTelemetry]:
    """Import what is asked for by name, so that nobody needs OpenTelemetry who does not use it.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """
    if name != "OpenTelemetry":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from oxmq.telemetry.opentelemetry import OpenTelemetry  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "opentelemetry":
            raise ImportError(_MISSING) from None
        raise
    return OpenTelemetry
