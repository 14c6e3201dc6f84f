"""Take away, break or double a piece of the work, and see that the proof notices."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from oxmq.demo.ledger import sales
from oxmq.demo.operations import REPORT_ROWS, mail_address, report_month
from oxmq.demo.picture import SIZES
from oxmq.demo.proof import jobs_completed, mails_received, pictures_written, reports_written, webhooks_accepted
from oxmq.demo.sales_report import write_sales_report

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
