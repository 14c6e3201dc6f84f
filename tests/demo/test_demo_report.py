"""Read what the report prints."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from oxmq.demo.load import Measurement
from oxmq.demo.operations import OPERATIONS, PDF_REPORT
from oxmq.demo.proof import Proof
from oxmq.demo.report import Report, server_in_words
from oxmq.demo.settings import Folders


def _report(folder: Path) -> tuple[Report, io.StringIO]:
    output = io.StringIO()
    return Report(Folders(folder), Console(file=output, width=80, highlight=False)), output


def test_the_table_sets_inline_and_queued_side_by_side(tmp_path: Path) -> None:
    report, output = _report(tmp_path)
    with report.comparison(2) as comparison:
        for operation in OPERATIONS:
            comparison.begin(operation, "inline")
            comparison.advance()
            comparison.measured(operation, "inline", Measurement(["a", "b"], [0.3, 1.2], 1.3))
            comparison.measured(operation, "queued", Measurement(["c", "d"], [0.003, 0.004], 0.9))
    row = next(line for line in output.getvalue().splitlines() if PDF_REPORT.title in line)
    assert row.split() == ["PDF", "report", "300", "1,200", "3.0", "4.0", "100x", "1.3", "s", "0.9", "s"]
    assert max(len(line.rstrip()) for line in output.getvalue().splitlines()) <= 80


def test_a_proof_that_does_not_hold_shows_its_first_faults(tmp_path: Path) -> None:
    report, output = _report(tmp_path)
    report.proofs([Proof("Mail", "all of it", []), Proof("Fax", "none", [f"fault [{number}]" for number in range(9)])])
    text = output.getvalue()
    assert "✓  Mail  all of it" in text
    assert "✗  Fax" in text
    assert "fault [4]" in text
    assert "fault [5]" not in text


def test_a_failure_is_printed_as_it_is(tmp_path: Path) -> None:
    report, output = _report(tmp_path)
    report.failed("The worker died: [Errno 2] [/red]")
    assert "The worker died: [Errno 2] [/red]" in output.getvalue()


@pytest.mark.parametrize(
    "url, shown",
    [
        ("redis://ox:hunter2@cache:6379/1?password=hunter2", "redis://cache:6379/1"),
        ("redis+sentinel://:hunter2@one:1,two:2/master/0", "redis+sentinel://one:1,two:2/master/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_the_server_is_named_without_its_password(url: str, shown: str) -> None:
    assert server_in_words(url) == shown
