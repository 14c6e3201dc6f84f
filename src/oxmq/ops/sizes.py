"""Describe how it is estimated what a queue takes of the server's memory."""

from __future__ import annotations

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, number, run_script


def get_size(keys: QueueKeys, weighed: int) -> Call[int]:
    """Estimate how many bytes a queue takes, from the size of up to `weighed` jobs of each state."""
    return run_script("get_sizes", keys.base, weighed, decode=_sum)


def _sum(reply: Reply) -> int:
    *containers, own = reply
    total = number(own)
    for count, weighed, size in containers:
        total += round(size * count / weighed) if weighed else 0
    return total
