"""Run the whole demo, as a user would, in a fresh directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import oxmq.demo
from oxmq.demo.operations import OPERATIONS, YEARLY_REPORT
from oxmq.transport.embedded import EmbeddedServer
from tests.support.servers import RedisServer
from tests.support.waiting import eventually_sync

#: Enough requests for the receiver to refuse one of them once and one twice.
REQUESTS = 8


#: The end of the last line in which the demo names what runs.
RUNNING = "(watch the jobs there, live)"


class Demo:
    """A demo that runs as a process of its own."""

    def __init__(self, directory: Path, *arguments: str, url: str = "", requests: int = REQUESTS) -> None:
        self.directory = directory
        environment = {name: value for name, value in os.environ.items() if name != "OXMQ_URL"}
        environment |= {"OXMQ_URL": url} if url else {}
        environment["OXMQ_RUN_KUBERNETES"] = "kubernetes"  # must not count: no cluster could get the demo's image
        command = [sys.executable, "-u", "-m", "oxmq.demo", "--requests", str(requests), *arguments]
        self._output = directory / "output.txt"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=directory, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def text(self) -> str:
        """Return what the demo has printed so far."""
        return self._output.read_text()

    def says(self, text: str) -> None:
        """Wait until the demo has printed `text`."""
        eventually_sync(lambda: text in self.text or self.process.poll() is not None, 60, f"the demo never said {text}")
        assert text in self.text, self.text

    def ends(self) -> int:
        """Wait for the exit code."""
        return self.process.wait(90)

    def left_running(self) -> list[int]:
        """Return those of the processes which the demo named that still run."""
        named = [int(pid) for pid in re.findall(r"process (\d+)", self.text)]
        assert named, self.text
        return [pid for pid in named if _is_running(pid)]

    def assert_nothing_is_left(self) -> None:
        """Check that the processes which the demo named have ended, and wait until Valkey has noticed it."""
        assert self.left_running() == []
        valkey = EmbeddedServer(self.directory / ".oxmq")
        eventually_sync(lambda: valkey.pid is None, 15, "Valkey still runs")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.process.send_signal(signal.SIGTERM)
        demo.process.wait(30)


def _start(demos: list[Demo], directory: Path, *arguments: str, url: str = "", requests: int = REQUESTS) -> Demo:
    demos.append(Demo(directory, *arguments, url=url, requests=requests))
    return demos[-1]


def test_once_proves_all_the_work_and_exits_with_0(demos: list[Demo], tmp_path: Path) -> None:
    demo = _start(demos, tmp_path, "--once")
    assert demo.ends() == 0, demo.text
    assert demo.text.count("✓") == len(OPERATIONS) + 2
    assert f"{6 * REQUESTS} of {6 * REQUESTS} WebP files" in demo.text
    assert "6 retried 500s" in demo.text
    assert "1 report of 12 months (300 pages)" in demo.text
    demo.assert_nothing_is_left()


def test_the_demo_stays_up_until_ctrl_c(demos: list[Demo], tmp_path: Path) -> None:
    demo = _start(demos, tmp_path, requests=1)
    demo.says("See the jobs live:")
    url = re.search(r"http://127\.0\.0\.1:\d+", demo.text)
    assert url
    assert demo.text.rstrip().endswith(f"{url[0]}/oxmq/")
    answer = httpx2.post(f"{url[0]}/jobs/welcome-email", json={"name": "Ada", "address": "ada@customer.test"})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["status_url"]
    status_url = url[0] + answer.json()["status_url"]
    eventually_sync(lambda: httpx2.get(status_url).json()["state"] == "completed", 10)
    _assert_jobs_can_be_followed(url[0])
    demo.process.send_signal(signal.SIGINT)
    assert demo.ends() == 0, demo.text
    demo.assert_nothing_is_left()


def _assert_jobs_can_be_followed(url: str) -> None:
    queues = httpx2.get(f"{url}/oxmq/api/queues").json()["queues"]
    assert {operation.queue for operation in (*OPERATIONS, YEARLY_REPORT)} <= {queue["name"] for queue in queues}
    assert httpx2.get(f"{url}/oxmq/queues/demo-reports").status_code == 200
    accepted = httpx2.post(f"{url}/jobs/pdf-report", json={"key": "followed", "month": 3, "rows": 4000}).json()
    assert httpx2.get(url + accepted["status_url"]).json()["events_url"] == accepted["events_url"]
    live = {"Accept": "text/event-stream"}
    with httpx2.stream("GET", url + accepted["events_url"], headers=live, timeout=30) as stream:
        events = "\n".join(stream.iter_lines())
    progress = [int(value) for value in re.findall(r'"progress":\s*(\d+)', events)]
    assert progress == sorted(progress)
    assert 0 < progress[0] < progress[-1] == 100
    assert '"completed"' in events


def test_a_signal_before_the_report_leaves_nothing_running(demos: list[Demo], tmp_path: Path) -> None:
    demo = _start(demos, tmp_path)
    demo.says(RUNNING)
    demo.process.send_signal(signal.SIGTERM)
    assert demo.ends() == 130, demo.text
    demo.assert_nothing_is_left()


def test_a_killed_demo_leaves_nothing_running(demos: list[Demo], tmp_path: Path) -> None:
    demo = _start(demos, tmp_path)
    demo.says(RUNNING)
    demo.process.kill()
    eventually_sync(lambda: not demo.left_running(), 15, "the demo's processes still run")
    demo.assert_nothing_is_left()


def test_the_demo_tells_when_its_worker_dies(demos: list[Demo], tmp_path: Path) -> None:
    demo = _start(demos, tmp_path)
    demo.says(RUNNING)
    worker = re.search(r"Worker .* process (\d+)", demo.text)
    assert worker
    os.kill(int(worker[1]), signal.SIGKILL)
    assert demo.ends() == 1, demo.text
    assert "The worker died with exit code -9" in demo.text
    demo.assert_nothing_is_left()


def test_the_demo_uses_the_redis_of_the_user(demos: list[Demo], tmp_path: Path) -> None:
    with RedisServer() as server:
        demo = _start(demos, tmp_path, url=server.url)
        demo.says(RUNNING)
        demo.process.send_signal(signal.SIGTERM)
        assert demo.ends() == 130, demo.text
    assert f"Redis      {server.url}" in demo.text
    assert [path.name for path in (tmp_path / ".oxmq").iterdir()] == ["demo"]


def test_a_redis_that_does_not_answer_is_told_in_one_sentence(demos: list[Demo], tmp_path: Path) -> None:
    demo = _start(demos, tmp_path, "--once", url="redis://:hunter2@127.0.0.1:1")
    assert demo.ends() == 1
    assert "cannot connect to redis://127.0.0.1:1" in demo.text
    assert "hunter2" not in demo.text
    assert "Traceback" not in demo.text


def test_two_demos_do_not_share_a_directory(demos: list[Demo], tmp_path: Path) -> None:
    first = _start(demos, tmp_path)
    first.says("Starting")
    second = subprocess.run(
        [sys.executable, "-m", "oxmq.demo", "--once"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "Another demo is running in" in second.stdout


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)  # what Python itself does for a module that must not be found
    assert oxmq.demo.run(once=True) == 2
    assert capsys.readouterr().err == 'The demo needs fpdf: pip install "oxmq[demo]"\n'
