"""The delay before the next attempt: BullMQ's formulas."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.backoff import retry_delay_ms
from oxmq.options import Backoff

backoffs = st.builds(
    Backoff,
    type=st.sampled_from(["fixed", "exponential"]),
    delay_ms=st.integers(0, 3_600_000),
    jitter=st.floats(0, 1),
)


def test_without_backoff_there_is_no_delay() -> None:
    assert retry_delay_ms(None, 1) == 0
    assert retry_delay_ms(None, 50) == 0


@pytest.mark.parametrize("attempt", [1, 2, 7])
def test_fixed_waits_the_same_each_time(attempt: int) -> None:
    assert retry_delay_ms(Backoff("fixed", 1_500), attempt) == 1_500


def test_exponential_doubles_from_the_first() -> None:
    delays = [retry_delay_ms(Backoff("exponential", 1_000), attempt) for attempt in range(1, 6)]
    assert delays == [1_000, 2_000, 4_000, 8_000, 16_000]


@pytest.mark.parametrize(("uniform", "expected"), [(0.0, 500), (0.5, 750), (0.999, 999)])
def test_jitter_draws_the_last_share(uniform: float, expected: int) -> None:
    assert retry_delay_ms(Backoff("fixed", 1_000, 0.5), 1, lambda: uniform) == expected


def test_full_jitter_may_wait_not_at_all() -> None:
    assert retry_delay_ms(Backoff("exponential", 1_000, 1.0), 3, lambda: 0.0) == 0


@given(backoffs, st.integers(1, 20), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_whole_and_within_its_bounds(backoff: Backoff, attempt: int, uniform: float) -> None:
    full = backoff.delay_ms * (2 ** (attempt - 1) if backoff.type == "exponential" else 1)
    delay = retry_delay_ms(backoff, attempt, lambda: uniform)
    assert isinstance(delay, int)
    assert math.floor(full * (1 - backoff.jitter)) - 1 <= delay <= full


@pytest.mark.parametrize("jitter", [0.0, 0.5])
@pytest.mark.parametrize("attempt", [60, 1_100, 10_000])
def test_many_attempts_never_give_a_delay_that_no_score_can_carry(jitter: float, attempt: int) -> None:
    delay = retry_delay_ms(Backoff("exponential", 1_000, jitter), attempt)
    assert (1_700_000_000_000 + delay) * 4_096 <= 2**63
