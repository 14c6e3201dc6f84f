"""Read a job's hash into a `JobRecord`."""

from __future__ import annotations

from collections.abc import Sequence

from oxmq.ops.call import Reply, number, text
from oxmq.records import JobRecord


def read_hash(job_id: str, flat: Sequence[bytes]) -> JobRecord:
    """Return the record of a hash given as alternating fields and values."""
    fields = {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}
    get = fields.get
    return JobRecord(
        id=job_id,
        name=text(get(b"name", b"")),
        data=get(b"data", b"{}"),
        opts=get(b"opts", b"{}"),
        timestamp=_ms(get(b"timestamp")) or 0,
        delay=_ms(get(b"delay")) or 0,
        priority=number(get(b"priority")),
        attempts_made=number(get(b"attemptsMade") or get(b"atm")),
        attempts_started=number(get(b"ats")),
        stalled_count=number(get(b"stc")),
        deferred_failure=_text(get(b"defa")),
        progress=get(b"progress"),
        stacktrace=get(b"stacktrace"),
        parent_key=_text(get(b"parentKey")),
        scheduler_id=_text(get(b"rjk")),
        deduplication_id=_text(get(b"deid")),
        processed_on=_ms(get(b"processedOn")),
        processed_by=_text(get(b"pb")),
        finished_on=_ms(get(b"finishedOn")),
        return_value=get(b"returnvalue"),
        failed_reason=_text(get(b"failedReason")),
        due_on=_ms(get(b"dueOn")),
    )


def _text(value: Reply) -> str | None:
    return None if value is None else value.decode()


def _ms(value: Reply) -> int | None:
    # Other libraries may leave fractions of a millisecond.
    return None if value is None else int(float(value))
