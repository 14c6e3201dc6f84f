"""Jobs in processes of their own, within limits: what they may use, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from oxmq import JobTimeoutError, OxmqError, Unrecoverable
from oxmq.executors.child_task import ProcessError
from oxmq.executors.limited import MAX_RESULT, LimitedExecutor, Limits
from oxmq.executors.threads import ThreadExecutor
from tests.integration import limited_tasks as tasks
from tests.integration.limited_tasks import MIB, is_gone, is_ready, job_of, loner, python, tree
from tests.support.processes import Processes
from tests.support.waiting import eventually, eventually_sync

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory and cores")
#: A test's job may need this long on a machine that does a lot else.
PATIENCE = 30.0


@pytest.fixture
async def executor() -> AsyncIterator[LimitedExecutor]:
    threads = ThreadExecutor()
    made = LimitedExecutor(threads)
    yield made
    made.close()
    await eventually(lambda: not made._running, PATIENCE)  # pyright: ignore[reportPrivateUsage] - nothing may be left
    threads.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file that says what a job has done; a job's processes hold it locked."""
    return tmp_path / "file"


async def test_each_job_gets_a_process_of_its_own(executor: LimitedExecutor) -> None:
    given = await asyncio.gather(*(executor.run(*job_of(tasks.about), Limits(cpu=1000)) for _ in range(2)))
    answers = [msgspec.json.decode(result) for result in given]
    assert len({os.getpid(), *(answer["pid"] for answer in answers)}) == 3
    assert all(answer["cores"] == tasks.available_cores() for answer in answers)


async def test_a_result_may_be_larger_than_a_pipe(executor: LimitedExecutor) -> None:
    result = await executor.run(*job_of(tasks.big, size=500_000), Limits())
    assert msgspec.json.decode(result) == "x" * 500_000


@linux
@pytest.mark.parametrize("task", [tasks.take, tasks.take_in_crumbs], ids=["at once", "in crumbs"])
async def test_a_job_that_needs_too_much_memory_fails_alone_and_says_so(
    executor: LimitedExecutor, task: object
) -> None:
    limits = Limits(memory=256 * MIB, memory_text="256Mi")
    failing = executor.run(*job_of(task, mebibytes=1024), limits)
    result, error = await asyncio.gather(
        executor.run(*job_of(tasks.take, mebibytes=100), limits), failing, return_exceptions=True
    )
    assert isinstance(result, msgspec.Raw)
    assert msgspec.json.decode(result) == 100
    assert isinstance(error, ProcessError)
    assert str(error) == "the job needed more memory than its limit of 256Mi"
    assert "MemoryError" in str(error.__cause__)


@linux
async def test_a_job_that_copes_with_the_limit_decides_itself(executor: LimitedExecutor) -> None:
    with pytest.raises(Unrecoverable, match="a smaller one, please"):
        await executor.run(*job_of(tasks.take_and_steer), Limits(memory=256 * MIB))


@pytest.mark.parametrize("task", [tasks.wait, tasks.wait_on_loop], ids=["SystemExit", "CancelledError"])
async def test_a_cancelled_handler_can_clean_up_and_nothing_of_it_is_left(
    executor: LimitedExecutor, file: Path, task: object
) -> None:
    running = asyncio.create_task(executor.run(*job_of(task, path=str(file)), Limits(grace=1000)))
    await eventually(lambda: is_ready(file), PATIENCE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: is_gone(file), PATIENCE)
    assert file.read_text() == "ready cleaned up"


async def test_a_handler_that_does_not_stop_is_killed_after_its_grace(executor: LimitedExecutor, file: Path) -> None:
    running = asyncio.create_task(executor.run(*job_of(tasks.refuse_to_stop, path=str(file)), Limits(grace=0.1)))
    await eventually(lambda: is_ready(file), PATIENCE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: is_gone(file), PATIENCE)


