"""Turn data, options and hashes into BullMQ's wire encoding and back.

JSON in and out is strict: what JSON cannot carry is refused before anything is sent. Reading is liberal: options that
another library wrote may have members and number formats of their own.
"""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from oxmq.durations import Duration, milliseconds
from oxmq.errors import ConfigurationError
from oxmq.options import (
    Backoff,
    Deduplication,
    JobOptions,
    Keep,
    KeepOption,
    Parent,
    Referable,
    Telemetry,
    acceptable_options,
)

#: What data, a result, a progress value and a log line may each take, in bytes.
MAX_VALUE_BYTES = 1024 * 1024


def write_foreign(value: Any) -> Any:  # noqa: ANN401 - whatever msgspec does not know
    """Return an object with Pydantic's `model_dump` as plain values; so Pydantic need not be installed."""
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"values of type {type(value).__name__} are not JSON")
    return dump(mode="json")


def read_foreign(kind: type[Any], value: object) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Return plain values as an object of a class with Pydantic's `model_validate`."""
    validate = getattr(kind, "model_validate", None)
    if validate is None:
        raise TypeError(f"cannot read values of type {kind.__name__}")
    return validate(value)


_encoder = msgspec.json.Encoder(enc_hook=write_foreign)
_decoder = msgspec.json.Decoder()


def encode_json(value: object, field: str, limit: int | None = MAX_VALUE_BYTES) -> bytes:
    """Return `value` as JSON text.

    Raises:
        ConfigurationError: JSON cannot carry it, or it takes more than `limit` bytes; the message names `field`.
    """
    try:
        text = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigurationError(f"{field} cannot be written as JSON: {error}") from None
    # The encoder writes NaN and the infinities as null, which would lose them silently.
    # JSON that was written elsewhere holds none.
    if b"null" in text and not isinstance(value, msgspec.Raw | None) and _has_non_finite(value):
        raise ConfigurationError(f"{field} cannot be written as JSON: it contains NaN or an infinity")
    if limit is not None and len(text) > limit:
        raise ConfigurationError(f"{field} takes {len(text)} bytes as JSON; at most {limit} are allowed")
    return text


def check_text(value: object, field: str, limit: int = MAX_VALUE_BYTES) -> None:
    """Raise `ConfigurationError` unless `value` is a text that the wire can carry, of at most `limit` bytes."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{field} must be a string, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{field} cannot be written as UTF-8: {error}") from None
    if size > limit:
        raise ConfigurationError(f"{field} takes {size} bytes; at most {limit} are allowed")


def decode_json(text: bytes | str) -> Any:  # noqa: ANN401 - JSON is whatever its writer meant
    """Return the value of a JSON text."""
    return _decoder.decode(text)


def decode_json_or(text: bytes | None, default: object) -> Any:  # noqa: ANN401
    """Return the value of a JSON text, or `default` when it is missing or not JSON."""
    if text is None:
        return default
    try:
        return _decoder.decode(text)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested without end
        return default


class WireBackoff(Struct):
    """Spell a backoff as the wire does; the delay in milliseconds."""

    type: str = "fixed"
    delay: float | int | UnsetType = UNSET
    jitter: float | int | UnsetType = UNSET


class WireKeep(Struct):
    """Spell what is kept as the wire does; the age in seconds."""

    count: float | int | UnsetType = UNSET
    age: float | int | UnsetType = UNSET
    limit: float | int | UnsetType = UNSET


class WireDeduplication(Struct, rename="camel"):
    """Spell a deduplication as the wire does; the time in milliseconds."""

    id: str = ""
    ttl: float | int | UnsetType = UNSET
    extend: bool | UnsetType = UNSET
    replace: bool | UnsetType = UNSET
    keep_last_if_active: bool | UnsetType = UNSET
    reschedule: bool | UnsetType = UNSET


class WireParent(Struct):
    """Spell the parent among a job's options as the wire does."""

    id: str
    queue: str


