"""Read a job's hash into a `JobRecord`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oxmq.ops.call import Reply, number, text
from oxmq.records import JobRecord

#: What a job has before it is started: of one that has no more, nothing else need be looked for.
_OF_NEW = {b"name", b"data", b"opts", b"timestamp", b"delay", b"priority"}


def read_hash(job_id: str, flat: Sequence[bytes]) -> JobRecord:
    """Return the record of a hash given as alternating fields and values."""
    fields = {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}
    get = fields.get
    record = JobRecord(
        id=job_id,
        name=text(get(b"name", b"")),
        data=get(b"data", b"{}"),
        opts=get(b"opts", b"{}"),
        timestamp=_ms(get(b"timestamp")) or 0,
        delay=_ms(get(b"delay")) or 0,
        priority=number(get(b"priority")),
    )
    if fields.keys() != _OF_NEW:
        _read_more(record, get)
    return record


def read_any_hash(job_id: str, flat: Sequence[bytes]) -> JobRecord:
    """Return the record of a hash that anybody may have written; what cannot be understood is shown all the same."""
    try:
        return read_hash(job_id, flat)
    except (ValueError, OverflowError):
        return read_hash(job_id, [_mended(flat[i - i % 2], flat[i], i) for i in range(len(flat))])


#: Fields that are numbers.
_NUMBERS = {
    b"timestamp", b"delay", b"priority", b"attemptsMade", b"atm", b"ats", b"stc", b"processedOn", b"finishedOn",
    b"dueOn",
}  # fmt: skip
#: What a number may be at most: more milliseconds than there are dates.
_MOST = 10**15


def _mended(field: bytes, word: bytes, index: int) -> bytes:
    if index % 2 and field in _NUMBERS:
        try:
            value = float(word)
            return str(int(value)).encode() if abs(value) < _MOST else b"0"
        except (ValueError, OverflowError):
            return b"0"
    return word.decode(errors="backslashreplace").encode()


def _read_more(record: JobRecord, get: Callable[[bytes], bytes | None]) -> None:
    record.attempts_made = number(get(b"attemptsMade") or get(b"atm"))
    record.attempts_started = number(get(b"ats"))
    record.stalled_count = number(get(b"stc"))
    record.deferred_failure = _text(get(b"defa"))
    record.progress = get(b"progress")
    record.stacktrace = get(b"stacktrace")
    record.parent_key = _text(get(b"parentKey"))
    record.scheduler_id = _text(get(b"rjk"))
    record.deduplication_id = _text(get(b"deid"))
    record.processed_on = _ms(get(b"processedOn"))
    record.processed_by = _text(get(b"pb"))
    record.finished_on = _ms(get(b"finishedOn"))
    record.return_value = get(b"returnvalue")
    record.failed_reason = _text(get(b"failedReason"))
    record.due_on = _ms(get(b"dueOn"))
    record.telemetry = _text_or_none(get(b"tm"))


def _text(value: Reply) -> str | None:
    return None if value is None else value.decode()


def _text_or_none(value: bytes | None) -> str | None:
    # Nothing depends on it: what is no text counts as absent.
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _ms(value: Reply) -> int | None:
    # Other libraries may leave fractions of a millisecond.
    return None if value is None else int(float(value))
