"""What the README shows, run as a reader would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_hello_world_runs_as_shown(tmp_path: Path) -> None:
    blocks: list[str] = re.findall(r"```python\n(.+?)```", README.read_text(), re.DOTALL)
    (tmp_path / "hello.py").write_text(next(block for block in blocks if "hello.py" in block))
    environment = {name: value for name, value in os.environ.items() if name != "OXMQ_URL"}
    command = [sys.executable, "-m", "oxmq", "worker", "hello:app"]
    worker = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    try:
        shown = subprocess.check_output(
            [sys.executable, "hello.py"], cwd=tmp_path, env=environment, text=True, timeout=60
        )
        assert shown.endswith(" Hello, world!\n")
    finally:
        worker.terminate()
        assert worker.wait(timeout=60) == 0
