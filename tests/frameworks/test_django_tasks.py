"""Django's own tasks run as jobs: with priorities, delays, results and errors, as that interface has them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frameworks.django_site import DjangoSite


@pytest.fixture(scope="module")
def before(site: DjangoSite) -> dict[str, Any]:
    """Return what was seen before there was a worker."""
    seen: dict[str, Any] = site.walk("before", module="task_scenarios")
    return seen


@pytest.fixture(scope="module")
def after(site: DjangoSite, before: dict[str, Any]) -> dict[str, Any]:
    """Return what is seen with a worker, which runs one job of a queue at a time."""
    site.work("--concurrency", "1")
    seen: dict[str, Any] = site.walk("after", before["ready"][0], module="task_scenarios")
    return seen


def test_a_result_is_ready_until_it_runs(before: dict[str, Any]) -> None:
    assert before["ready"][1:] == ["READY", ["Ada"], {"polite": False}, 0, False]
    assert before["enqueued_at"]


def test_a_task_waits_for_the_commit(before: dict[str, Any]) -> None:
    assert before["hidden_until_commit"] == [True, False, True, True]


def test_a_task_that_runs_later_is_ready_with_its_own_priority(before: dict[str, Any]) -> None:
    assert (before["delayed"], before["priority"]) == ("READY", 0)


def test_a_result_is_read_back(after: dict[str, Any]) -> None:
    assert after["written"] == ["Hey Ada", 1, "SUCCESSFUL"]
    assert after["times"] == [True, []]


def test_a_task_may_be_a_coroutine(after: dict[str, Any]) -> None:
    assert after["counted"]


def test_higher_priorities_run_first(after: dict[str, Any]) -> None:
    assert after["noted"] == ["first", "high", "none", "low"]


def test_a_failure_tells_its_error(after: dict[str, Any]) -> None:
    assert after["failed"] == ["FAILED", True, 1]
    assert after["failed_trace"].startswith("Traceback")
    assert "no paper\nand no ink" in after["failed_trace"]


def test_attempts_are_counted_and_their_errors_kept(after: dict[str, Any]) -> None:
    assert after["patient"] == [True, 2, "SUCCESSFUL"]
    assert after["patient_errors"] == ["builtins.LookupError"]


def test_two_backends_of_one_queue_have_each_its_own_options_and_results(after: dict[str, Any]) -> None:
    assert after["hasty"] == ["FAILED", "hasty", 2]


def test_a_result_that_cannot_be_kept_is_a_failure_for_the_signals_too(after: dict[str, Any]) -> None:
    assert after["drawn"] == ["FAILED", ["drawing FAILED"]]


def test_what_is_no_result_of_a_task_is_told(after: dict[str, Any]) -> None:
    assert after["mismatch"] == "TaskResultMismatch"
    assert after["unknown"] == "TaskResultDoesNotExist"
    assert set(after["no_ids"]) == {"TaskResultDoesNotExist"}


def test_what_cannot_be_enqueued_is_refused(after: dict[str, Any]) -> None:
    assert "nowhere" in after["refused"]
    assert "Unsupported type" in after["not_json"]


def test_the_backend_says_what_it_can(after: dict[str, Any]) -> None:
    assert after["supports"] == [True] * 4
