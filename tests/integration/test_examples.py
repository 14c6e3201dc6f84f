"""Each program in examples/ runs as its reader would run it, and says what it is meant to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

SAYS = {
    "cancellation": r"wait_for_ever: nobody wants it any more\ncount_up: nobody wants it any more\n",
    "children_on_the_way": r"example\.org: page 1, page 2, page 3\n",
    "deduplication": r"rebuilt home, indexed oxmq\n",
    "flask_app": r"202 /reports\ncompleted: report of month 3 by Ada\n",
    "flow": r"The ox: 10 words\n",
    "heavy": r"\{'year': 2025, 'checksum': 2150593995\}\nmonth 12 of 12 is done\n",
    "outbox": r"the moon is not for sale\norder 1 is confirmed: teapot\norder 2 is confirmed: kettle\n",
    "rate_limit": r"15 calls took \d+\.\d s\n",
    "web_api": r"202 Accepted\ncompleted: report of month 3\n",
    "schedule": r"(beat\n){3}(\w+ runs next at \d{4}-.+\n){2}",
}


def test_each_example_is_run_here() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_does_what_it_says(name: str, tmp_path: Path) -> None:
    environment = {variable: value for variable, value in os.environ.items() if variable != "OXMQ_URL"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py")]
    said = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True, timeout=60)
    assert re.fullmatch(SAYS[name], said), said
