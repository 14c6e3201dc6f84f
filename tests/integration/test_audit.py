"""The stream in which changes are written down that people made."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq import ConfigurationError
from oxmq.ops import audit
from tests.integration.bed import Bed


async def test_entries_are_read_the_newest_first(bed: Bed, redis_client: Any) -> None:
    run = bed.worker(print).context.runner.run
    assert await run(audit.get_page(bed.prefix, None, 2)) == audit.AuditPage([], None)
    ids = [await run(audit.append(bed.prefix, {"action": "retry", "scope": str(number)})) for number in range(5)]
    redis_client.xadd(audit.key(bed.prefix), {b"\xff": b"\xfe"})
    first = await run(audit.get_page(bed.prefix, None, 3))
    assert [entry.fields for entry in first.entries] == [
        {"\\xff": "\\xfe"}, {"action": "retry", "scope": "4"}, {"action": "retry", "scope": "3"},
    ]  # fmt: skip
    assert (first.next, first.entries[1].id) == (ids[3], ids[4])
    assert first.entries[1].at_ms == int(ids[4].partition("-")[0])
    rest = await run(audit.get_page(bed.prefix, first.next, 3))
    assert ([entry.id for entry in rest.entries], rest.next) == ([ids[2], ids[1], ids[0]], None)


@pytest.mark.parametrize("before", ["", "x", "5", "5-", "+", "-", "5-0 6-0", "9" * 30 + "-0"])
def test_a_place_that_is_none_is_refused(before: str) -> None:
    with pytest.raises(ConfigurationError, match="before_id must be an entry's id"):
        audit.get_page("bull", before, 5)
