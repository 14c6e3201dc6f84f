"""Add jobs with deduplication ids, before, while and after the owner of the id runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.adding_rules import AddingRules, Options, plain_options
from tests.model.machine import SPAN_MS, bases, needs
from tests.model.queue import Queue
from tests.model.work_rules import WorkRules

deduplications = st.fixed_dictionaries(
    {"id": st.sampled_from(["x", "y"])},
    optional={
        "ttl": st.sampled_from([SPAN_MS, 3 * SPAN_MS]),
        "extend": st.just(True),
        "replace": st.just(True),
        "reschedule": st.just(True),
        "keepLastIfActive": st.just(True),
    },
)


def ids_of_running(queue: Queue) -> list[str]:
    """Return the deduplication ids that active jobs own."""
    return [name for name, owner in queue.owners.items() if owner.value in queue.active]


class DeduplicationRules(AddingRules, WorkRules):
    """Add jobs with deduplication ids."""

    @rule(base=bases, options=plain_options, deduplication=deduplications)
    def add_deduplicated(self, base: str, options: Options, deduplication: dict[str, Any]) -> None:
        self._add_deduplicated(base, options, deduplication)

    @rule(base=bases, options=plain_options, deduplication=deduplications)
    def run_deduplicated(self, base: str, options: Options, deduplication: dict[str, Any]) -> None:
        """Add a job that runs next, and take it."""
        self._add_deduplicated(base, replace(options, delay=0, priority=0, next_up=True), deduplication)
        self._take(base, 1, self.terms())

    @needs(ids_of_running)
    @rule(base=bases, options=plain_options, deduplication=deduplications, keep=st.sampled_from([True, True, False]))
    def add_behind_running(self, base: str, options: Options, deduplication: dict[str, Any], keep: bool) -> None:
        """Add a job of which the owner of its deduplication id is running."""
        base = self.busiest(base, ids_of_running)
        given = deduplication | {"id": ids_of_running(self.queue(base))[0]}
        self._add_deduplicated(base, options, given | ({"keepLastIfActive": True} if keep else {}))

    def _add_deduplicated(self, base: str, options: Options, deduplication: dict[str, Any]) -> None:
        owner = self.queue(base).owners.get(deduplication["id"])
        job = self.queue(base).jobs.get(str(owner.value)) if owner else None
        # As in BullMQ, a claim that is extended with `keepLastIfActive` has no end, though its owner may have ended.
        if job and "finishedOn" in job.fields and deduplication.keys() >= {"extend", "ttl", "keepLastIfActive"}:
            self.endless.add(f"{base}de:{deduplication['id']}")
        self._add(base, [self._draft(options, deduplication=deduplication)])