async def test_a_cancelled_call_does_not_wait_for_a_long_grace(
    executor: LimitedExecutor, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxmq.executors.limited._PATIENCE", 0.0)
    running = asyncio.create_task(executor.run(*job_of(tasks.refuse_to_stop, path=str(file)), Limits(grace=1000)))
    await eventually(lambda: is_ready(file), PATIENCE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_gone(file)
    executor.close()
    await eventually(lambda: is_gone(file), PATIENCE)


async def test_a_call_that_is_cancelled_at_once_starts_nothing_that_stays(
    executor: LimitedExecutor, file: Path
) -> None:
    running = asyncio.create_task(executor.run(*job_of(tasks.refuse_to_stop, path=str(file)), Limits(grace=0.1)))
    await asyncio.sleep(0)  # it has begun
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: not file.exists() or is_gone(file), PATIENCE)


async def test_a_job_is_stopped_at_its_time_limit(executor: LimitedExecutor, file: Path) -> None:
    with pytest.raises(JobTimeoutError, match=r"^the job ran longer than its timeout of 1s and was stopped$"):
        await executor.run(*job_of(tasks.wait, path=str(file)), Limits(timeout=1, timeout_text="1s", grace=1000))
    # On a busy machine the child may not have got as far as that.
    assert not file.exists() or await eventually(lambda: is_gone(file), PATIENCE)


async def test_a_program_that_is_stopped_at_its_time_limit_is_heard(executor: LimitedExecutor) -> None:
    logged: list[str] = []

    async def log(line: str) -> None:
        logged.append(line)

    with pytest.raises(JobTimeoutError, match=r"ran longer than its timeout of 0\.5 s"):
        await executor.run_command(["sh", "-c", "echo begun; exec sleep 1000"], {}, Limits(timeout=0.5), log)
    assert logged in ([], ["begun"])  # it may not have come as far


async def test_what_a_job_leaves_running_ends_with_it(executor: LimitedExecutor, file: Path) -> None:
    assert bytes(await executor.run(*job_of(tasks.leave_something, path=str(file)), Limits())) == b'"done"'
    await eventually(lambda: is_gone(file), PATIENCE)


@pytest.mark.parametrize("how", ["task", "command"])
def test_a_job_ends_with_its_worker(file: Path, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    with Processes(tmp_path, {"TMPDIR": str(folder)}) as processes:
        worker = processes.start("tests.integration.limited_tasks", how, str(file))
        eventually_sync(lambda: is_ready(file), PATIENCE, worker.tail())
        worker.kill9()
        eventually_sync(lambda: is_gone(file), PATIENCE)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("task", "arguments", "reason"),
    [
        (tasks.leave, {"code": 3}, r"^the job's process ended with exit code 3$"),
        (tasks.die, {"number": int(signal.SIGUSR1)}, r"^the job's process was killed by SIGUSR1$"),
        (
            tasks.die,
            {"number": int(signal.SIGKILL)},
            r"^the job's process was killed by SIGKILL; perhaps it needed more memory than its limit of 8Gi$",
        ),
        (tasks.kill_warden, {}, "^the job's process was killed, as the process that watches over it was$"),
        (tasks.fail, {}, r"^no luck$"),
    ],
    ids=["exit code", "signal", "SIGKILL", "warden", "error"],
)
async def test_a_death_is_told_in_words(
    executor: LimitedExecutor, task: object, arguments: dict[str, object], reason: str
) -> None:
    with pytest.raises(ProcessError, match=reason):
        await executor.run(*job_of(task, **arguments), Limits(memory=8192 * MIB, memory_text="8Gi"))


@linux
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
async def test_jobs_get_cores_of_their_own_as_long_as_there_are_some(executor: LimitedExecutor, tmp_path: Path) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    given = await asyncio.gather(
        executor.run(*job_of(tasks.wait_then_tell_cores, path=first, other=second), Limits(cpu=0.5)),
        executor.run(*job_of(tasks.wait_then_tell_cores, path=second, other=first), Limits(cpu=1)),
    )
    (one,), (other,) = map(msgspec.json.decode, given)
    assert one != other


async def test_a_program_finds_its_job_and_leaves_a_result(executor: LimitedExecutor) -> None:
    code = (
        "import json, os; data = json.loads(os.environ['OXMQ_JOB_DATA']);"
        "open(os.environ['OXMQ_RESULT_FILE'], 'w').write(json.dumps({'twice': 2 * data['number']}) + '\\n')"
    )
    result = await executor.run_command(python(code), {"OXMQ_JOB_DATA": '{"number": 21}'}, Limits())
    assert result is not None
    assert bytes(result) == b'{"twice": 42}'


async def test_a_program_that_leaves_nothing_has_no_result(executor: LimitedExecutor) -> None:
    assert await executor.run_command(["true"], {}, Limits()) is None
    # Not even the file.
    assert (
        await executor.run_command(python("import os; os.remove(os.environ['OXMQ_RESULT_FILE'])"), {}, Limits()) is None
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [("'{'", "is not JSON"), (f"'1' * {MAX_RESULT + 1}", f"more than {MAX_RESULT} bytes")],
    ids=["no JSON", "too large"],
)
async def test_a_result_that_is_not_acceptable_fails_for_good(
    executor: LimitedExecutor, content: str, reason: str
) -> None:
    with pytest.raises(Unrecoverable, match=reason):
        await executor.run_command(
            python(f"import os; open(os.environ['OXMQ_RESULT_FILE'], 'w').write({content})"), {}, Limits()
        )


async def test_what_a_program_writes_is_logged_and_the_end_of_it_is_the_reason(executor: LimitedExecutor) -> None:
    logged: list[str] = []

    async def log(line: str) -> None:
        logged.append(line)

    code = (
        "import sys\nfor i in range(1000): print('line', i, flush=True)\nsys.stderr.write('b\\xffad\\n'); sys.exit(3)"
    )
    with pytest.raises(ProcessError) as caught:
        await executor.run_command(python(code), {"PYTHONIOENCODING": "latin-1"}, Limits(), log)
    assert logged == [*(f"line {i}" for i in range(801, 1000)), "b\ufffdad"]
    end = "\n".join(logged[-20:])
    assert str(caught.value) == f"the job's process ended with exit code 3; it wrote at last:\n{end}"


async def test_a_program_without_line_ends_does_not_fill_the_memory(executor: LimitedExecutor) -> None:
    logged: list[str] = []

    async def log(line: str) -> None:
        logged.append(line)

    await executor.run_command(python("import sys; sys.stdout.write('x' * 5_000_000)"), {}, Limits(), log)
    assert logged == ["x" * 65_536]


async def test_a_log_that_cannot_be_written_does_not_fail_the_job(executor: LimitedExecutor) -> None:
    async def log(line: str) -> None:
        raise OxmqError(f"no place for {line}")

    assert await executor.run_command(["echo", "word"], {}, Limits(), log) is None


async def test_a_program_that_is_not_here_fails_for_good_and_says_where_it_is(executor: LimitedExecutor) -> None:
    with pytest.raises(Unrecoverable, match=r"^the program 'render-it' of the task's image is not on this machine"):
        await executor.run_command(["render-it", "--all"], {}, Limits())


@pytest.mark.parametrize("data", ["x" * 200_000, "\0"], ids=["too large", "no text"])
async def test_variables_that_no_program_can_have_fail_for_good(executor: LimitedExecutor, data: str) -> None:
    with pytest.raises(Unrecoverable, match="the arguments and variables for the program 'true' are not possible"):
        await executor.run_command(["true"], {"OXMQ_JOB_DATA": data}, Limits())


@linux
async def test_a_program_gets_no_more_memory_than_its_limit(executor: LimitedExecutor) -> None:
    with pytest.raises(ProcessError, match=r"exit code 1; it wrote at last:\n(.*\n)+MemoryError$"):
        await executor.run_command(python(f"bytearray({512 * MIB})"), {}, Limits(memory=256 * MIB))


async def test_a_cancelled_program_ends_with_all_that_it_started(executor: LimitedExecutor, file: Path) -> None:
    # Its end does not wait for those that hold its output open.
    running = asyncio.create_task(executor.run_command(tree(file), {}, Limits(grace=1000)))
    await eventually(lambda: is_ready(file), PATIENCE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: is_gone(file), PATIENCE)


async def test_a_program_that_leaves_its_group_is_killed_too(executor: LimitedExecutor, file: Path) -> None:
    running = asyncio.create_task(executor.run_command(loner(file), {}, Limits(grace=0.1)))
    await eventually(lambda: is_ready(file), PATIENCE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: is_gone(file), PATIENCE)


async def test_a_program_that_has_a_noisy_child_ends_all_the_same(executor: LimitedExecutor) -> None:
    code = "import subprocess; subprocess.Popen(['yes'])"
    assert await executor.run_command(python(code), {}, Limits()) is None
