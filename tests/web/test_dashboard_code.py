"""The parts of the dashboard's code that need no browser, run by Node itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.dashboard_types import DASHBOARD, TYPES, write_types
from tools.setup_node import node_executable


def run_node(*arguments: str) -> None:
    command = [str(node_executable()), *arguments]
    run = subprocess.run(command, cwd=DASHBOARD, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_rules() -> None:
    tests = sorted(str(path.relative_to(DASHBOARD)) for path in (DASHBOARD / "tests").glob("*.test.ts"))
    assert tests
    run_node("--test", "--test-reporter=dot", *tests)


def test_types_hold() -> None:
    run_node("node_modules/typescript/bin/tsc", "--noEmit")


def test_types_are_those_of_the_api(tmp_path: Path) -> None:
    write_types(tmp_path / "schema.ts")
    assert (tmp_path / "schema.ts").read_text() == TYPES.read_text(), "the API has changed: run `make types`"
