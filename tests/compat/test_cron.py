"""Cron patterns come round at the same moments as with BullMQ's own library."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from oxmq import ConfigurationError
from oxmq.cron_pattern import next_after
from tests.compat.node_peer import NodePeer
from tests.golden.fixture import LEADING_VERSION

pytestmark = pytest.mark.asyncio(loop_scope="session")

Case = tuple[str, str, int]
"""A pattern, a time zone, and a moment in milliseconds."""

ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata")

#: Moments at which clocks change, in seconds: in Berlin, New York and Sydney, forward and back.
CHANGES: Final = (1711846800, 1729990800, 1710054000, 1730613600, 1728144000, 1712419200)


def field(chance: random.Random, low: int, high: int) -> str:
    """Make up a field."""
    first, kind = chance.randint(low, high - 1), chance.random()
    if kind < 0.35:
        return "*"
    if kind < 0.55:
        return str(first)
    if kind < 0.7:
        return ",".join(map(str, sorted(chance.sample(range(low, high + 1), min(3, high - low)))))
    if kind < 0.85:
        return f"{first}-{chance.randint(first + 1, high)}" + chance.choice(["", "", "/2", "/3"])
    return f"*/{chance.randint(1, max(2, (high - low) // 2))}"


def pattern(chance: random.Random) -> str:
    """Make up a pattern."""
    seconds = [field(chance, 0, 59)] if chance.random() < 0.3 else []
    day = chance.choice([field(chance, 1, 31), "*", "*", "L"])
    last, nth = f"{chance.randint(0, 6)}L", f"{chance.randint(0, 6)}#{chance.randint(1, 5)}"
    # Only up to 6: the other library refuses a list that names Sunday by both its numbers.
    weekday = chance.choice([field(chance, 0, 6), "*", "*", last, nth])
    month = chance.choice([field(chance, 1, 12), "*", "*"])
    return " ".join([*seconds, field(chance, 0, 59), field(chance, 0, 23), day, month, weekday])


def case(chance: random.Random) -> Case:
    """Make up a question: half of them near a change of clocks."""
    near = chance.choice(CHANGES) + chance.randint(-90_000, 90_000)
    at = near if chance.random() < 0.5 else chance.randint(1_600_000_000, 1_900_000_000)
    return pattern(chance), chance.choice(ZONES), at * 1000 + chance.choice([0, 0, 1, 999])


def is_common(asked: Case) -> bool:
    """Tell whether both versions mean the same: where days are given in both ways, they do not in two cases."""
    day, _, weekday = asked[0].split()[-3:]
    both = day != "*" and weekday != "*"
    return not (both and ("#" in weekday or "*/1" in (day, weekday)))


def ours(asked: Case) -> int | None:
    """Answer as oxmq does; None for what is refused or never comes."""
    try:
        return next_after(*asked)
    except ConfigurationError:
        return None


def told(asked: Case, at: int | None) -> str:
    """Describe an answer."""
    text, zone, after = asked
    local = [str(datetime.fromtimestamp(ms / 1000, ZoneInfo(zone))) if ms else "never" for ms in (after, at)]
    return f"{text!r} in {zone} after {local[0]}: {local[1]}"


@pytest.mark.parametrize("seed", range(4))
async def test_made_up_patterns(peers: dict[str, NodePeer], seed: int) -> None:
    chance = random.Random(seed)
    made = [case(chance) for _ in range(250)]
    for version, peer in peers.items():
        cases = made if version == LEADING_VERSION else [asked for asked in made if is_common(asked)]
        theirs = await peer.request("cronTimes", cases=cases)
        differing = [
            f"bullmq {version}: {told(asked, answer)}; we say {told(asked, ours(asked))}"
            for asked, answer in zip(cases, theirs, strict=True)
            if answer != ours(asked)
        ]
        assert not differing, "\n".join(differing)
        assert sum(answer is not None for answer in theirs) > len(cases) * 0.8


async def test_a_night_of_each_change(peers: dict[str, NodePeer]) -> None:
    patterns = ["30 2 * * *", "15 1-3 * * *", "0 */2 * * *", "*/30 * * * *", "30 1 * * *", "0 0 * * *", "@hourly"]
    for peer in peers.values():
        for text in patterns:
            asked = [
                (text, zone, start * 1000) for zone in ZONES for at in CHANGES for start in (at - 40_000, at - 7_200)
            ]
            assert await peer.request("cronTimes", cases=asked) == [ours(one) for one in asked]


@pytest.mark.parametrize(
    "text",
    ["0 22-2 * * *", "0 0 15W * *", "* * * * * * *", "bogus", "0 0 31 2 *", "0 0 * * 1#6", "5, * * * *", "@midnight"],
)
async def test_what_we_refuse_they_refuse(peers: dict[str, NodePeer], text: str) -> None:
    for peer in peers.values():
        assert await peer.request("cronTimes", cases=[(text, "UTC", 0)]) == [None]
        assert ours((text, "UTC", 0)) is None
