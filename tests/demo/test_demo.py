"""Run the whole demo, and see it prove its work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import oxmq.demo
from oxmq.demo.operations import OPERATIONS
from tests.demo.running_demo import REQUESTS, StartDemo


def test_once_proves_all_the_work_and_exits_with_0(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo(tmp_path, "--once")
    assert demo.ends() == 0, demo.text
    assert demo.text.count("✓") == len(OPERATIONS) + 2
    assert f"{6 * REQUESTS} of {6 * REQUESTS} WebP files" in demo.text
    assert "6 retried 500s" in demo.text
    assert "1 report of 12 months (300 pages)" in demo.text
    demo.assert_nothing_is_left()


def test_a_redis_that_does_not_answer_is_told_in_one_sentence(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo(tmp_path, "--once", url="redis://:hunter2@127.0.0.1:1")
    assert demo.ends() == 1
    assert "cannot connect to redis://127.0.0.1:1" in demo.text
    assert "hunter2" not in demo.text
    assert "Traceback" not in demo.text


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)  # what Python itself does for a module that must not be found
    assert oxmq.demo.run(once=True) == 2
    assert capsys.readouterr().err == 'The demo needs fpdf: pip install "oxmq[demo]"\n'
