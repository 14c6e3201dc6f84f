"""Failures of one cause have one fingerprint, in Python's words and in Node's."""

from __future__ import annotations

import asyncio
import json
import traceback

import pytest

from oxmq.monitor.fingerprints import Fault, fault_of, latest_trace, normalised

PYTHON = """Traceback (most recent call last):
  File "/app/src/shop/tasks.py", line {line}, in send
    deliver(mail)
  File "/app/.venv/lib/python3.12/site-packages/mailer/smtp.py", line 88, in deliver
    raise ConnectionError(host)
mailer.errors.DeliveryError: cannot reach 'mx{line}.example' after {line} tries"""
NODE = """TypeError [ERR_X]: Cannot read properties of undefined (reading 'to')
    at parse (/app/node_modules/mail/index.js:1:2)
    at Object.send [as run] (/app/dist/worker.js:{line}:5)
    at async Worker.processJob (/app/node_modules/bullmq/dist/cjs/classes/worker.js:523:24)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)"""


def fault(trace: str, reason: str = "reason") -> Fault:
    return fault_of(reason, json.dumps([trace]))


def raised(trace: str) -> tuple[str, str | None]:
    found = fault(trace)
    return found.error, None if found.frame is None else str(found.frame)


def test_python_is_told_by_class_and_innermost_own_frame() -> None:
    assert raised(PYTHON.format(line=12)) == ("DeliveryError", "tasks.py:12 in send")


def test_node_is_told_by_class_and_innermost_own_frame() -> None:
    assert raised(NODE.format(line=12)) == ("TypeError", "worker.js:12 in Object.send")


@pytest.mark.parametrize("trace", [PYTHON, NODE])
def test_lines_and_messages_may_differ(trace: str) -> None:
    assert fault(trace.format(line=12), "one").fingerprint == fault(trace.format(line=99), "other").fingerprint


def test_other_places_and_classes_are_other_causes() -> None:
    traces = [
        PYTHON.format(line=1),
        NODE.format(line=1),
        PYTHON.format(line=1).replace("in send", "in receive"),
        PYTHON.format(line=1).replace("DeliveryError", "QuotaError"),
        PYTHON.format(line=1).replace("shop/tasks.py", "shop/mail.py"),
    ]
    assert len({fault(trace).fingerprint for trace in traces}) == len(traces)


def test_the_same_program_elsewhere_is_the_same() -> None:
    here, there = PYTHON.format(line=1), PYTHON.format(line=1).replace("/app/src", "/home/ada/work")
    assert fault(here).fingerprint == fault(there).fingerprint


def fail() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("bad value 7\nsecond line\n  at no place") from error


def test_of_chained_exceptions_the_last_counts() -> None:
    with pytest.raises(ValueError, match="bad value") as raised_last:
        fail()
    found = fault("".join(traceback.format_exception(raised_last.value)), "bad value 7\nsecond line")
    assert (found.error, found.message) == ("ValueError", "bad value <n>")
    assert found.frame is not None
    assert found.frame.function == "fail"


async def fail_in_group() -> None:
    async def part() -> None:
        raise RuntimeError("part")

    async with asyncio.TaskGroup() as group:
        group.create_task(part())


async def test_a_group_of_exceptions() -> None:
    with pytest.raises(ExceptionGroup) as raised_group:
        await fail_in_group()
    found = fault("".join(traceback.format_exception(raised_group.value)))
    assert (found.error, str(found.frame).split(" in ")[1]) == ("ExceptionGroup", "fail_in_group")


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ("Error: boom\n    at file:///app/worker.mjs:12:5", ("Error", "worker.mjs:12")),
        ("RangeError: x\n    at new Parser (C:\\app\\parser.js:3:1)", ("RangeError", "parser.js:3 in new Parser")),
        ("Error: a\nsecond line\n    at async run (/app/a.ts:1:1)", ("Error", "a.ts:1 in run")),
        ("Error: only libraries\n    at x (/app/node_modules/y/z.js:1:1)", ("Error", None)),
        ("Error\n    at <anonymous>\n    at Generator.next (<anonymous>)", ("Error", None)),
        ('Traceback (most recent call last):\n  File "<frozen runpy>", line 1, in run\nOSError', ("OSError", None)),
        ("no stack at all", ("Error", None)),
        ("", ("Error", None)),
    ],
)
def test_other_traces(trace: str, expected: tuple[str, str | None]) -> None:
    assert raised(trace) == expected


@pytest.mark.parametrize(
    ("reason", "error", "message"),
    [
        ("ConnectionError: host 'a b' port 5432", "ConnectionError", "host '…' port <n>"),
        ("job stalled more than allowable limit", "Error", "job stalled more than allowable limit"),
        ("Note: this is prose", "Error", "Note: this is prose"),
        (None, "Error", ""),
    ],
)
def test_without_a_trace_the_reason_counts(reason: str | None, error: str, message: str) -> None:
    found = fault_of(reason, None)
    assert (found.error, found.message, found.frame) == (error, message, None)


def test_reasons_that_differ_in_numbers_are_one_cause() -> None:
    one = fault_of("user 42 not found at 2026-01-02T03:04:05Z", b"[]")
    other = fault_of("user 77 not found at 2026-02-03T14:15:16Z", b"[]")
    assert one.fingerprint == other.fingerprint != fault_of("account 42 not found", b"[]").fingerprint


def test_what_varies_is_left_out() -> None:
    message = 'job 0199f3c0-8e5f-7000-8000-000000000001 of "x" at 0xdeadbeef, sha 0f1e2d3c4b5a, 12.5 s, facade\nmore'
    assert normalised(message) == "job <id> of '…' at <hex>, sha <hex>, <n> s, facade"


def test_the_newest_trace_counts_and_its_beginning_may_be_missing() -> None:
    traces = json.dumps(["old", PYTHON.format(line=3)])
    assert latest_trace(traces) == PYTHON.format(line=3)
    assert latest_trace(traces[len('["ol') :]) == PYTHON.format(line=3)
    assert fault_of("x", traces[60:]).error == "DeliveryError"


@pytest.mark.parametrize(
    "traces", [b"", b"{", b"null", b"[1, null]", b"\xff\xfe", b'["\\ud800"]', '"' * 50, "[" * 5_000]
)
def test_broken_traces(traces: bytes | str) -> None:
    assert fault_of("reason", traces).frame is None


@pytest.mark.parametrize("text", ["at " * 20_000, "'" * 20_000, '  File "' * 5_000, " at (" * 9_000, "a.b:1:" * 9_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    assert fault_of(text, json.dumps([text])).error