class WireOptions(Struct, rename="camel"):
    """Spell the job options as the wire does: milliseconds, BullMQ's names, absent when not given."""

    attempts: float | int = 0
    delay: float | int | UnsetType = UNSET
    timestamp: float | int | UnsetType = UNSET
    priority: float | int | UnsetType = UNSET
    lifo: bool | UnsetType = UNSET
    job_id: str | UnsetType = UNSET
    backoff: WireBackoff | float | int | UnsetType = UNSET
    remove_on_complete: bool | float | int | WireKeep | UnsetType = UNSET
    remove_on_fail: bool | float | int | WireKeep | UnsetType = UNSET
    keep_logs: float | int | UnsetType = msgspec.field(name="kl", default=UNSET)
    stack_trace_limit: float | int | UnsetType = UNSET
    size_limit: float | int | UnsetType = UNSET
    de: WireDeduplication | UnsetType = UNSET
    parent: WireParent | UnsetType = UNSET
    fail_parent_on_failure: bool | UnsetType = msgspec.field(name="fpof", default=UNSET)
    continue_parent_on_failure: bool | UnsetType = msgspec.field(name="cpof", default=UNSET)
    ignore_dependency_on_failure: bool | UnsetType = msgspec.field(name="idof", default=UNSET)
    remove_dependency_on_failure: bool | UnsetType = msgspec.field(name="rdof", default=UNSET)
    tm: str | UnsetType = UNSET
    omc: bool | UnsetType = UNSET
    timeout: float | int | UnsetType = UNSET
    """Ours: how long one attempt may run, in milliseconds. Other libraries keep it and ignore it."""
    expires: float | int | UnsetType = UNSET
    """Ours: how long after it was due a job may still be started, in milliseconds."""


_options_decoder = msgspec.json.Decoder(WireOptions)


def wire_options(options: JobOptions) -> WireOptions:
    """Return `options` in the wire's spelling."""
    return WireOptions(
        attempts=0 if options.attempts is UNSET else options.attempts,
        delay=_wire_ms(options.delay, "delay"),
        timestamp=UNSET if isinstance(options.timestamp, UnsetType) else instant_ms(options.timestamp),
        priority=options.priority,
        lifo=options.lifo,
        job_id=options.job_id,
        backoff=_wire_backoff(options.backoff),
        remove_on_complete=_wire_keep(options.remove_on_complete),
        remove_on_fail=_wire_keep(options.remove_on_fail),
        keep_logs=options.keep_logs,
        stack_trace_limit=options.stack_trace_limit,
        size_limit=options.size_limit,
        de=_wire_deduplication(options.deduplication),
        parent=_wire_parent(options.parent),
        fail_parent_on_failure=options.fail_parent_on_failure or UNSET,
        continue_parent_on_failure=options.continue_parent_on_failure or UNSET,
        ignore_dependency_on_failure=options.ignore_dependency_on_failure or UNSET,
        remove_dependency_on_failure=options.remove_dependency_on_failure or UNSET,
        tm=UNSET if isinstance(options.telemetry, UnsetType) else options.telemetry.metadata or UNSET,
        omc=UNSET if isinstance(options.telemetry, UnsetType) else options.telemetry.omit_context or UNSET,
        timeout=_wire_ms(options.timeout, "timeout"),
        expires=_wire_ms(options.expires, "expires"),
    )


@lru_cache(maxsize=1024)
def read_options(text: bytes) -> WireOptions:
    """Return the options stored on a job. Jobs of one kind share the text, so that it is read once.

    Options that are not understood count as not given: the job still runs.
    """
    try:
        return _options_decoder.decode(text)
    except msgspec.DecodeError:
        return _read_each(decode_json_or(text, None))


def _read_each(stored: object) -> WireOptions:
    """Return the options of which something is not understood, without that."""
    read = WireOptions()
    if isinstance(stored, dict):
        members = cast("dict[str, object]", stored)
        for field in msgspec.structs.fields(WireOptions):
            with contextlib.suppress(KeyError, msgspec.ValidationError):
                one = {field.encode_name: members[field.encode_name]}
                setattr(read, field.name, getattr(msgspec.convert(one, WireOptions), field.name))
    return read


def user_options(wire: WireOptions) -> JobOptions:
    """Return stored options in the form in which users give them."""
    return acceptable_options(
        job_id=wire.job_id,
        delay=_seconds(wire.delay),
        priority=_whole(wire.priority),
        lifo=wire.lifo,
        attempts=_whole(wire.attempts),
        backoff=read_backoff(wire) or UNSET,
        timeout=_seconds(wire.timeout),
        remove_on_complete=_user_keep(wire.remove_on_complete),
        remove_on_fail=_user_keep(wire.remove_on_fail),
        keep_logs=_whole(wire.keep_logs),
        stack_trace_limit=_whole(wire.stack_trace_limit),
        size_limit=_whole(wire.size_limit),
        timestamp=UNSET if isinstance(wire.timestamp, UnsetType) else instant(int(wire.timestamp)),
        deduplication=_user_deduplication(wire.de),
        parent=UNSET if isinstance(wire.parent, UnsetType) else Parent(wire.parent.id, wire.parent.queue),
        fail_parent_on_failure=wire.fail_parent_on_failure,
        continue_parent_on_failure=wire.continue_parent_on_failure,
        ignore_dependency_on_failure=wire.ignore_dependency_on_failure,
        remove_dependency_on_failure=wire.remove_dependency_on_failure,
        expires=_seconds(wire.expires),
        telemetry=_user_telemetry(wire),
    )


