"""Describe how a queue is emptied and put in order, in calls that are each short enough not to hold up the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from oxmq.errors import QueueStateError
from oxmq.keys import QueueKeys
from oxmq.ops.call import MAX_ROWS, Call, Reply, Word, command, number, run_script, text, texts
from oxmq.scripts import Retry

#: How many entries of lists one call may search for orphans: about 5 ms.
_SEARCHED_AT_ONCE = 400_000
#: What one approximate trim removes at most; the server's own bound when none is given.
_TRIMMED_AT_ONCE = 10_000

_REFUSALS = {
    -1: "Cannot obliterate non-paused queue",
    -2: "Cannot obliterate queue with active jobs",
}


class Place(Struct, frozen=True):
    """Hold how far a walk through a container has come: the last entry that stayed, and where it was."""

    id: str = ""
    at: str = "0"


class Piece(Struct, frozen=True):
    """Hold what one call of a walk did.

    Attributes:
        ids: the jobs deleted; none when the call only counts them.
        deleted: how many jobs were deleted.
        looked: how many entries it looked at.
        length: how many there were.
        more: whether there may be more behind them.
        place: where to go on.
    """

    ids: list[str]
    deleted: int
    looked: int
    length: int
    more: bool
    place: Place


def clean(
    keys: QueueKeys, container: str, cutoff_ms: int, place: Place, *, most: int | None = None, first: bool = False
) -> Call[Piece]:
    """Look at some entries of a container and delete the jobs that are as old as `cutoff_ms` or older.

    Args:
        most: how many jobs to delete at most. Such a call is not repeated when its reply is lost, as it would delete
            others in place of those that went already.
        first: whether to tell of it even when there was nothing to delete.
    """
    bound = MAX_ROWS if most is None else min(most, MAX_ROWS)
    words = (container, cutoff_ms, MAX_ROWS, bound, place.id, place.at, "1" if first else "")
    call = run_script("clean", keys.base, *words, decode=lambda reply: _piece(texts(reply[0]), len(reply[0]), reply))
    return call if most is not None else structs.replace(call, retry=Retry.SAFE)


def drain(keys: QueueKeys, container: str, place: Place) -> Call[Piece]:
    """Look at some entries of a container and delete the jobs, all but the schedulers' next ones."""
    words = (container, MAX_ROWS, place.id, place.at)
    return run_script("drain", keys.base, *words, decode=lambda reply: _piece([], number(reply[0]), reply))


def obliterate(keys: QueueKeys, count: int, *, force: bool) -> Call[bool]:
    """Delete up to `count` jobs of a paused queue, and the queue with the last one; the result says if there is more.

    Raises:
        QueueStateError: the queue is not paused, or, unless `force`, jobs are running.
    """

    def decode(reply: int) -> bool:
        if reply < 0:
            raise QueueStateError(f"{_REFUSALS[reply]} (queue {keys.name!r})", queue=keys.name, code=reply)
        return reply == 1

    return run_script("obliterate", keys.base, min(count, MAX_ROWS), "1" if force else "", decode=decode)


class Requeued(Struct, frozen=True):
    """Hold how many jobs were made ready, and how many are still to be."""

    moved: int
    left: int


def requeue(keys: QueueKeys, state: str, upto_ms: int | None, count: int) -> Call[Requeued]:
    """Make up to `count` jobs ready that failed or completed no later than `upto_ms`, or that are delayed."""
    upto = "+inf" if upto_ms is None else upto_ms
    return run_script("requeue", keys.base, state, upto, min(count, MAX_ROWS), decode=_requeued)


def remove_orphans(keys: QueueKeys, job_ids: Sequence[str], most: int | None) -> Call[list[bool]]:
    """Delete those of the jobs that no container holds.

    The result says of each whether nothing is left of it, and is shorter than `job_ids` where time or `most` ran out.
    """
    bound = len(job_ids) if most is None else most
    return run_script(
        "remove_orphans",
        keys.base,
        bound,
        _SEARCHED_AT_ONCE,
        *job_ids,
        decode=lambda reply: [gone == 1 for gone in reply],
    )


def trim_events(keys: QueueKeys, max_length: int) -> Call[int]:
    """Remove old events, about so many that `max_length` are left; the result is how many went.

    One call removes no more than 10,000, so that it is repeated for as long as it `trimmed_fully`.
    """
    return command(
        "XTRIM", keys.of("events"), "MAXLEN", "~", max_length, decode=number, retry=Retry.SAFE
    )  # fmt: skip


def trimmed_fully(removed: int) -> bool:
    """Tell whether a trim removed as much as one may, so that there can be more to remove."""
    return removed > _TRIMMED_AT_ONCE // 2


def publish_event(keys: QueueKeys, name: str, fields: Mapping[str, str | int], max_events: int) -> Call[str]:
    """Write an event; the result is its id in the stream."""
    words: list[Word] = [word for field in fields.items() for word in field]
    head = ("XADD", keys.of("events"), "MAXLEN", "~", max_events, "*", "event", name)
    return command(*head, *words, decode=text, retry=Retry.NEVER)


def remove_rate_limit(keys: QueueKeys) -> Call[int]:
    """Forget the starts counted in this window, and a limit set by hand."""
    return command("DEL", keys.of("limiter"), decode=number, retry=Retry.SAFE)


def remove_deduplication(keys: QueueKeys, deduplication_id: str) -> Call[int]:
    """Free a deduplication id, whoever owns it."""
    return command("DEL", keys.of(f"de:{deduplication_id}"), decode=number, retry=Retry.SAFE)


def _requeued(reply: Reply) -> Requeued:
    return Requeued(*reply)


def _piece(ids: list[str], deleted: int, reply: Reply) -> Piece:
    _, looked, length, more, last_id, at = reply
    return Piece(ids, deleted, looked, length, more == 1, Place(text(last_id), text(at)))
