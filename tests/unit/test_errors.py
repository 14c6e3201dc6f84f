"""The exceptions: the tree drawn for readers is the tree of the classes."""

from __future__ import annotations

import inspect
import re

import pytest

from oxmq import errors
from oxmq.errors import ConfigurationError, JobError, JobFailedError, OxmqError, job_error


def drawn_tree() -> dict[str, str]:
    """Return each class that the module's docstring draws, with the class that it hangs under."""
    parents: dict[str, str] = {}
    trail: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.fullmatch(r"    ([│ ├└─]*)(\w+)(\s{2}.*)?", line)
        if drawn and hasattr(errors, drawn[2]):
            del trail[len(drawn[1]) // 4 :]
            if trail:
                parents[drawn[2]] = trail[-1]
            trail.append(drawn[2])
    return parents


def test_the_drawing_is_the_tree() -> None:
    classes = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind is not OxmqError}
    assert drawn_tree() == {name: kind.__bases__[0].__name__ for name, kind in classes.items()}


def test_a_configuration_error_is_a_value_error() -> None:
    assert issubclass(ConfigurationError, ValueError)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (-1, errors.JobNotFoundError, "Missing key for job 7. finish"),
        (-2, errors.LockLostError, "Missing lock for job 7. finish"),
        (-3, errors.JobStateError, "Job 7 is not in the active state. finish"),
        (-4, errors.ChildrenPendingError, "Job 7 has pending dependencies. finish"),
        (-5, errors.ParentNotFoundError, "Missing key for parent job bull:email:3. finish"),
        (-6, errors.LockLostError, "Lock mismatch for job 7. Cmd finish from active"),
        (-7, errors.ParentConflictError, "The parent job bull:email:3 cannot be replaced. finish"),
        (-8, errors.SchedulerJobError, "Job 7 belongs to a job scheduler and cannot be removed directly. finish"),
        (-9, errors.ChildrenFailedError, "Cannot complete job 7 because it has at least one failed child. finish"),
        (
            -10,
            errors.SchedulerSlotError,
            "Cannot create job scheduler iteration - job ID already exists. finish 7",
        ),
        (
            -11,
            errors.SchedulerSlotError,
            "Cannot create job scheduler iteration - current and next time slots already have jobs. finish 7",
        ),
        (-12, errors.SchedulerNotFoundError, "Missing key for job scheduler 7. finish"),
        (-13, errors.JobStateError, "Job scheduler 7 is a legacy repeatable job, which can only be removed. finish"),
        (-42, JobError, "Unknown code -42 error for 7. finish"),
    ],
)
def test_each_code_has_its_class_and_bullmqs_words(code: int, kind: type[JobError], message: str) -> None:
    error = job_error(code, job_id="7", queue="email", operation="finish", parent="bull:email:3")
    assert type(error) is kind
    assert str(error) == f"{message} (queue 'email')"
    assert (error.job_id, error.queue, error.operation, error.code) == ("7", "email", "finish", code)


def test_the_state_that_is_needed_is_named() -> None:
    error = job_error(-3, job_id="7", queue="email", operation="promote", state="delayed")
    assert str(error) == "Job 7 is not in the delayed state. promote (queue 'email')"


def test_a_failed_job_says_which_and_why() -> None:
    error = JobFailedError("7", "no mail server")
    assert (str(error), error.job_id, error.reason) == ("Job 7 failed: no mail server", "7", "no mail server")


def test_signals_carry_their_seconds() -> None:
    assert (errors.Delay(5).seconds, errors.RateLimited(0.5).seconds) == (5, 0.5)
    assert str(errors.RateLimited(0.5)) == "rate limited for 0.5 s"
    assert str(errors.WaitForChildren()) == "wait for children"
