"""The program of a pod, as a process: what it leaves of its run, and when it does not run or stops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec import structs

from oxmq.ops import jobs, remote_runs
from oxmq.ops.remote_runs import Left, RemoteRun, RunState
from tests.scripts.bench import NOW, Bench
from tests.support.processes import Process
from tests.support.proxy import FaultProxy
from tests.support.servers import RedisServer
from tests.support.waiting import eventually_sync

#: A process may need this long on a machine that does a lot else.
PATIENCE: Final = 60.0
PROGRAM = "tests.integration.pod_tasks"
RUN = RemoteRun(number=1, attempt=1, namespace="jobs", name="task-1", phase="spawned", uid="u1", at_ms=NOW)


class Pods:
    """Have a job taken by a worker, and start pods for it."""

    def __init__(self, bench: Bench, url: str, folder: Path) -> None:
        self.bench = bench
        self._url = url
        self._folder = folder
        self._started: list[Process] = []

    def add(self, task: str, job_id: str = "a", **arguments: object) -> None:
        """Add a job, take it, and note its run."""
        self.bench.add(job_id, name=task, data=msgspec.json.encode(arguments))
        assert self.bench.taken_ids(1, "t") == [job_id]
        self.note(RUN, job_id)

    def note(self, run: RemoteRun, job_id: str = "a", *, fresh: bool = False) -> None:
        self.bench.run(remote_runs.note_run(self.bench.keys, job_id, "t", run, fresh=fresh))

    def start(
        self, task: str, *options: str, job_id: str = "a", run: int = 1, patience: float = 60, **environment: str
    ) -> Process:
        """Start a pod; options that come last win."""
        arguments = (
            "run-job", f"{PROGRAM}:{task}", "--queue=pods", f"--job={job_id}", f"--run={run}",
            f"--patience={patience:g}", *options,
        )  # fmt: skip
        known = {"OXMQ_URL": self._url, "OXMQ_TEST_PREFIX": self.bench.keys.prefix, "OXMQ_POD": "pod-1"}
        log = self._folder / f"pod-{len(self._started)}.log"
        self._started.append(Process(PROGRAM, arguments, log, known | environment))
        return self._started[-1]

    def run(self, task: str, *options: str, **given: Any) -> tuple[int, str]:
        """Run a pod until its end; return its exit code and what it wrote."""
        process = self.start(task, *options, **given)
        code = process.wait(PATIENCE)
        process.assert_careful()
        return code, process.output()

    def state(self, job_id: str = "a") -> RunState:
        return self.bench.run(remote_runs.get_run_state(self.bench.keys, job_id))

    def left(self, job_id: str = "a") -> Left:
        found = self.state(job_id).result
        assert found is not None
        return found

    def result(self, job_id: str = "a") -> object:
        return msgspec.json.decode(self.left(job_id).result or "")

    def file_of(self, job_id: str) -> Path:
        """Return what a job's handler writes about itself."""
        return self._folder / f"file-{job_id}"

    @property
    def file(self) -> Path:
        return self.file_of("a")

    def is_ready(self, job_id: str = "a") -> bool:
        file = self.file_of(job_id)
        return file.exists() and file.read_text().startswith("ready")

    def until(self, words: str) -> None:
        """Wait until the handler has said something."""
        eventually_sync(lambda: self.file.exists() and self.file.read_text() == words, PATIENCE)

    def let_go(self, job_id: str = "a") -> None:
        """Let the handler end its cleaning up."""
        Path(f"{self.file_of(job_id)}.go").touch()

    def close(self) -> None:
        for process in self._started:
            if process.exit_code is None:
                process.kill9()


@pytest.fixture
def bench(shared_server: RedisServer, prefix: str) -> Iterator[Bench]:
    made = Bench(shared_server, "pods", prefix)
    yield made
    made.close()


