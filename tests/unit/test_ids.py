"""Job ids: UUIDs of version 7 that rise within a process."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from oxmq.ids import Uuid7Factory, uuid7

NOW_MS = 1_700_000_000_000
times = st.lists(st.integers(0, 2**47), min_size=1, max_size=50)


def constant(byte: int) -> Callable[[int], bytes]:
    return lambda size: bytes([byte]) * size


def test_the_bits_are_those_of_rfc_9562() -> None:
    made = UUID(Uuid7Factory(constant(0xFF))(NOW_MS))
    assert made.int >> 80 == NOW_MS
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int & (2**62 - 1) == 2**62 - 1


def test_the_text_is_lower_case_in_five_groups() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uuid7(NOW_MS))


def test_a_millisecond_has_room_for_more_ids_than_its_counter_starts_with() -> None:
    make = Uuid7Factory(constant(0xFF))
    made = [make(NOW_MS) for _ in range(5_000)]
    assert made == sorted(set(made))
    assert UUID(made[2_000]).int >> 80 == NOW_MS
    assert UUID(made[-1]).int >> 80 == NOW_MS + 1


@given(times)
def test_ids_rise_even_when_the_clock_does_not(moments: list[int]) -> None:
    make = Uuid7Factory()
    made = [make(moment) for moment in moments]
    assert made == sorted(set(made))


@given(times)
def test_an_id_is_never_of_an_earlier_time_than_asked_for(moments: list[int]) -> None:
    make = Uuid7Factory()
    for moment in moments:
        assert UUID(make(moment)).int >> 80 >= moment


def test_ids_made_in_many_threads_at_once_are_all_different() -> None:
    make, made = Uuid7Factory(), list[list[str]]()

    def work() -> None:
        own = [make(NOW_MS) for _ in range(2_000)]
        assert own == sorted(own)
        made.append(own)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for own in made for one in own}) == 16_000
