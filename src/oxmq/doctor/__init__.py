"""Examine a server and the queues on it: what may lose jobs, what is about to fail, what is broken already.

The checks are pure functions of facts that are gathered first. Everything here only reads.
"""

from __future__ import annotations

from collections.abc import Iterable

from oxmq.doctor.capacity import check_capacity
from oxmq.doctor.durability import check_durability
from oxmq.doctor.facts import ServerFacts, gather_facts
from oxmq.doctor.finding import Finding, Level, Report
from oxmq.doctor.queues import check_queues
from oxmq.doctor.server_checks import check_server
from oxmq.errors import BackendError
from oxmq.keys import DEFAULT_PREFIX, QueueKeys
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner

__all__ = ["Finding", "Level", "Report", "examine", "judge"]

#: How many keys of queues are looked at where nobody says otherwise: some seconds' work.
MAX_KEYS = 50_000


async def examine(
    endpoint: Endpoint, *, prefix: str = DEFAULT_PREFIX, queues: Iterable[str] = (), max_keys: int = MAX_KEYS
) -> Report:
    """Examine a server and the named queues on it, or all that are found.

    Args:
        max_keys: how many keys to look at in all; when there are more, the queues are not examined.

    Raises:
        ConfigurationError: the prefix or a queue's name is not acceptable.
        UnavailableError: the server does not answer.
    """
    names = [QueueKeys(name, prefix).name for name in queues]
    QueueKeys("any", prefix)
    runner = AsyncRunner(endpoint)
    try:
        facts = await gather_facts(runner)
        findings = judge(facts)
        try:
            findings += await check_queues(runner, prefix, names, max_keys, facts.client_names)
        except BackendError as error:
            findings.append(Finding(Level.WARNING, "queues", "they could not be examined", str(error)))
        return Report(facts.address, findings)
    finally:
        await runner.close()


def judge(facts: ServerFacts) -> list[Finding]:
    """Return what the checks say to the facts of a server."""
    unread = [
        Finding(Level.WARNING, "access", f"could not be read: {what}", "what depends on it was not judged")
        for what in facts.unread
    ]
    return [*check_server(facts), *check_durability(facts), *check_capacity(facts), *unread]