def read_backoff(wire: WireOptions) -> Backoff | None:
    """Return the backoff of stored options; a bare number is a fixed delay."""
    stored = wire.backoff
    if isinstance(stored, UnsetType):
        return None
    if not isinstance(stored, WireBackoff):
        return Backoff("fixed", round(stored))
    delay = 0 if isinstance(stored.delay, UnsetType) else round(stored.delay)
    return Backoff(stored.type, delay, 0.0 if isinstance(stored.jitter, UnsetType) else float(stored.jitter))


def instant(ms: int) -> datetime:
    """Return the moment `ms` milliseconds after the epoch."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def instant_ms(moment: datetime) -> int:
    """Return `moment` in whole milliseconds since the epoch."""
    return round(moment.timestamp() * 1000)


def _wire_ms(value: Duration | UnsetType, field: str) -> int | UnsetType:
    return UNSET if isinstance(value, UnsetType) else milliseconds(value, field)


def _wire_backoff(value: Backoff | Duration | UnsetType) -> WireBackoff | UnsetType:
    if isinstance(value, UnsetType):
        return UNSET
    if not isinstance(value, Backoff):
        return WireBackoff(delay=milliseconds(value, "backoff"))
    return WireBackoff(value.type, value.delay_ms, value.jitter or UNSET)


def _wire_deduplication(value: str | Deduplication | UnsetType) -> WireDeduplication | UnsetType:
    if isinstance(value, UnsetType):
        return UNSET
    if isinstance(value, str):
        return WireDeduplication(value)
    return WireDeduplication(
        id=value.id,
        ttl=UNSET if value.ttl is None else milliseconds(value.ttl, "deduplication ttl"),
        extend=value.extend or UNSET,
        replace=value.replace or UNSET,
        keep_last_if_active=value.keep_last_if_active or UNSET,
        reschedule=value.reschedule or UNSET,
    )


def _wire_parent(value: Referable | UnsetType) -> WireParent | UnsetType:
    if isinstance(value, UnsetType):
        return UNSET
    parent = value.reference
    return WireParent(parent.id, parent.queue)


def _user_deduplication(stored: WireDeduplication | UnsetType) -> Deduplication | UnsetType:
    if isinstance(stored, UnsetType) or not stored.id:
        return UNSET
    with contextlib.suppress(ConfigurationError):
        return Deduplication(
            id=stored.id,
            ttl=None if isinstance(stored.ttl, UnsetType) or stored.ttl <= 0 else stored.ttl / 1000,
            extend=stored.extend is True,
            replace=stored.replace is True,
            keep_last_if_active=stored.keep_last_if_active is True,
            reschedule=stored.reschedule is True,
        )
    return UNSET


def _user_telemetry(wire: WireOptions) -> Telemetry | UnsetType:
    if isinstance(wire.tm, UnsetType) and isinstance(wire.omc, UnsetType):
        return UNSET
    return Telemetry(None if isinstance(wire.tm, UnsetType) else wire.tm, wire.omc is True)


def _wire_keep(value: bool | int | Keep | UnsetType | None) -> bool | int | WireKeep | UnsetType:
    if value is None:
        return False
    if not isinstance(value, Keep):
        return value
    return WireKeep(
        count=UNSET if value.count is None else value.count,
        age=UNSET if value.age is None else _age_seconds(value.age),
        limit=UNSET if value.limit is None else value.limit,
    )


def _age_seconds(age: Duration) -> float | int:
    ms = milliseconds(age, "age")
    return ms / 1000 if ms % 1000 else ms // 1000


def _seconds(ms: float | UnsetType) -> float | UnsetType:
    return UNSET if isinstance(ms, UnsetType) else ms / 1000


def _whole(value: float | UnsetType) -> int | UnsetType:
    return UNSET if isinstance(value, UnsetType) else int(value)


def _user_keep(stored: bool | float | WireKeep | UnsetType) -> KeepOption | UnsetType:
    if isinstance(stored, WireKeep):
        return keep_of(stored)
    return int(stored) if isinstance(stored, float) else stored


def keep_of(stored: WireKeep) -> Keep:
    """Return what a stored object says is to be kept."""
    count, limit = _whole(stored.count), _whole(stored.limit)
    return Keep(
        count=None if isinstance(count, UnsetType) or count < 0 else count,
        age=None if isinstance(stored.age, UnsetType) else stored.age,
        limit=None if isinstance(limit, UnsetType) else limit,
    )


def _has_non_finite(value: object) -> bool:
    plain = cast("object", msgspec.to_builtins(value, enc_hook=write_foreign, str_keys=True))
    pending: list[object] = [plain]
    while pending:
        item = pending.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return True
        if isinstance(item, dict):
            pending.extend(cast("dict[object, object]", item).values())
        elif isinstance(item, list | tuple):
            pending.extend(cast("list[object]", item))
    return False