@pytest.fixture
def pods(bench: Bench, redis_url: str, tmp_path: Path) -> Iterator[Pods]:
    made = Pods(bench, redis_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def proxy(redis_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(redis_url) as running:
        yield running


@pytest.fixture
def far_pods(bench: Bench, proxy: FaultProxy, tmp_path: Path) -> Iterator[Pods]:
    """Return pods with a faulty network between them and Redis."""
    made = Pods(bench, proxy.url, tmp_path)
    yield made
    made.close()


# ---- what it leaves ----------------------------------------------------------------------------------------------


def test_a_result_is_left_and_the_job_is_not_ended(pods: Pods) -> None:
    tasks = {"a": "on_loop", "b": "plain", "-x": "on_loop", "--help": "plain"}
    for job_id, task in tasks.items():
        pods.add(task, job_id, number=4)
    processes = {job_id: pods.start(task, job_id=job_id) for job_id, task in tasks.items()}
    for job_id, process in processes.items():
        assert (process.wait(PATIENCE), process.output()) == (0, "")
        assert pods.result(job_id) == {"number": 5}
        state = pods.state(job_id)
        assert (state.ended, state.current, state.pod) == (False, RUN, "pod-1")
        assert state.heart_ms
    assert sorted(pods.bench.client.lrange(pods.bench.of("active"), 0, -1)) == sorted(tasks)


#: How a task fails: what the message says, the signal, and its seconds.
FAILURES = {
    "error": ("no luck", "", 0.0),
    "unrecoverable": ("never", "Unrecoverable", 0.0),
    "delay": ("", "Delay", 90.5),
    "rate limited": ("", "RateLimited", 60.0),
    "children": ("", "WaitForChildren", 0.0),
    "exit": ("7", "", 0.0),
    "interrupt": ("", "", 0.0),
    "surrogate": ("\\ud800", "", 0.0),
}


def test_a_failure_is_left_with_its_stack(pods: Pods) -> None:
    for how in FAILURES:
        pods.add("fail", how, how=how)
    processes = {how: pods.start("fail", job_id=how) for how in FAILURES}
    for how, process in processes.items():
        assert process.wait(PATIENCE) == 1, how
        left = pods.left(how)
        message, signal, seconds = FAILURES[how]
        assert (left.result, left.signal, left.seconds) == (None, signal, seconds), how
        assert message in left.message, how
        assert "in fail\n    raise errors[how]" in left.trace, how
        assert f"job {how} has failed" in process.output()


def test_a_result_that_is_no_json_is_a_failure_that_says_so(pods: Pods) -> None:
    kinds = ("nan", "object", "surrogate")
    for what in kinds:
        pods.add("strange", what, what=what)
    processes = [pods.start("strange", job_id=what) for what in kinds]
    assert [process.wait(PATIENCE) for process in processes] == [1, 1, 1]
    for what in kinds:
        assert pods.left(what).message.startswith(f"result of job {what} cannot be written as JSON")


def test_results_may_be_long_or_nothing(pods: Pods) -> None:
    pods.add("strange", what="long")
    assert pods.run("strange") == (0, "")
    assert pods.result() == "x" * 300_000
    pods.add("strange", "b", what="none")
    assert pods.run("strange", job_id="b") == (0, "")
    assert pods.result("b") is None


def test_data_that_does_not_fit_is_a_failure_that_no_attempt_mends(pods: Pods) -> None:
    pods.add("plain", number="four")
    assert pods.run("plain")[0] == 1
    assert (pods.left().signal, "does not fit task 'plain'" in pods.left().message) == ("Unrecoverable", True)


def test_what_the_handler_tells_is_there_while_it_runs(pods: Pods) -> None:
    pods.add("tell_until", path=str(pods.file))
    process = pods.start("tell_until")
    client, key = pods.bench.client, pods.bench.keys.job("a")
    eventually_sync(lambda: client.lrange(f"{key}:logs", 0, -1) == ["begun"], PATIENCE)
    assert client.hget(key, "progress") == '{"done":1}'
    heart = pods.state().heart_ms
    eventually_sync(lambda: pods.state().heart_ms != heart, PATIENCE)
    assert process.exit_code is None
    pods.file.write_text("done")
    assert process.wait(PATIENCE) == 0
    assert pods.result() == "done"


# ---- what it refuses ---------------------------------------------------------------------------------------------


def remove(pods: Pods, job_id: str) -> None:
    pods.bench.client.delete(pods.bench.keys.job(job_id))


def add_again(pods: Pods, job_id: str) -> None:
    """Have another job of the same id run, which counts its runs from 1 too."""
    pods.bench.client.hset(pods.bench.keys.job(job_id), "timestamp", NOW + 1)


def cancel(pods: Pods, job_id: str = "a") -> None:
    pods.bench.run(jobs.cancel(pods.bench.keys, job_id, "no more", NOW, -1))


def end(pods: Pods, job_id: str) -> None:
    pods.bench.finish(pods.bench.complete(job_id))


def replace(pods: Pods, job_id: str) -> None:
    pods.note(structs.replace(RUN, number=2), job_id, fresh=True)


def end_attempt(pods: Pods, job_id: str) -> None:
    pods.bench.client.hset(pods.bench.keys.job(job_id), "atm", 1)


def call_it_over(pods: Pods, job_id: str) -> None:
    pods.bench.run(remote_runs.end_run(pods.bench.keys, job_id, RUN))


CHANGES = {change.__name__: change for change in (remove, add_again, cancel, end, replace, end_attempt, call_it_over)}


def test_a_run_that_is_not_wanted_does_not_begin(pods: Pods) -> None:
    for name, change in CHANGES.items():
        pods.add("hold", name, path=str(pods.file_of(name)))
        change(pods, name)
    before = pods.bench.dump()
    processes = {name: pods.start("hold", job_id=name, OXMQ_JOB_ADDED=str(NOW)) for name in CHANGES}
    for name, process in processes.items():
        assert process.wait(PATIENCE) == 3, name
        assert f"run 1 of job {name} is not wanted" in process.output()
        assert not pods.file_of(name).exists()
    assert pods.bench.dump() == before


def test_a_run_that_is_no_longer_wanted_is_stopped(pods: Pods) -> None:
    for name in CHANGES:
        pods.add("hold", name, path=str(pods.file_of(name)))
        pods.let_go(name)
    processes = {name: pods.start("hold", job_id=name, OXMQ_JOB_ADDED=str(NOW)) for name in CHANGES}
    for name, change in CHANGES.items():
        eventually_sync(partial(pods.is_ready, name), PATIENCE)
        change(pods, name)
    for name, process in processes.items():
        assert process.wait(PATIENCE) == 3, name
        assert pods.file_of(name).read_text() == "ready told cleaned up", name
        assert pods.state(name).left is None, name
        words = f"run 1 of job {name} is stopped: its job has ended, was cancelled, or has another run"
        assert words in process.output()


def test_a_handler_that_does_not_stop_is_made_to(pods: Pods) -> None:
    pods.add("refuse_to_stop", path=str(pods.file))
    process = pods.start("refuse_to_stop", OXMQ_TEST_GRACE="0.1")
    eventually_sync(pods.is_ready, PATIENCE)
    cancel(pods)
    assert process.wait(PATIENCE) == 3


def test_a_second_pod_of_the_run_does_not_begin(pods: Pods) -> None:
    pods.add("tell_until", path=str(pods.file))
    first = pods.start("tell_until")
    eventually_sync(lambda: pods.state().pod == "pod-1", PATIENCE)
    assert pods.run("tell_until", OXMQ_POD="pod-2")[0] == 3
    pods.file.write_text("done")
    assert first.wait(PATIENCE) == 0
    assert (pods.result(), pods.state().pod) == ("done", "pod-1")


def test_what_is_no_task_is_said(pods: Pods) -> None:
    pods.add("plain", number=1)
    faults = {
        ("plain", "--queue=other"): "is a task of queue 'pods', not of 'other'",
        ("",): "name the task as module:function",
        ("nothing",): "has no attribute 'nothing'",
        ("main",): "is not a task",
    }
    processes = [(pods.start(*words), said) for words, said in faults.items()]
    for process, said in processes:
        assert process.wait(PATIENCE) not in (0, 3)
        assert said in re.sub(r"\s+", " ", process.output())
    assert pods.state().pod == ""


# ---- what stops it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["hold", "hold_on_loop"])
def test_a_pod_that_is_told_to_end_cleans_up_and_leaves_nothing(pods: Pods, task: str) -> None:
    pods.add(task, path=str(pods.file))
    process = pods.start(task)
    eventually_sync(pods.is_ready, PATIENCE)
    process.terminate()
    pods.until("ready told")
    process.terminate()  # a second one does not break that off
    cancel(pods)
    assert process.exit_code is None
    pods.let_go()
    assert process.wait(PATIENCE) in (143, 3)
    assert pods.file.read_text() == "ready told cleaned up"
    assert pods.state().left is None
    process.assert_careful()


def test_the_exit_code_says_that_it_was_told(pods: Pods) -> None:
    pods.add("hold", path=str(pods.file))
    pods.let_go()
    process = pods.start("hold")
    eventually_sync(pods.is_ready, PATIENCE)
    process.terminate()
    assert process.wait(PATIENCE) == 143


def test_a_handler_that_comes_to_a_good_end_when_told_leaves_its_result(pods: Pods) -> None:
    pods.add("finish_when_told", path=str(pods.file))
    process = pods.start("finish_when_told")
    eventually_sync(pods.is_ready, PATIENCE)
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert pods.result() == "finished all the same"


def test_a_pod_that_is_told_to_end_before_it_has_begun_ends(far_pods: Pods, proxy: FaultProxy) -> None:
    far_pods.add("hold", path=str(far_pods.file))
    proxy.stall()
    process = far_pods.start("hold", OXMQ_TEST_ANSWER="0.2")
    eventually_sync(lambda: _has_handler(process), PATIENCE)
    process.terminate()
    assert process.wait(PATIENCE) == 143
    assert not far_pods.file.exists()


def _has_handler(process: Process) -> bool:
    """Tell whether the process listens to SIGTERM."""
    status = Path(f"/proc/{process.pid}/status")
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status.read_text()) if status.exists() else None
    return bool(caught and int(caught[1], 16) >> 14 & 1)


def test_a_pod_that_cannot_reach_redis_for_too_long_ends_by_itself(far_pods: Pods, proxy: FaultProxy) -> None:
    far_pods.add("hold", path=str(far_pods.file))
    far_pods.let_go()
    process = far_pods.start("hold", patience=1, OXMQ_TEST_ANSWER="0.2")
    eventually_sync(far_pods.is_ready, PATIENCE)
    proxy.refuse()
    assert process.wait(PATIENCE) == 75
    assert far_pods.file.read_text() == "ready told cleaned up"
    assert "this pod must be taken for lost" in process.output()
    assert far_pods.state().left is None


@pytest.mark.parametrize("fault", ["refuse", "stall"])
def test_a_pod_outlives_a_short_absence_of_redis(far_pods: Pods, proxy: FaultProxy, fault: str) -> None:
    far_pods.add("tell_until", path=str(far_pods.file))
    process = far_pods.start("tell_until", OXMQ_TEST_ANSWER="0.2")
    eventually_sync(Path(f"{far_pods.file}.begun").exists, PATIENCE)
    getattr(proxy, fault)()
    far_pods.file.write_text("done")
    # Its handler has ended, and there is nobody to tell.
    eventually_sync(Path(f"{far_pods.file}.end").exists, PATIENCE)
    assert (process.exit_code, far_pods.state().left) == (None, None)
    proxy.heal()
    assert process.wait(PATIENCE) == 0
    assert far_pods.result() == "done"


def test_a_result_that_cannot_be_left_for_too_long_is_lost(far_pods: Pods, proxy: FaultProxy) -> None:
    far_pods.add("tell_until", path=str(far_pods.file))
    process = far_pods.start("tell_until", patience=1, OXMQ_TEST_ANSWER="0.2")
    eventually_sync(lambda: far_pods.state().pod == "pod-1", PATIENCE)
    proxy.refuse()
    far_pods.file.write_text("done")
    assert process.wait(PATIENCE) == 75
    assert far_pods.state().left is None
