"""Carry the demo's settings through environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from oxmq.demo.settings import Folders, Settings
from oxmq.kubernetes.settings import read_settings


def test_settings_survive_the_environment(tmp_path: Path) -> None:
    settings = Settings(tmp_path, 2525, "http://127.0.0.1:9/webhooks", "secret")
    assert Settings.from_environment(settings.environment()) == settings


def test_heavy_jobs_run_without_a_cluster(tmp_path: Path) -> None:
    environment = Settings(tmp_path, 2525, "http://127.0.0.1:9/webhooks", "secret").environment()
    assert read_settings(environment).place == "process"


def test_a_process_without_settings_says_how_to_start_it() -> None:
    with pytest.raises(RuntimeError, match="start this process with `oxmq demo`"):
        Settings.from_environment({})


def test_renewing_deletes_what_the_demo_made_and_nothing_else(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.renew()
    (folders.mail / "0001.eml").touch()
    (tmp_path / "mine.txt").touch()
    folders.renew()
    assert list(folders.mail.iterdir()) == []
    assert (tmp_path / "mine.txt").exists()
