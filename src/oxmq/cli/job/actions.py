"""Do something to jobs, named one by one or all that match, and say what became of them: `oxmq job retry` and so on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from oxmq.cli.connection import existing_queue
from oxmq.cli.terminal.manner import Manner
from oxmq.cli.terminal.plural import jobs, jobs_were
from oxmq.cli.terminal.progress import progress_bar
from oxmq.cli.terminal.screen import EXIT_FAILURE, note
from oxmq.errors import ConfigurationError
from oxmq.monitor.bulk import MAX_IDS, Action, BulkStep, Order, Skipped, act_on_ids, act_on_matching
from oxmq.monitor.site import Site

#: What each action is called when it is done.
_DONE: Final[dict[Action, str]] = {
    Action.RETRY: "put back to run again",
    Action.PROMOTE: "made ready",
    Action.CANCEL: "cancelled, or asked to stop",
    Action.REMOVE: "deleted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Say what is to be done to which jobs.

    Attributes:
        action: what.
        queue: in this queue.
        ids: to these; none for those that match.
        state: to those of this state.
        search: that match this; empty for all.
        reason: why, for jobs that are cancelled.
    """

    action: Action
    queue: str
    ids: Sequence[str]
    state: str
    search: str
    reason: str = "cancelled"

    @classmethod
    def of(
        cls, action: str, queue: str, ids: Sequence[str] | None, state: str, search: str | None, all_jobs: bool,
        *, reason: str = "cancelled",
    ) -> Self:  # fmt: skip
        """Return a target as the command line describes it.

        Raises:
            ConfigurationError: it says nothing about which jobs, or too much.
        """
        if sum((bool(ids), bool(search), all_jobs)) != 1:
            raise ConfigurationError(f"say which jobs to {action}: their ids, or --search, or --all")
        return cls(action=Action(action), queue=queue, ids=ids or (), state=state, search=search or "", reason=reason)

    @property
    def words(self) -> str:
        """Return which jobs these are, in words."""
        if self.ids:
            named = ", ".join(self.ids[:3]) + (", ..." if len(self.ids) > 3 else "")
            return f"{named}, in queue {self.queue}"
        matching = f" that match {self.search!r}" if self.search else ""
        return f"{self.state} jobs of queue {self.queue}{matching}"


@dataclass(slots=True, kw_only=True)
class Tally:
    """Count what became of jobs.

    Attributes:
        matched: how many were meant.
        changed: how many were changed.
        skipped: some of those that could not be, and why.
        skipped_count: how many could not be.
        dry_run: whether nothing was done.
    """

    matched: int = 0
    changed: int = 0
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    skipped_count: int = 0
    dry_run: bool = False


async def act(site: Site, target: Target, manner: Manner) -> int:
    """Do it, print how many jobs were changed and which could not be, and return the exit code: 1 if there are such.

    Raises:
        NotFoundError: there is no such queue.
        RefusedError: the operator does not agree.
    """
    await existing_queue(site, target.queue)
    if not manner.yes and not manner.dry_run:
        found = len(target.ids) or (await _run(site, target, dry_run=True, quiet=manner.json)).matched
        manner.agree(f"This will {target.action} {jobs(found)}: {target.words}")
    tally = await _run(site, target, dry_run=manner.dry_run, quiet=manner.json)
    _report(target, tally, manner)
    return EXIT_FAILURE if tally.skipped_count else 0


async def _run(site: Site, target: Target, *, dry_run: bool, quiet: bool) -> Tally:
    tally = Tally(dry_run=dry_run)
    order = Order(action=target.action, reason=target.reason, dry_run=dry_run)
    with progress_bar("looking" if dry_run else target.action, None, quiet=quiet) as advance:
        async for step in _steps(site, target, order):
            tally.matched += step.matched
            tally.changed += step.changed
            tally.skipped += step.skipped
            tally.skipped_count += step.skipped_count
            advance(step.matched)
    return tally


async def _steps(site: Site, target: Target, order: Order) -> AsyncIterator[BulkStep]:
    """Do it, and tell of each step."""
    for start in range(0, max(1, len(target.ids)), MAX_IDS):
        cursor: str | None = None
        while True:
            if target.ids:
                batch = target.ids[start : start + MAX_IDS]
                step = await act_on_ids(site, target.queue, order, batch, cursor=cursor)
            else:
                step = await act_on_matching(site, target.queue, order, target.state, target.search, cursor=cursor)
            yield step
            cursor = step.cursor
            if cursor is None:
                break


def _report(target: Target, tally: Tally, manner: Manner) -> None:
    if tally.dry_run:
        sentence = f"This would {target.action} {jobs(tally.matched)}: {target.words}."
    else:
        sentence = f"{jobs_were(tally.changed)} {_DONE[target.action]}."
    manner.report(sentence, tally)
    if manner.json:
        return
    for skipped in tally.skipped:
        note(f"job {skipped.id}: {skipped.reason}")
    if tally.skipped_count > len(tally.skipped):
        note(f"and {tally.skipped_count - len(tally.skipped):,} more that could not be changed")
