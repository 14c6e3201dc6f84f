"""The references that are written from the code: up to date, complete, and right in what they say by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import oxmq.scripts
from oxmq import JobState
from oxmq.invariants.keyspace import OWN_KEYS, PARTS
from oxmq.ops import outcomes
from oxmq.scripts import SCRIPTS
from oxmq.worker.events import WorkerEvent
from tools import lifecycle
from tools.page_part import with_part
from tools.references import errors, events, keys, options, scripts
from tools.references.roster import PAGES, Written

FOLDER = Path(oxmq.scripts.__file__).parent
EMITTED = re.compile(
    r'emit(?:_capped)?\(\w+, (?:max\w*(?:\[\w+\]|\(\w+\))?, )?"([a-z-]+)"(.*?)\)\s*(?:end)?$', re.MULTILINE
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.file.name)
def test_the_page_is_what_the_program_writes(page: Written) -> None:
    text = page.file.read_text(encoding="utf-8")
    assert text == with_part(text, page.tool, page.part()), "run python -m tools.references"


def test_the_drawing_is_what_the_program_draws() -> None:
    assert lifecycle.FILE.read_text(encoding="utf-8") == lifecycle.drawing(), "run tools/lifecycle.py"


def test_every_script_has_its_contract() -> None:
    page = scripts.part()
    assert all(f"### `{name}` {{ #{name} }}" in page for name in SCRIPTS)
    assert '| `ARGV[3]` | `token` | str | goes into each lock; "0" locks nothing |' in page
    assert "| refuses with | [`-3`](errors.md#codes) not delayed (or no such job) |" in page


@pytest.mark.parametrize(
    ("key", "some"),
    [
        ("wait", {"add", "take", "finish", "cancel", "obliterate"}),
        ("<job>", {"add", "update_progress", "remove"}),
        (":lock", {"take", "finish", "extend_locks", "hand_back"}),
        (":logs", {"add_log", "remove", "clean"}),
        (":dependencies", {"add_flow", "remove_dependency", "retry"}),
        ("de", {"add_related", "finish", "forget_deduplication"}),
        ("repeat:<scheduler>", {"upsert_scheduler", "remove_scheduler"}),
        ("metrics:failed", {"finish"}),
        ("oxmq-leader", {"lead"}),
    ],
)
def test_a_key_names_the_scripts_that_write_it(key: str, some: set[str]) -> None:
    assert some <= set(keys.writers(key))


def test_a_key_that_only_is_read_names_no_script() -> None:
    assert {"get_jobs", "explain"}.isdisjoint(keys.writers("wait"))
    assert keys.writers("oxmq-leader") == ["lead"]


def test_every_key_of_the_rules_is_described() -> None:
    page = keys.part()
    assert [name for name in OWN_KEYS if f"| `{name}` |" not in page] == []
    assert [name for name in PARTS if f"| `<job>:{name}` |" not in page] == []


def test_options_name_their_spelling_in_redis() -> None:
    names = options.wire_names()
    assert (names["keep_logs"], names["deduplication"], names["telemetry"]) == ("`kl`", "`de`", "`tm`, `omc`")
    most = outcomes._MAX_TRACES  # pyright: ignore[reportPrivateUsage] - nobody else asks for it
    assert f"| `stack_trace_limit` | `int` | `stackTraceLimit` | {most} |" in options.part()


def test_errors_say_whether_it_may_have_happened() -> None:
    page = errors.part()
    assert "**perhaps**: it was sent and the answer was lost" in page
    assert re.search(r"\[`JobLockedError`\].*\| \*\*no\*\* \|", page)
    assert page.index("`BackendError`") < page.index("`UnavailableError`") < page.index("`JobError`")


def test_events_are_all_told() -> None:
    assert set(events.WORKER_EVENTS) == set(get_args(WorkerEvent))
    assert set(events.written()) == set(events.QUEUE_EVENTS)


def test_an_event_has_the_fields_that_the_scripts_write() -> None:
    found: dict[str, set[str]] = {}
    for file in FOLDER.rglob("*.lua"):
        for name, rest in EMITTED.findall(file.read_text(encoding="utf-8")):
            found.setdefault(name, set()).update(re.findall(r'"(\w+)"(?=, )', rest))
    assert {"added", "waiting", "delayed", "stalled", "progress", "cleaned", "deduplicated"} <= found.keys()
    for name, fields in found.items():
        assert fields - {"waiting"} <= set(events.QUEUE_EVENTS[name][1]), name


def test_every_state_is_drawn_and_every_arrow_is_of_scripts() -> None:
    assert set(lifecycle.STATES) == set(JobState) - {JobState.UNKNOWN}
    named = {script for arrow in lifecycle.ARROWS for script in arrow.scripts} | set(lifecycle.REMOVING)
    assert named <= set(SCRIPTS)


@pytest.mark.parametrize("arrow", lifecycle.ARROWS, ids=lambda arrow: f"{arrow.source}-{arrow.target}")
def test_the_scripts_of_an_arrow_write_where_it_leads(arrow: lifecycle.Arrow) -> None:
    target = "wait" if arrow.target == "waiting" else arrow.target
    for script in arrow.scripts:
        written = SCRIPTS[script].header.entries["WRITES"][0]
        assert script in keys.writers(target) or "the parent's" in written or "the state's set" in written, script


def test_every_script_that_moves_a_job_is_drawn() -> None:
    drawn = {script for arrow in lifecycle.ARROWS for script in arrow.scripts} | set(lifecycle.REMOVING)
    moving = {script for place in ("wait", "delayed", "active", "failed") for script in keys.writers(place)}
    # Pausing sets all waiting jobs aside for older peers; the others remove a schedule's next job, or what is broken.
    assert moving - drawn <= {"pause", "resume", "pause_scheduler", "remove_orphans"}
