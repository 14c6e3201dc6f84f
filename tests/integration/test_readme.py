"""What the README shows, run as a reader would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_hello_world_runs_as_shown(tmp_path: Path) -> None:
    program = next(
        block for block in re.findall(r"```python\n(.+?)```", README.read_text(), re.S) if "hello.py" in block
    )
    (tmp_path / "hello.py").write_text(program)
    environment = {name: value for name, value in os.environ.items() if name != "OXMQ_URL"}
    command = [sys.executable, "-m", "oxmq", "worker", "hello:app"]
    worker = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    try:
        hello = subprocess.run(
            [sys.executable, "hello.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert hello.stdout.endswith(" Hello, world!\n"), hello.stderr
    finally:
        worker.terminate()
        assert worker.wait(timeout=60) == 0
