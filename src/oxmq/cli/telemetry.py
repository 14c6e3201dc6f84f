"""Have the jobs of the applications that a command loads followed."""

from __future__ import annotations

import os

from oxmq.tracing import OTEL_VARIABLE


def ask_for_telemetry(wanted: bool, service: str) -> None:
    """Let this process, and those that it will start, send spans and metrics.

    Args:
        wanted: whether to do so.
        service: what the process is called, where the environment gives it no name.
    """
    if not wanted:
        return
    os.environ[OTEL_VARIABLE] = "1"
    if "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ.setdefault("OTEL_SERVICE_NAME", service)
