from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oxmq.cli.children import ending
from oxmq.cli.dev import Sources
from oxmq.cli.diagnosis import as_json, show
from oxmq.cli.program import program
from oxmq.cli.target import load_app
from oxmq.cli.worker import WorkerSettings, read_grace
from oxmq.doctor import Finding, Level, Report
from oxmq.durations import milliseconds
from oxmq.errors import ConfigurationError

CHANGE_TIMEOUT = 10.0


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in a directory with an application, and forget at the end what was imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("OXMQ_URL", "redis://from-environment")
    (tmp_path / "unit_shop.py").write_text("from oxmq import Oxmq\nclass Holder:\n    app = Oxmq()\n")
    yield tmp_path
    sys.modules.pop("unit_shop", None)


@pytest.mark.parametrize(("text", "ms"), [("30", 30_000), ("0.5", 500), ("2h30m", 9_000_000), ("0", 0)])
def test_a_grace_period_without_a_unit_is_seconds(text: str, ms: int) -> None:
    assert milliseconds(read_grace(text), "grace") == ms


def test_an_application_is_found_below_the_current_directory(directory: Path) -> None:
    app = load_app("unit_shop:Holder.app")
    assert app.endpoint.address == "redis://from-environment:6379/0"
    assert str(directory) in sys.path


def test_a_server_named_on_the_command_line_goes_before_the_environment(directory: Path) -> None:
    assert load_app("unit_shop:Holder.app", "redis://from-command").endpoint.source == "redis://from-command"
    assert os.environ["OXMQ_URL"] == "redis://from-command"


@pytest.mark.parametrize(
    ("target", "suggestion"),
    [("unit_shop", "unit_shop:app"), ("shop/web.py:api", "shop.web:api"), (":app", "hello:app"), ("", "hello:app")],
)
def test_a_target_in_another_form_is_answered_with_the_right_one(target: str, suggestion: str) -> None:
    with pytest.raises(ConfigurationError, match=f"as in {suggestion}, not"):
        load_app(target)


def test_an_error_of_ours_in_the_application_names_the_line(directory: Path) -> None:
    (directory / "unit_wrong.py").write_text("from oxmq import Oxmq\n\napp = Oxmq('nonsense')\n")
    with pytest.raises(ConfigurationError, match=r"connection must be a URL .*unit_wrong.py, line 3\)"):
        load_app("unit_wrong:app")


def test_the_settings_of_a_worker_survive_a_command_line() -> None:
    settings = WorkerSettings("shop:app", ("a", "b"), 3, "5s", "redis://here", "debug", 2, "8080", 7)
    words = settings.arguments()
    assert words[:2] == ["worker", "shop:app"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options == {
        "--queues": "a,b", "--concurrency": "3", "--grace": "5s", "--url": "redis://here", "--log-level": "debug",
        "--processes": "2", "--health": "8080", "--concurrency-kubernetes": "7",
    }  # fmt: skip
    known = {
        name for command in program.registered_commands if command.callback for name in _options_of(command.callback)
    }
    assert options.keys() <= known


def _options_of(callback: object) -> set[str]:
    return {f"--{name.replace('_', '-')}" for name in getattr(callback, "__annotations__", {})}


def test_the_end_of_a_process_is_told_in_words() -> None:
    assert ending(-signal.SIGKILL) == "was killed by SIGKILL"
    assert ending(2) == "ended with exit code 2"


async def test_changes_of_source_files_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    changed = tmp_path / "pkg" / "module.py"
    changed.write_text("a = 1")
    sources = Sources(tmp_path)
    changed.write_text("a = 22")
    assert await asyncio.wait_for(sources.changed(), CHANGE_TIMEOUT) == changed
    changed.unlink()
    assert await asyncio.wait_for(sources.changed(), CHANGE_TIMEOUT) == changed


async def test_changes_elsewhere_are_not_noticed(tmp_path: Path) -> None:
    ignored = [tmp_path / ".git", tmp_path / "node_modules", tmp_path / "env" / "lib"]
    for folder in ignored:
        folder.mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    sources = Sources(tmp_path)
    for folder in ignored:
        (folder / "module.py").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "seen.py").touch()
    assert await asyncio.wait_for(sources.changed(), CHANGE_TIMEOUT) == tmp_path / "seen.py"


def test_a_report_is_told_to_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    command = "redis-cli -u redis://a-very-long-name-of-a-host.example:6379/0 CONFIG SET maxmemory-policy noeviction"
    findings = [
        Finding(Level.OK, "clock", "[bold]not markup[/bold]"),
        Finding(Level.ERROR, "eviction", "allkeys-lru", "jobs vanish", (command,)),
    ]
    report = Report("redis://here", findings)
    assert report.level is Level.ERROR
    assert as_json(report) == {
        "address": "redis://here",
        "level": "error",
        "findings": [
            {"level": "ok", "subject": "clock", "what": "[bold]not markup[/bold]", "why": "", "fix": []},
            {"level": "error", "subject": "eviction", "what": "allkeys-lru", "why": "jobs vanish", "fix": [command]},
        ],
    }
    show(report)
    printed = capsys.readouterr().out
    assert "[bold]not markup[/bold]" in printed
    assert f"  {command}\n" in printed
    assert printed.endswith("1 error, 0 warnings.\n")
