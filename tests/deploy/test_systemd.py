"""The units of systemd: it understands them, and they let a worker end its jobs."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Final

import pytest

from oxmq.cli.terminal.screen import EXIT_UNUSABLE
from oxmq.durations import milliseconds
from tests.deploy.commands import longest_end, parse
from tests.deploy.manifests import DEPLOY

UNITS: Final = sorted((DEPLOY / "systemd").glob("*.service"))
WORKER: Final = DEPLOY / "systemd" / "oxmq-worker@.service"
PROGRAM: Final = "/srv/oxmq/.venv/bin/oxmq"
#: More than this is what systemd calls exposed; from 0 to 100.
MOST_EXPOSURE: Final = "30"


def service(unit: Path) -> dict[str, str]:
    parser = RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the standard library's manual does it
    parser.read(unit)
    return dict(parser["Service"])


def words(unit: Path) -> list[str]:
    """Return the command line, with an application in place of what the environment says."""
    program, *rest = service(unit)["ExecStart"].split()
    assert program == PROGRAM
    return [word.replace("$OXMQ_APP", "shop:app") for word in rest if word != "$OXMQ_ARGUMENTS"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("this machine has no systemd-analyze")
    # It looks whether the program is there.
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    checked = subprocess.run([program, "verify", "--man=no", here], capture_output=True, text=True, check=False)
    assert unit.name not in checked.stderr
    assert checked.returncode == 0, checked.stderr
    rated = subprocess.run(
        [program, "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSURE}", here],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-200:] + rated.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_command_is_one_of_oxmq(unit: Path) -> None:
    assert parse(words(unit))["target"] == "shop:app"
    assert service(unit)["RestartPreventExitStatus"] == str(EXIT_UNUSABLE)


def test_the_worker_alone_is_asked_to_stop_and_may_use_up_its_grace_period() -> None:
    found = service(WORKER)
    assert (found["KillMode"], found["KillSignal"], found["Type"]) == ("mixed", "SIGTERM", "exec")
    assert re.fullmatch(r"\d+", found["TimeoutStopSec"])
    assert milliseconds(float(found["TimeoutStopSec"]), "stop") / 1000 > longest_end(words(WORKER))
