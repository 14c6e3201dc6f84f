"""Look at the keys of queues, and report where they break an invariant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from oxmq.doctor.finding import Finding, Level
from oxmq.invariants import OWN_KEYS, Dump, Fields, Items, Scores, Text, Value, Violation, violations
from oxmq.keys import QueueKeys
from oxmq.ops import server
from oxmq.ops.workers import is_worker_of
from oxmq.transport.runner import AsyncRunner

#: How many keys one step of a scan looks at: about a millisecond of the server's time.
_SCAN_STEP = 1_000
#: How many keys of the database are looked at, for each key that may belong to a queue.
_SCAN_WIDTH = 20
#: How many keys are read at a time.
_READ_AT_ONCE = 200
#: A queue goes on while it is read, so that what is seen once may be a job on its way. What is seen in each
#: of so many looks, with so many seconds between them, is not.
_LOOKS = 3
_BETWEEN_LOOKS = 0.4
#: How many violations of a queue are listed.
_LISTED = 20

#: What breaking these rules does is waste or a wrong figure; breaking any other one loses, hides or stops jobs.
_HARMLESS: Final = frozenset({"K5", "K9", "K10", "K12", "K14", "K16"})


class TooManyKeysError(Exception):
    """Say that there are more keys than were to be looked at."""


async def check_queues(
    runner: AsyncRunner, prefix: str, names: Iterable[str], most: int, client_names: list[str] | None
) -> list[Finding]:
    """Examine the named queues, or all that are found when none is named.

    Args:
        most: how many keys to look at in all.
        client_names: under what names clients are connected, to tell where no worker is; None when not known.
    """
    wanted = tuple(names)
    try:
        found = await find_queues(runner, prefix, wanted, most)
    except TooManyKeysError as error:
        return [_unexamined("queues", error)]
    if not found:
        where = f"named {', '.join(wanted)} " if wanted else ""
        return [Finding(Level.OK, "queues", f"there are none {where}with the prefix {prefix!r}")]
    findings: list[Finding] = []
    for name in sorted(found):
        try:
            findings += await _check_queue(runner, QueueKeys(name, prefix), found[name], most, client_names)
        except TooManyKeysError as error:
            findings.append(_unexamined(f"queue {name}", error))
    return findings


def _unexamined(subject: str, error: TooManyKeysError) -> Finding:
    return Finding(Level.WARNING, subject, str(error), "its keys were not examined", ("raise --max-keys",))


async def find_queues(runner: AsyncRunner, prefix: str, wanted: tuple[str, ...], most: int) -> dict[str, set[str]]:
    """Return the keys of each queue.

    Raises:
        TooManyKeysError: there are more than `most`, or it takes looking at too many other keys to find them.
    """
    pattern = f"{server.literally(prefix)}:{server.literally(wanted[0]) if len(wanted) == 1 else '*'}:*"
    found: dict[str, set[str]] = {}
    cursor, scanned, count = -1, 0, 0
    while cursor:
        page = await runner.run(server.scan(max(cursor, 0), pattern, _SCAN_STEP))
        cursor, scanned = page.cursor, scanned + _SCAN_STEP
        for key in page.keys:
            name = key[len(prefix) + 1 :].partition(":")[0]
            if name and (not wanted or name in wanted):
                found.setdefault(name, set()).add(key)
        count = sum(map(len, found.values()))
        if cursor and (count > most or scanned > _SCAN_WIDTH * most):
            raise TooManyKeysError(f"there are more than {most:,} keys to look at")
    return {name: keys for name, keys in found.items() if _is_queue(f"{prefix}:{name}:", keys)}


async def dump_keys(runner: AsyncRunner, keys: Iterable[str], most: int) -> dict[str, Value]:
    """Read keys as `oxmq.invariants` wants them, leaving large values behind. Keys that have gone are left out.

    The keys are not read at one moment: in a queue that is at work the dump may show jobs on their way.

    Raises:
        TooManyKeysError: a list or sorted set has more than `most` elements.
    """
    ordered = sorted(keys)
    dump: dict[str, Value] = {}
    for start in range(0, len(ordered), _READ_AT_ONCE):
        part = ordered[start : start + _READ_AT_ONCE]
        values = await asyncio.gather(*(_read_key(runner, key, most) for key in part))
        dump |= {key: value for key, value in zip(part, values, strict=True) if value is not None}
    return dump


async def _read_key(runner: AsyncRunner, key: str, most: int) -> Value | None:
    kind = await runner.run(server.get_type(key))
    if kind == "hash":
        names, needed = await asyncio.gather(
            runner.run(server.get_fields(key)), runner.run(server.get_needed_values(key))
        )
        return Fields(dict.fromkeys(names, "") | needed) if names else None
    if kind == "list" and key.endswith((":logs", ":data")):
        rows: int = await runner.run(server.count_rows(key))
        return Items(("",) * rows)
    if kind not in server.READABLE:
        return None
    value = await runner.run(server.get_value(key, kind, most + 1))
    if _size(value) > most:
        raise TooManyKeysError(f"{key} has more than {most:,} elements")
    return Text(value.value, await runner.run(server.get_ttl(key))) if isinstance(value, Text) else value


async def _check_queue(
    runner: AsyncRunner, keys: QueueKeys, found: set[str], most: int, client_names: list[str] | None
) -> list[Finding]:
    subject = f"queue {keys.name}"
    dump = await dump_keys(runner, found, most)
    seen = violations(dump, keys.base)
    for _ in range(_LOOKS - 1):
        if not seen:
            break
        await asyncio.sleep(_BETWEEN_LOOKS)
        found = (await find_queues(runner, keys.prefix, (keys.name,), most)).get(keys.name, set())
        dump = await dump_keys(runner, found, most)
        again = {(violation.rule, violation.key) for violation in seen}
        seen = [violation for violation in violations(dump, keys.base) if (violation.rule, violation.key) in again]
    findings = list(_report(subject, seen))
    if not findings:
        findings = [Finding(Level.OK, subject, f"{_in_words(dump, keys)}; no rule of the keyspace is broken")]
    return [*findings, *_check_schedulers(subject, dump, keys), *_check_workers(subject, dump, keys, client_names)]


def _report(subject: str, seen: list[Violation]) -> Iterator[Finding]:
    for violation in seen[:_LISTED]:
        level = Level.WARNING if violation.rule in _HARMLESS else Level.ERROR
        yield Finding(level, subject, f"{violation.key}: {violation.words}", f"rule {violation.rule} of the keyspace")
    if len(seen) > _LISTED:
        yield Finding(Level.WARNING, subject, f"{len(seen) - _LISTED} more violations are not listed")


def _check_schedulers(subject: str, dump: Dump, keys: QueueKeys) -> Iterator[Finding]:
    """Tell of BullMQ's older kind of repeatable jobs, which not every worker carries on."""
    scores = dump.get(keys.of("repeat"))
    for scheduler_id in scores.scores if isinstance(scores, Scores) else ():
        record = dump.get(keys.of(f"repeat:{scheduler_id}"))
        if not isinstance(record, Fields) or "ic" not in record.fields:
            yield Finding(
                Level.WARNING,
                subject,
                f"{scheduler_id!r} is a repeatable job of BullMQ's older kind",
                "workers of BullMQ 6 and of oxmq may run it once more and make no next one",
                ("make it anew with upsert_job_scheduler, then remove the old one with BullMQ 5",),
            )


