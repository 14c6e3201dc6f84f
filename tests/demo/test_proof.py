"""Take away, break or double a piece of the work, and see that the proof notices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from oxmq.demo.heavy_job import HeavyJob
from oxmq.demo.ledger import sales
from oxmq.demo.operations import REPORT_ROWS, mail_address, report_month
from oxmq.demo.picture import SIZES
from oxmq.demo.proof import (
    heavy_job_done,
    jobs_completed,
    mails_received,
    pictures_written,
    reports_written,
    webhooks_accepted,
)
from oxmq.demo.sales_report import write_sales_report, write_yearly_report

KEYS = ["a-inline-01", "a-queued-01"]


def _keep_mail(folder: Path, name: str, key: str) -> None:
    (folder / name).write_text(f"To: {mail_address(key)}\nSubject: Welcome, {key}!\n\nHello\n")


def test_mails_that_came_once_are_proven(tmp_path: Path) -> None:
    for key in KEYS:
        _keep_mail(tmp_path, f"{key}.eml", key)
    proof = mails_received(tmp_path, KEYS)
    assert proof.holds
    assert proof.finding.startswith("2 of 2 received")


def test_a_missing_and_a_doubled_mail_are_noticed(tmp_path: Path) -> None:
    _keep_mail(tmp_path, "1.eml", KEYS[0])
    _keep_mail(tmp_path, "2.eml", KEYS[0])
    proof = mails_received(tmp_path, KEYS)
    assert proof.faults == ["a-inline-01: 2 mails", "a-queued-01: 0 mails"]


def _save_pictures(folder: Path) -> None:
    folder.mkdir()
    for width, height in SIZES:
        Image.new("RGB", (width, height)).save(folder / f"{width}x{height}.webp", "WEBP")


def test_pictures_of_the_right_sizes_are_proven(tmp_path: Path) -> None:
    for key in KEYS:
        _save_pictures(tmp_path / key)
    assert pictures_written(tmp_path, KEYS).holds


def test_a_picture_that_is_missing_wrong_or_cut_off_is_noticed(tmp_path: Path) -> None:
    _save_pictures(tmp_path / KEYS[0])
    large, middle, small = (tmp_path / KEYS[0] / f"{width}x{height}.webp" for width, height in SIZES)
    large.unlink()
    Image.new("RGB", (9, 9)).save(middle, "WEBP")
    small.write_bytes(small.read_bytes()[:-20])
    assert len(pictures_written(tmp_path, KEYS[:1]).faults) == 3


def test_a_jpeg_under_the_name_of_a_webp_is_noticed(tmp_path: Path) -> None:
    _save_pictures(tmp_path / KEYS[0])
    width, height = SIZES[0]
    Image.new("RGB", (width, height)).save(tmp_path / KEYS[0] / f"{width}x{height}.webp", "JPEG")
    assert len(pictures_written(tmp_path, KEYS[:1]).faults) == 1


def test_a_whole_report_is_proven(tmp_path: Path) -> None:
    month = report_month(KEYS[0])
    write_sales_report(tmp_path / f"{KEYS[0]}.pdf", "Sales", sales(month, REPORT_ROWS))
    assert reports_written(tmp_path, KEYS[:1]).holds


@pytest.mark.parametrize("month_off, rows_off", [(1, 0), (0, -1), (0, -100)])
def test_a_report_of_other_rows_is_noticed(tmp_path: Path, month_off: int, rows_off: int) -> None:
    rows = sales(report_month(KEYS[0]) + month_off, REPORT_ROWS + rows_off)
    write_sales_report(tmp_path / f"{KEYS[0]}.pdf", "Sales", rows)
    assert not reports_written(tmp_path, KEYS[:1]).holds


def test_a_missing_or_damaged_report_is_noticed(tmp_path: Path) -> None:
    (tmp_path / f"{KEYS[0]}.pdf").write_bytes(b"%PDF-1.7 and no more")
    assert len(reports_written(tmp_path, KEYS).faults) == 2


def test_webhooks_that_were_accepted_once_are_proven(tmp_path: Path) -> None:
    keys = ["a-01", "a-08"]
    for key in keys:
        (tmp_path / f"{key}.1.json").write_text(f'{{"order": "{key}"}}')
    proof = webhooks_accepted(tmp_path, keys, {"a-08": 2})
    assert proof.holds
    assert "2 retried 500s" in proof.finding


def test_a_webhook_that_is_missing_doubled_or_was_never_refused_is_noticed(tmp_path: Path) -> None:
    for name in ("a-02.1", "a-02.2", "a-04.1"):
        (tmp_path / f"{name}.json").write_text(f'{{"order": "{name[:4]}"}}')
    assert [fault[:4] for fault in webhooks_accepted(tmp_path, ["a-01", "a-02", "a-04"], {}).faults] == [
        "a-01",
        "a-02",
        "a-04",
    ]


def test_attempts_are_compared_with_what_was_needed() -> None:
    assert jobs_completed({"a": 1, "b": 2}, {"a": 1, "b": 2}).holds
    assert jobs_completed({"a": 2}, {"a": 1, "b": 1}).faults == ["a: 2 attempts, not 1", "b: None attempts, not 1"]


HEAVY_JOB = HeavyJob("a-year", pages=300, pid=30, attempts=1, mails=7)
PROCESSES = {"worker": 10, "API server": 20}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold the right report of the heavy job, and one that has the sales of May in the place of those of June."""
    folder = tmp_path_factory.mktemp("year")
    months = [sales(month, REPORT_ROWS) for month in range(1, 13)]
    write_yearly_report(folder / "a-year.pdf", months)
    write_yearly_report(folder / "a-wrong-june.pdf", [*months[:5], months[4], *months[6:]])
    write_yearly_report(folder / "eleven-months.pdf", months[:11])
    return folder


def test_a_heavy_job_that_was_done_beside_the_worker_is_proven(year: Path) -> None:
    proof = heavy_job_done(year, HEAVY_JOB, PROCESSES)
    assert proof.holds
    assert proof.finding.startswith("1 report of 12 months (300 pages), in a process of its own")
    assert proof.finding.endswith("; meanwhile 7 mails")


def test_a_heavy_job_that_other_systems_do_not_limit_is_not_said_to_be(
    year: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, str] = {}
    for system in ("linux", "darwin"):
        monkeypatch.setattr("oxmq.demo.proof.sys.platform", system)
        found[system] = heavy_job_done(year, HEAVY_JOB, PROCESSES).finding
    assert "with at most 512Mi and 1 CPU" in found["linux"]
    assert "512Mi" not in found["darwin"]


@pytest.mark.parametrize(
    "job, fault",
    [
        (replace(HEAVY_JOB, pid=10), "a-year: done by the worker, process 10"),
        (replace(HEAVY_JOB, pid=20), "a-year: done by the API server, process 20"),
        (replace(HEAVY_JOB, attempts=2), "a-year: 2 attempts, not 1"),
        (replace(HEAVY_JOB, pages=25), "a-year: the job says that it wrote 25 pages"),
        (replace(HEAVY_JOB, key="no-year"), "no-year.pdf: [Errno 2]"),
        (replace(HEAVY_JOB, key="eleven-months"), "eleven-months.pdf: 275 pages"),
        (replace(HEAVY_JOB, key="a-wrong-june"), "on the last page of month 6"),
    ],
)
def test_what_is_wrong_with_a_heavy_job_is_noticed(year: Path, job: HeavyJob, fault: str) -> None:
    faults = heavy_job_done(year, job, PROCESSES).faults
    assert len(faults) == 1
    assert fault in faults[0]
