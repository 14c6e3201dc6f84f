"""However a demo ends, it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.demo.running_demo import RUNNING, StartDemo
from tests.support.servers import RedisServer
from tests.support.waiting import eventually_sync


def test_a_signal_before_the_report_leaves_nothing_running(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo(tmp_path)
    demo.says(RUNNING)
    demo.process.send_signal(signal.SIGTERM)
    assert demo.ends() == 130, demo.text
    demo.assert_nothing_is_left()


def test_a_killed_demo_leaves_nothing_running(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo(tmp_path)
    demo.says(RUNNING)
    demo.process.kill()
    eventually_sync(lambda: not demo.left_running(), 15, "the demo's processes still run")
    demo.assert_nothing_is_left()


def test_the_demo_tells_when_its_worker_dies(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo(tmp_path)
    demo.says(RUNNING)
    worker = re.search(r"Worker .* process (\d+)", demo.text)
    assert worker
    os.kill(int(worker[1]), signal.SIGKILL)
    assert demo.ends() == 1, demo.text
    assert "The worker died with exit code -9" in demo.text
    demo.assert_nothing_is_left()


def test_the_demo_uses_the_redis_of_the_user(start_demo: StartDemo, tmp_path: Path) -> None:
    with RedisServer() as server:
        demo = start_demo(tmp_path, url=server.url)
        demo.says(RUNNING)
        demo.process.send_signal(signal.SIGTERM)
        assert demo.ends() == 130, demo.text
    assert f"Redis      {server.url}" in demo.text
    assert [path.name for path in (tmp_path / ".oxmq").iterdir()] == ["demo"]


def test_two_demos_do_not_share_a_directory(start_demo: StartDemo, tmp_path: Path) -> None:
    first = start_demo(tmp_path)
    first.says("Starting")
    second = subprocess.run(
        [sys.executable, "-m", "oxmq.demo", "--once"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "Another demo is running in" in second.stdout
