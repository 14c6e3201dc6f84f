"""Run the `oxmq` command as operators do: as a process, with files, signals and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from oxmq.sync import Queue
from oxmq.transport.embedded import EmbeddedServer
from tests.support.servers import RedisServer
from tests.support.waiting import TIME_SCALE, eventually_sync

#: Seconds for a process to start, or to end.
PATIENCE = 20.0

APP = """
import asyncio, os
from pathlib import Path
from oxmq import Oxmq

app = Oxmq()

@app.task
async def greet(name: str) -> str:
    return f"Hello, {name}!"

@app.task(queue="slow")
async def nap(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return os.getpid()
"""


class Command:
    """One `oxmq` process in a directory of its own."""

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        self._output = directory / "output.log"
        outside = {name: value for name, value in os.environ.items() if name not in ("OXMQ_URL", "PYTHONPATH")}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oxmq", *arguments],
                cwd=directory, env={**outside, **environment}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, process_group=0,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def worker_pids(self) -> list[int]:
        """Return the processes that have said that they are workers, in order of appearance."""
        return [int(pid) for pid in re.findall(r"works shop:app \(pid (\d+)\)", self.output())]

    def await_words(self, words: str, times: int = 1) -> None:
        """Wait until `words` were printed so many times."""
        eventually_sync(lambda: self.output().count(words) >= times or self._check(words), PATIENCE, self.output())

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code once the process has ended."""
        return self._process.wait(PATIENCE * TIME_SCALE)

    def close(self) -> None:
        """Kill what is left of the process."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def _check(self, words: str) -> bool:
        assert self._process.poll() is None, f"the process ended without printing {words!r}:\n{self.output()}"
        return False


Start = Callable[..., Command]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer("valkey") as running:
        yield running


@pytest.fixture
def url(server: RedisServer) -> str:
    with server.client() as client:
        client.flushall()
    return server.url


@pytest.fixture
def start(tmp_path: Path, url: str) -> Iterator[Start]:
    """Start commands in a directory with an application called ``shop:app``."""
    (tmp_path / "shop.py").write_text(APP)
    started: list[Command] = []

    def start_command(*arguments: str, **environment: str) -> Command:
        started.append(Command(tmp_path, *arguments, **({"OXMQ_URL": url} | environment)))
        return started[-1]

    yield start_command
    for command in started:
        command.close()


def result_of(queue: Queue, name: str, data: dict[str, Any]) -> Any:
    """Add a job and return its result."""
    return queue.add(name, data).result(timeout=PATIENCE)


def naps(queue: Queue, seconds: float) -> str:
    """Add a job that sleeps, wait until it runs, and return its id."""
    job = queue.add("nap", {"seconds": seconds})
    eventually_sync(lambda: job.get_state() == "active", PATIENCE, "the job was not started")
    return job.id


def attempts_of(queue: Queue, job_id: str) -> tuple[str, int, int]:
    job = queue.get_job(job_id)
    assert job is not None
    return job.get_state(), job.attempts_started, job.attempts_made


def is_running(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    # One whose parent has not asked after it is dead all the same.
    return bool(listed.stdout.strip()) and not listed.stdout.startswith("Z")


# ---- worker ------------------------------------------------------------------------------------------------------


def test_a_worker_says_what_it_does_runs_jobs_and_ends_with_0_at_sigterm(start: Start, url: str) -> None:
    worker = start("worker", "shop:app", "--concurrency", "3")
    worker.await_words("works shop:app")
    with Queue("default", url) as queue:
        assert result_of(queue, "greet", {"name": "ox"}) == "Hello, ox!"
    assert worker.stop() == 0
    assert url in worker.output()
    assert "default, 3 jobs at once: greet" in worker.output()
    assert "slow, 3 jobs at once: nap" in worker.output()


def test_a_worker_takes_the_queues_and_the_server_of_the_command_line(start: Start, url: str) -> None:
    worker = start("worker", "shop:app", "--queues", "slow", "--url", url, OXMQ_URL="redis://user:secret@127.0.0.1:1")
    with Queue("slow", url) as queue:
        assert result_of(queue, "nap", {"seconds": 0}) == worker.pid
    assert worker.stop(signal.SIGINT) == 0
    assert "greet" not in worker.output()
    assert "secret" not in worker.output()


def test_a_job_that_outlasts_the_grace_period_goes_back_at_no_cost(start: Start, url: str) -> None:
    worker = start("worker", "shop:app", "--grace", "0.2")
    with Queue("slow", url) as queue:
        job_id = naps(queue, 600)
        assert worker.stop() == 0
        assert attempts_of(queue, job_id) == ("waiting", 1, 0)


def test_a_second_signal_hands_jobs_back_at_once(start: Start, url: str) -> None:
    worker = start("worker", "shop:app", "--grace", "10m")
    with Queue("slow", url) as queue:
        job_id = naps(queue, 600)
        worker.send(signal.SIGTERM)
        worker.await_words("a second signal hands them back")
        assert worker.stop() == 0
        assert attempts_of(queue, job_id) == ("waiting", 1, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch:app"], "there is no module 'nosuch'"),
        (["shop.nosuch:app"], "there is no module 'shop.nosuch'"),
        (["shop:nosuch"], "module 'shop' has nothing called 'nosuch'; its applications: app"),
        (["shop:asyncio"], "shop:asyncio is a module, not an Oxmq; its applications: app"),
        (["shop.py"], "name the application as module:app, as in shop:app, not 'shop.py'"),
        (["shop:app", "--queues", "nosuch"], "no task of the app is in queue 'nosuch'"),
        (["shop:app", "--grace", "soon"], "grace must be a text such as"),
        (["shop:app", "--url", "http://here"], "connection URL must begin with redis://"),
        (["misused:app"], "unknown job option"),
        (["fixed:app", "--url", "redis://here"], "--url has no effect: fixed:app was made with the connection"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(start: Start, tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "misused.py").write_text("from oxmq import Oxmq\napp = Oxmq()\napp.task(nosuch=1)")
    (tmp_path / "fixed.py").write_text("from oxmq import Oxmq\napp = Oxmq('redis://there')\n@app.task\ndef f(): ...")
    worker = start("worker", *arguments)
    assert worker.wait() == 2
    assert worker.output().startswith("Error: ")
    assert words in worker.output()
    assert worker.output().count("\n") == 1


@pytest.mark.parametrize("source", ["import nosuch", "1 / 0", "def ("])
def test_a_module_that_fails_shows_its_own_stack_trace(start: Start, tmp_path: Path, source: str) -> None:
    (tmp_path / "broken.py").write_text(source)
    worker = start("worker", "broken:app")
    assert worker.wait() == 2
    assert "broken.py" in worker.output()
    assert "oxmq/cli" not in worker.output()
    assert worker.output().endswith("Error: module 'broken' cannot be imported: the error is above\n")


# ---- several processes -------------------------------------------------------------------------------------------


def test_a_process_that_dies_is_replaced_and_all_stop_at_the_signal(start: Start, url: str) -> None:
    pool = start("worker", "shop:app", "--processes", "2")
    pool.await_words("works shop:app", times=2)
    killed, *_ = pool.worker_pids()
    os.kill(killed, signal.SIGKILL)
    pool.await_words("works shop:app", times=3)
    workers = set(pool.worker_pids()) - {killed}
    assert len(workers) == 2
    assert f"worker process {killed} was killed by SIGKILL: starting another" in pool.output()
    with Queue("slow", url) as queue:
        assert result_of(queue, "nap", {"seconds": 0}) in workers
    assert pool.stop() == 0
    assert not any(map(is_running, workers))


def test_processes_that_cannot_start_are_not_started_for_ever(start: Start) -> None:
    pool = start("worker", "nosuch:app", "--processes", "2")
    assert pool.wait() == 2
    assert "there is no module 'nosuch'" in pool.output()


def test_processes_stop_in_order_when_the_one_that_started_them_is_killed(start: Start, url: str) -> None:
    pool = start("worker", "shop:app", "--processes", "2", "--grace", "0")
    with Queue("slow", url) as queue:
        job_id = naps(queue, 600)
        pool.await_words("works shop:app", times=2)
        workers = pool.worker_pids()
        assert len(workers) == 2
        pool.stop(signal.SIGKILL)
        eventually_sync(lambda: not any(map(is_running, workers)), PATIENCE, "workers outlive their supervisor")
        state, _, made = attempts_of(queue, job_id)
        # The other process may have started it once more before it heard of the end.
        assert (state, made) == ("waiting", 0)


# ---- dev ---------------------------------------------------------------------------------------------------------


def test_dev_restarts_the_worker_when_a_file_changes_and_survives_mistakes(
    start: Start, tmp_path: Path, url: str
) -> None:
    session = start("dev", "shop:app", "--no-web")
    session.await_words("works shop:app")
    with Queue("default", url) as queue:
        assert result_of(queue, "greet", {"name": "ox"}) == "Hello, ox!"
        (tmp_path / "shop.py").write_text(APP.replace("Hello", "Goodbye"))
        session.await_words("shop.py changed: restarting the worker")
        session.await_words("works shop:app", times=2)
        assert result_of(queue, "greet", {"name": "ox"}) == "Goodbye, ox!"
        (tmp_path / "shop.py").write_text("def (")
        session.await_words("the worker ended with exit code 2: waiting for a change")
        (tmp_path / "shop.py").write_text(APP.replace("Hello", "Good evening"))
        assert result_of(queue, "greet", {"name": "ox"}) == "Good evening, ox!"
    assert is_running(session.worker_pids()[-1])
    assert session.stop(signal.SIGINT) == 0
    assert not any(map(is_running, session.worker_pids()))


def test_dev_without_a_server_brings_its_own_and_takes_it_along(start: Start, tmp_path: Path) -> None:
    session = start("dev", "shop:app", "--no-web", OXMQ_URL="")
    session.await_words("works shop:app")
    embedded = EmbeddedServer(tmp_path / ".oxmq")
    assert f"embedded://{tmp_path}/.oxmq" in session.output()
    assert embedded.pid is not None
    assert session.stop(signal.SIGINT) == 0
    eventually_sync(lambda: embedded.pid is None, PATIENCE, "the embedded server still runs")


def test_dev_serves_the_dashboard_beside_the_worker(start: Start, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def (")
    session = start("dev", "shop:app", "--port", "0")
    session.await_words("the dashboard ended with exit code 2: it is tried again with the next change")
    session.await_words("the worker ended with exit code 2: waiting for a change")
    (tmp_path / "shop.py").write_text(APP)
    session.await_words("works shop:app")
    session.await_words("dashboard http")
    address = re.search(r"dashboard (http://127\.0\.0\.1:\d+/)", session.output())
    assert address is not None, session.output()
    with urllib.request.urlopen(f"{address[1]}health/live", timeout=PATIENCE) as answer:
        assert answer.status == 200
    assert session.stop(signal.SIGINT) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{address[1]}health/live", timeout=PATIENCE)


def test_several_worker_processes_start_afresh_when_a_file_changes(start: Start, tmp_path: Path) -> None:
    session = start("worker", "shop:app", "--reload", "--processes", "2")
    session.await_words("works shop:app", times=2)
    first = session.worker_pids()
    (tmp_path / "shop.py").write_text(APP.replace("Hello", "Goodbye"))
    session.await_words("works shop:app", times=4)
    assert not any(map(is_running, first))
    assert session.stop(signal.SIGINT) == 0
    assert not any(map(is_running, session.worker_pids()))


# ---- the rest ----------------------------------------------------------------------------------------------------


def test_the_version_is_told_to_people_and_programs(tmp_path: Path) -> None:
    for_people = Command(tmp_path, "--version")
    assert for_people.wait() == 0
    assert for_people.output().startswith("oxmq ")
    for_programs = Command(tmp_path, "version", "--json")
    assert for_programs.wait() == 0
    assert {"oxmq", "python", "redis"} <= json.loads(for_programs.output()).keys()


def test_without_the_extra_the_command_names_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['typer'] = None; from oxmq.cli import main; sys.exit(main())"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == 'The oxmq command needs Typer and Rich: pip install "oxmq[standard]"\n'
