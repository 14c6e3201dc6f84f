# Written by tools/unasync.py from oxmq/client/context.py; change that file, not this one.
"""Hold what a queue and its jobs share: the connection, the keys, the clock."""

from __future__ import annotations

from oxmq.clock import Clock, SystemClock
from oxmq.keys import DEFAULT_PREFIX, QueueKeys
from oxmq.ops.lifecycle import TakeTerms
from oxmq.ops.outcomes import FinishRules
from oxmq.sync.results import ResultReader
from oxmq.tracing import Telemetry
from oxmq.transport.connect import Endpoint
from oxmq.transport.sync_runner import SyncRunner


class QueueContext:
    """Hold one queue's surroundings. Building one connects to nothing.

    Attributes:
        runner: executes calls.
        keys: the queue's keys.
        clock: gives the time that is written.
        terms: on what terms jobs are taken.
        rules: what is applied to jobs whose options are silent.
        results: waits for the ends of the queue's jobs.
        telemetry: follows the jobs; None for nothing.
    """

    __slots__ = ("clock", "keys", "results", "rules", "runner", "telemetry", "terms")

    def __init__(
        self,
        runner: SyncRunner,
        keys: QueueKeys,
        clock: Clock,
        terms: TakeTerms | None = None,
        rules: FinishRules | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.runner = runner
        self.keys = keys
        self.clock = clock
        self.terms = terms or TakeTerms()
        self.rules = rules or FinishRules()
        self.results = ResultReader(runner, keys)
        self.telemetry = telemetry

    def close(self) -> None:
        """Close the connections."""
        self.results.close()
        self.runner.close()


def open_context(
    name: str,
    connection: object,
    prefix: str = DEFAULT_PREFIX,
    clock: Clock | None = None,
    terms: TakeTerms | None = None,
    rules: FinishRules | None = None,
    telemetry: Telemetry | None = None,
) -> QueueContext:
    """Return the context of a queue with a connection of its own; a bad name or address is refused here."""
    keys = QueueKeys(name, prefix)
    clock = clock or SystemClock()
    return QueueContext(SyncRunner(Endpoint(connection), clock), keys, clock, terms, rules, telemetry)
