"""Write source text that adds a job like another: in Python and, for Node, in JavaScript."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, cast

import msgspec

from oxmq.keys import DEFAULT_PREFIX
from oxmq.monitor.job_options import read_given
from oxmq.monitor.payloads import Payload, as_text, read_payload
from oxmq.monitor.site import Redact
from oxmq.options import Backoff, Deduplication, Keep

#: How large data may be to be part of a call, in bytes.
_MAX_DATA = 32 * 1024
#: What belongs to one job alone.
_OWN: Final = frozenset({"job_id", "timestamp", "parent", "telemetry"})
_OWN_ON_WIRE: Final = frozenset({"jobId", "timestamp", "parent", "prevMillis", "repeat", "repeatJobKey", "tm", "omc"})
#: What the wire writes in short.
_LONG_NAMES: Final = {
    "kl": "keepLogs",
    "de": "deduplication",
    "fpof": "failParentOnFailure",
    "cpof": "continueParentOnFailure",
    "idof": "ignoreDependencyOnFailure",
    "rdof": "removeDependencyOnFailure",
}


def python_call(queue: str, prefix: str, name: str, data: Payload, options: bytes) -> str:
    """Return Python that adds such a job, to be pasted into ``python -m asyncio``; secrets are missing from it."""
    given = {key: value for key, value in read_given(options).items() if key not in _OWN}
    names = ["Queue", *sorted({_import_of(value) for value in given.values()} - {""})]
    place = repr(queue) if prefix == DEFAULT_PREFIX else f"{queue!r}, prefix={prefix!r}"
    words = [repr(name), _shortened(data, repr), *(f"{key}={_python(value)}" for key, value in given.items())]
    return f"from oxmq import {', '.join(names)}\n\nawait Queue({place}).add({', '.join(words)})\n"


def node_call(queue: str, prefix: str, name: str, data: Payload, options: bytes, redact: Redact) -> str:
    """Return JavaScript, a module, that adds such a job with BullMQ; secrets are missing from it."""
    place = ", ".join(map(_javascript, [queue] if prefix == DEFAULT_PREFIX else [queue, {"prefix": prefix}]))
    words = [_javascript(name), _shortened(data, _javascript)]
    given = _node_options(options, redact)
    if given:
        words.append(_javascript(given))
    return f'import {{ Queue }} from "bullmq";\n\nawait new Queue({place}).add({", ".join(words)});\n'


def _shortened(data: Payload, write: Callable[[object], str]) -> str:
    if data.truncated or data.size > _MAX_DATA:
        return write(f"[{data.size} bytes of data: too large to be shown]")
    return write(data.value)


def _import_of(value: object) -> str:
    if isinstance(value, Backoff):
        return value.type if value.type in ("fixed", "exponential") else "Backoff"
    return type(value).__name__ if isinstance(value, Keep | Deduplication) else ""


def _python(value: object) -> str:
    if isinstance(value, Backoff):
        jitter = f", jitter={value.jitter}" if value.jitter else ""
        if value.type in ("fixed", "exponential"):
            return f"{value.type}({value.delay_ms / 1000:g}{jitter})"
        return f"Backoff({value.type!r}, {value.delay_ms}{jitter})"
    if isinstance(value, Keep):
        members = {"count": value.count, "age": value.age, "limit": value.limit}
        return f"Keep({_arguments({name: inner for name, inner in members.items() if inner is not None})})"
    if isinstance(value, Deduplication):
        members = msgspec.structs.asdict(value)
        return f"Deduplication({_arguments({name: inner for name, inner in members.items() if inner})})"
    return repr(value)


def _arguments(members: dict[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in members.items())


def _node_options(stored: bytes, redact: Redact) -> dict[str, object]:
    value = read_payload(stored, redact, _MAX_DATA).value
    if not isinstance(value, dict):
        return {}
    members = cast("dict[str, object]", value)
    return {
        _LONG_NAMES.get(name, name): inner
        for name, inner in members.items()
        if name not in _OWN_ON_WIRE and (name, inner) != ("attempts", 0)
    }


def _javascript(value: object) -> str:
    """Return a JSON value as JavaScript: JSON is nearly that, but ``__proto__`` would not become a member."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return "{" + ", ".join(f"{_member(name)}: {_javascript(inner)}" for name, inner in members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_javascript, cast("list[object]", value))) + "]"
    return json.dumps(value) if isinstance(value, str) else as_text(value)


def _member(name: str) -> str:
    return '["__proto__"]' if name == "__proto__" else json.dumps(name)
