"""Show the options that a job was added with, in the API's spelling: names with underscores, seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

import msgspec

from oxmq.codec import WireOptions, read_options, user_options
from oxmq.monitor.payloads import read_payload
from oxmq.monitor.site import Redact
from oxmq.options import FAILURE_POLICIES, Backoff, Deduplication, JobOptions, Keep, Parent, Telemetry

#: How large stored options may be to be shown whole, in bytes.
_MAX_OPTIONS = 64 * 1024
#: Under what names the wire has the options that are understood.
_WIRE_NAMES: Final = frozenset(field.encode_name for field in msgspec.structs.fields(WireOptions))
#: What belongs to one job alone and is not repeated with another.
_OWN: Final = frozenset({"job_id", "delay", "timestamp", "parent", "deduplication", "telemetry", *FAILURE_POLICIES})


def read_given(stored: bytes) -> dict[str, Any]:
    """Return the options that were given, as `JobOptions` takes them; what is not understood is left out."""
    try:
        given = user_options(read_options(stored)).given()
    except (ValueError, OverflowError, OSError, RecursionError):
        return {}
    # The wire says 0 where nobody said anything.
    return {name: value for name, value in given.items() if (name, value) != ("attempts", 0)}


def repeatable_options(stored: bytes) -> dict[str, Any]:
    """Return the options for another job of the same kind, to run now."""
    return {name: value for name, value in read_given(stored).items() if name not in _OWN}


def shown_options(stored: bytes, redact: Redact) -> dict[str, Any]:
    """Return the options as they may be shown; those that oxmq does not know are there as they are stored."""
    shown = {name: _plain(value) for name, value in read_given(stored).items()}
    other = read_payload(stored, redact, _MAX_OPTIONS).value
    if not isinstance(other, dict):
        return {**shown, "stored": other}
    members = cast("dict[str, object]", other)
    strange = {name: value for name, value in members.items() if name not in _WIRE_NAMES and name not in shown}
    return {**shown, **strange}


def plain_options(options: JobOptions) -> dict[str, Any]:
    """Return the options that were given, as plain values: those of the jobs that a schedule makes."""
    return {name: _plain(value) for name, value in options.given().items()}


def _plain(value: object) -> object:
    if isinstance(value, Backoff):
        return _given(type=value.type, delay=value.delay_ms / 1000, jitter=value.jitter or None)
    if isinstance(value, Keep):
        return _given(count=value.count, age=value.age, limit=value.limit)
    if isinstance(value, Deduplication):
        return {name: inner for name, inner in msgspec.structs.asdict(value).items() if inner not in (None, False)}
    if isinstance(value, Parent | Telemetry):
        return msgspec.structs.asdict(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _given(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
