"""Where a reader of events stands, and what it can conclude from what the server says of the stream."""

from __future__ import annotations

import pytest

from oxmq.records import GAP, Event
from oxmq.transport.position import Position, StreamFacts, read_facts


def facts(*, removed: int = 0, first: str = "1-0", last: str = "5-0", added: int = 5) -> StreamFacts:
    return StreamFacts(removed, first, last, added)


def counted(last: str = "5-0", count: int = 5) -> Position:
    """Return a position that knows how many entries came before it."""
    position = Position("$")
    position.start(facts(last=last, added=count))
    return position


def told(gap: Event | None) -> object:
    return gap and (gap.name, gap.fields["reason"], gap.fields["missed"])


TRIMMED, DELETED = (GAP, "trimmed", None), (GAP, "deleted", None)


@pytest.mark.parametrize(
    ("said", "gap"),
    [
        (facts(), None),
        (facts(last="8-0", added=8), None),
        (facts(removed=5, first="6-0", last="8-0", added=8), None),
        (facts(removed=5, first="", last="5-0", added=5), None),
        (facts(removed=7, first="8-0", last="8-0", added=8), (GAP, "trimmed", 2)),
        (facts(removed=8, first="", last="8-0", added=8), (GAP, "trimmed", 3)),
        (facts(removed=2, first="", last="5-0", added=7), (GAP, "trimmed", 2)),
        (None, DELETED),
        (facts(last="4-0", added=4), DELETED),
        (facts(first="6-0", last="7-0", added=2), DELETED),
        (facts(first="6-0", last="9-0", added=9), DELETED),
    ],
)
def test_one_who_counts_knows(said: StreamFacts | None, gap: object) -> None:
    assert told(counted().find_gap(said)) == gap


@pytest.mark.parametrize(
    ("said", "gap"),
    [
        (facts(), None),
        (facts(last="8-0", added=8), None),
        (facts(removed=5, first="", last="5-0"), None),
        (facts(removed=5, first="6-0", last="8-0", added=8), TRIMMED),
        (facts(removed=8, first="", last="8-0", added=8), TRIMMED),
        (None, DELETED),
        (facts(last="4-0", added=4), DELETED),
    ],
)
def test_one_who_only_has_an_id_warns(said: StreamFacts | None, gap: object) -> None:
    assert told(Position("5-0").find_gap(said)) == gap


@pytest.mark.parametrize("start", ["0", "0-0"])
@pytest.mark.parametrize("said", [None, facts(), facts(removed=7, first="8-0", last="8-0", added=8)])
def test_one_who_reads_what_is_there_misses_nothing(start: str, said: StreamFacts | None) -> None:
    assert Position(start).find_gap(said) is None


def test_a_gap_is_told_once_and_counting_goes_on() -> None:
    position = counted()
    assert told(position.find_gap(facts(removed=7, first="8-0", last="8-0", added=8))) == (GAP, "trimmed", 2)
    assert position.find_gap(facts(removed=7, first="8-0", last="8-0", added=8)) is None
    position.advance("8-0")
    assert position.find_gap(facts(removed=7, first="8-0", last="8-0", added=8)) is None
    assert told(position.find_gap(facts(removed=10, first="11-0", last="11-0", added=11))) == (GAP, "trimmed", 2)


def test_a_stream_that_went_away_is_read_from_where_it_begins() -> None:
    position = counted()
    position.find_gap(None)
    assert position.last_event_id == "0-0"
    assert position.find_gap(None) is None
    position = counted()
    position.find_gap(facts(last="3-0", added=3))
    assert position.last_event_id == "3-0"


def test_ids_are_ordered_as_numbers() -> None:
    assert told(counted("9-9", 5).find_gap(facts(first="10-0", last="10-10", added=6))) == DELETED
    assert counted("9-9", 5).find_gap(facts(first="9-8", last="10-0", added=6)) is None


def test_what_a_server_says() -> None:
    reply = [b"length", 2, b"last-generated-id", b"5-1", b"entries-added", 7, b"first-entry", [b"4-0", [b"a", b"b"]]]
    assert read_facts(reply) == StreamFacts(removed=5, first="4-0", last="5-1", added=7)
    assert read_facts([*reply[:2], *reply[2:7], None]) == StreamFacts(removed=5, first="", last="5-1", added=7)
    assert read_facts(None) is None
