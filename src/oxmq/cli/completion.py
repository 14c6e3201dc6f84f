"""Complete names when an operator presses Tab: quickly, or not at all."""

from __future__ import annotations

import typer

#: How long the shell may be kept waiting, in seconds.
_DEADLINE = 0.7


def complete_queue(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the queues whose names begin so; none when the server does not tell in time."""
    import asyncio  # noqa: PLC0415 - completion is rare, and this module is imported by every command

    try:
        names = asyncio.run(asyncio.wait_for(_queue_names(ctx), _DEADLINE))
    except Exception:  # noqa: BLE001 - whatever it is, the operator is in the middle of a line
        return []
    # A name that the shell would take apart or obey is not offered.
    return [name for name in names if name.startswith(incomplete) and name.isprintable() and " " not in name]


async def _queue_names(ctx: typer.Context) -> list[str]:
    from oxmq.cli.connection import find_endpoint  # noqa: PLC0415 - as above
    from oxmq.monitor.site import Site  # noqa: PLC0415 - as above

    given = ctx.params
    endpoint = find_endpoint(given.get("url"))
    if endpoint.needs_preparing:  # pressing Tab starts no server
        return []
    async with Site(endpoint, prefix=given.get("prefix") or "bull", timeout=_DEADLINE) as site:
        return (await site.queue_names()).names
