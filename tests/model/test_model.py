"""Compare the queue with its specification in Python, over whatever sequences of operations hypothesis thinks up."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.administration_rules import AdministrationRules
from tests.model.changing_rules import ChangingRules
from tests.model.deduplication_rules import DeduplicationRules
from tests.model.reading_rules import ReadingRules
from tests.model.scheduler_rules import SchedulerRules
from tests.support.servers import RedisServer


class QueueMachine(DeduplicationRules, ChangingRules, AdministrationRules, SchedulerRules, ReadingRules):
    """Do everything that can be done to a queue."""


@pytest.fixture(scope="module")
def machine() -> Iterator[type[QueueMachine]]:
    """Return the machine, on a server of its own."""
    with RedisServer(unix=True) as server:
        QueueMachine.connect(server)
        yield QueueMachine
        QueueMachine.disconnect()


@pytest.mark.timeout(0)
def test_the_queue_does_what_the_model_says(machine: type[QueueMachine]) -> None:
    chosen = settings(
        max_examples=int(os.environ.get("OXMQ_MODEL_EXAMPLES", "300")),
        stateful_step_count=50,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(machine, settings=chosen)
