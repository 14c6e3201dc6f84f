"""Tasks: functions that can be called, or enqueued. Nothing here needs a server."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from oxmq import ConfigurationError, Kubernetes, Oxmq, OxmqError, Unrecoverable, current_job
from oxmq.executors.child_task import Reference

NOWHERE = "redis://127.0.0.1:1"

app = Oxmq(NOWHERE)


@app.task(queue="numbers", attempts=3, timeout="10s")
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@app.task
def halve(number: int) -> float:
    return number / 2


@app.task(name="other", run="process")
def named() -> None: ...


async def test_calling_a_task_calls_the_plain_function() -> None:
    assert await double(4) == 8
    assert halve(4) == 2.0


def test_a_task_looks_like_its_function() -> None:
    assert double.__name__ == "double"
    assert double.__doc__ == "Double a number."
    assert double.__module__ == __name__
    assert str(inspect.signature(double)) == "(number: 'int') -> 'int'"
    assert repr(double) == "<Task 'double' of queue 'numbers'>"


def test_a_task_knows_its_name_queue_and_kind() -> None:
    assert (double.name, double.queue, double.is_async, double.run) == ("double", "numbers", True, None)
    assert (halve.name, halve.queue, halve.is_async, halve.run) == ("halve", "default", False, None)
    assert (named.name, named.run) == ("other", "process")
    assert app.queue_names == ["numbers", "default"]


def test_a_call_holds_checked_data_and_options() -> None:
    call = double.options(priority=2).call(4)
    assert (call.task, call.data, call.options.priority) == (double, {"number": 4}, 2)
    assert call.options.over(double.job_options).attempts == 3


@pytest.mark.parametrize("number", ["4", None, 4.5])
async def test_wrong_arguments_are_refused_before_any_io(number: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"task 'double': .*number"):
        double.call(number)
    with pytest.raises(ConfigurationError, match="number"):
        double.enqueue_sync(number)
    with pytest.raises(ConfigurationError, match="number"):
        await double.enqueue(number)


async def test_a_wrong_argument_among_many_sends_none() -> None:
    with pytest.raises(ConfigurationError, match="number"):
        await app.enqueue_many(double.call(number) for number in [1, 2, "3"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_unknown_options_are_refused_with_a_hint() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'priority'"):
        double.options(prority=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(ConfigurationError, match="unknown job option 'retries'"):
        app.task(retries=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def test_a_bad_option_is_refused_when_the_task_is_declared() -> None:
    with pytest.raises(ConfigurationError, match="attempts must be a whole number"):
        app.task(attempts=-1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"queue": "a b"}, "queue name must be 1 to 128"),
        ({"queue": 5}, "queue name must be 1 to 128"),
        ({"name": ""}, "job name must be"),
        ({"run": Kubernetes(image="a"), "timeout": 5}, r"give a pod Kubernetes\(timeout=...\)"),
        ({"run": "thread"}, r'run must be "process", Kubernetes\(...\) or not given'),
    ],
)
def test_a_task_that_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Oxmq(NOWHERE).task(**arguments)(lambda: None)


@pytest.mark.parametrize("not_function", [len, int, "text"])
def test_a_task_is_made_of_a_function(not_function: Any) -> None:
    with pytest.raises(ConfigurationError, match="a task is made of a function"):
        Oxmq(NOWHERE).task(not_function)


def test_two_tasks_of_a_queue_cannot_have_one_name() -> None:
    own = Oxmq(NOWHERE)
    own.task(name="same")(halve.function)
    own.task(name="same", queue="elsewhere")(halve.function)
    with pytest.raises(ConfigurationError, match="queue 'default' has a task named 'same' already"):
        own.task(name="same")(halve.function)


def test_data_that_does_not_fit_fails_the_job_for_good() -> None:
    assert double.arguments_of({"number": 4}) == {"number": 4}
    with pytest.raises(Unrecoverable, match=r"data does not fit task 'double': .*`number`"):
        double.arguments_of({"number": "four"})


def test_a_child_process_finds_a_task_by_module_and_name() -> None:
    assert named.reference == Reference(__name__, "named")


def test_a_child_process_could_not_find_a_task_within_a_function() -> None:
    own = Oxmq(NOWHERE)

    @own.task(run="process")
    def inner() -> None: ...

    with pytest.raises(ConfigurationError, match=r"task 'inner': .*must not be in a function"):
        _ = inner.reference
    with pytest.raises(ConfigurationError, match="must not be in a function"):
        own.worker()


def test_a_worker_needs_queues_that_the_app_has() -> None:
    with pytest.raises(ConfigurationError, match="the app has no tasks"):
        Oxmq(NOWHERE).worker()
    with pytest.raises(ConfigurationError, match="no task of the app is in queue 'numbres'"):
        app.worker(["numbres"])
    with pytest.raises(ConfigurationError, match="concurrency must be a whole number from 1"):
        app.worker(["numbers"], concurrency=0)


def test_outside_a_job_there_is_no_current_job() -> None:
    with pytest.raises(OxmqError, match="no job is running here"):
        current_job()