def _check_workers(subject: str, dump: Dump, keys: QueueKeys, client_names: list[str] | None) -> Iterator[Finding]:
    """Tell where jobs wait and nobody is there to run them."""
    waiting = sum(_size(dump.get(keys.of(place))) for place in ("wait", "prioritized", "delayed", "active"))
    if client_names is None or not waiting:
        return
    if not any(is_worker_of(keys, client) for client in client_names):
        why = "nothing runs them until a worker of this queue starts"
        yield Finding(Level.WARNING, subject, f"{waiting} unfinished jobs and no worker is connected", why)


def _in_words(dump: Dump, keys: QueueKeys) -> str:
    counts = ((place, _size(dump.get(keys.of(place)))) for place in OWN_KEYS if place in _COUNTED)
    words = ", ".join(f"{count:,} {place}" for place, count in counts if count)
    return f"{len(dump):,} keys" + (f" ({words})" if words else "")


_COUNTED: Final = frozenset({"wait", "paused", "active", "delayed", "prioritized", "completed", "failed"})


def _size(value: Value | None) -> int:
    if isinstance(value, Items):
        return len(value.items)
    return len(value.scores) if isinstance(value, Scores) else 0


def _is_queue(base: str, keys: set[str]) -> bool:
    return any(base + name in keys for name in OWN_KEYS)
