"""The script that says who of those that reconcile leads, and keeps what that one saw."""

from __future__ import annotations

import re

import pytest

from oxmq.ops import reconciling
from oxmq.ops.reconciling import Repair, Report, SeenRun, leader_key, owner_key
from tests.scripts.bench import NOW, Bench
from tests.scripts.runs import NO_RUNS

KEY = leader_key("bull")
RUN = SeenRun(
    namespace="jobs", name="report-1", queue="q", job_id="a", task="report", attempt=1, number=1,
    queue_says="active", cluster_says="running", action="follow", why="because", since_ms=NOW,
)  # fmt: skip
REPAIR = Repair(
    at_ms=NOW, namespace="jobs", name="report-1", queue="q", job_id="a", action="delete", why="because", result="done"
)
REPORT = Report(
    at_ms=NOW, worker="one", term=1, owner="o", address="https://here", namespaces=["jobs"], seconds=0.5, error="",
    counts={"follow": 1}, runs=[RUN], repairs=[REPAIR],
)  # fmt: skip


def lead(bench: Bench, worker: str, ttl_ms: int = 60_000, report: Report | None = None) -> int:
    return bench.run(reconciling.lead("bull", worker, ttl_ms, report))


def run_out(bench: Bench) -> None:
    bench.client.hset(KEY, "until", 1)


def test_the_first_leads_and_nobody_else_until_that_one_is_silent(bench: Bench) -> None:
    assert lead(bench, "one") == 1
    before = bench.dump()
    assert lead(bench, "two") == lead(bench, "two", report=REPORT) == lead(bench, "two", 0) == 0
    assert bench.dump() == before
    assert lead(bench, "one") == 1
    run_out(bench)
    assert lead(bench, "two") == 2
    assert lead(bench, "one") == 0


def test_the_lead_lasts_as_long_as_was_asked_by_the_servers_clock(bench: Bench) -> None:
    lead(bench, "one", 75_000)
    now = int(bench.client.time()[0]) * 1000
    until = bench.client.hget(KEY, "until")
    assert re.fullmatch(r"\d{13}", until)
    assert now + 60_000 < int(until) <= now + 77_000


def test_a_lead_that_is_given_up_is_there_for_the_next(bench: Bench) -> None:
    assert lead(bench, "one") == 1
    assert lead(bench, "one", 0) == 1
    assert lead(bench, "one", 0) == 0
    assert lead(bench, "two") == 2


def test_who_has_lost_the_lead_does_not_get_it_by_giving_it_up(bench: Bench) -> None:
    lead(bench, "one")
    run_out(bench)
    before = bench.dump()
    assert lead(bench, "one", 0) == 0
    assert bench.dump() == before
    assert lead(bench, "one") == 2


def test_what_the_leader_saw_stays_until_it_sees_something_else(bench: Bench) -> None:
    assert bench.run(reconciling.get_report("bull")) is None
    lead(bench, "one", report=REPORT)
    lead(bench, "one")
    lead(bench, "one", 0)
    lead(bench, "two")
    assert bench.run(reconciling.get_report("bull")) == REPORT


@pytest.mark.parametrize(
    "strange",
    [
        {"until": "soon", "term": "first"}, {"worker": "\x00"}, {"until": "nan"}, {"until": "-inf"}, {"until": ""},
        {"term": ""}, {"report": "{"},
    ],
)  # fmt: skip
def test_what_others_wrote_does_not_keep_anybody_from_leading(bench: Bench, strange: dict[str, str]) -> None:
    bench.client.hset(KEY, mapping=strange)
    assert lead(bench, "one", report=REPORT) == 1
    assert lead(bench, "two") == 0
    assert bench.run(reconciling.get_report("bull")) == REPORT


@pytest.mark.parametrize("text", [*NO_RUNS, b"\xff", '{"at_ms":"soon"}', '{"runs":' + "[" * 100_000, "9" * 5_000])
def test_a_report_that_cannot_be_read_is_none(bench: Bench, text: str | bytes) -> None:
    bench.client.hset(KEY, "report", text)
    assert bench.run(reconciling.get_report("bull")) is None


def test_an_installation_is_named_once(bench: Bench) -> None:
    assert bench.run(reconciling.get_owner("bull")) is None
    assert bench.run(reconciling.claim_owner("bull", "first")) == "first"
    assert bench.run(reconciling.claim_owner("bull", "second")) == "first"
    assert bench.run(reconciling.get_owner("bull")) == "first"
    assert bench.client.get(owner_key("bull")) == "first"
