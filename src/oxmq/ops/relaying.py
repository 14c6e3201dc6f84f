"""Describe how the jobs of an outbox are added: each once, however often the outbox says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from oxmq.errors import JobError, job_error
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, Word, command, ignore, run_script, text
from oxmq.ops.jobs import NewJob, row_of
from oxmq.scripts import Retry

#: How long a row that was added is remembered while its outbox may still have it, in milliseconds: 7 days.
KEEP_MS: Final = 7 * 86_400_000
#: How long it is remembered once its outbox has it no more: a slow relay may have read it before. In milliseconds.
FADE_MS: Final = 120_000

Marked = tuple[str, NewJob]
"""A job, and what names the row that it comes from."""


def add_relayed(keys: QueueKeys, rows: Sequence[Marked], now_ms: int) -> Call[list[str | JobError]]:
    """Add the jobs of rows, in the order given; the result is for each its id, or the error that refused it.

    A row that was added before adds nothing, even if its job has ended and was removed.
    """

    def decode(reply: Reply) -> list[str | JobError]:
        return [_answer(keys, job, answer) for (_, job), answer in zip(rows, reply, strict=True)]

    words: list[Word] = [now_ms, KEEP_MS]
    for mark, job in rows:
        words += (mark, *row_of(job))
    return run_script("add_relayed", keys.base, *words, decode=decode)


def forget_relayed(keys: QueueKeys, marks: Sequence[str], now_ms: int) -> Call[None]:
    """Remember rows only a little longer: their outbox has them no more."""
    words: list[Word] = []
    for mark in marks:
        words += (now_ms + FADE_MS, mark)
    return command("ZADD", keys.of("oxmq:relayed"), "XX", *words, decode=ignore, retry=Retry.SAFE)


def _answer(keys: QueueKeys, job: NewJob, answer: Reply) -> str | JobError:
    if isinstance(answer, int):
        return job_error(answer, job_id=job.id, queue=keys.name, operation="add", parent=job.parent_key or "")
    return text(answer)
