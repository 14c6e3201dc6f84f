"""Write down who changed what: one entry in a stream for every change that the HTTP API makes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError

from oxmq.errors import BackendError
from oxmq.monitor.site import Site
from oxmq.ops import audit as ops
from oxmq.web.access import Grant

_log = logging.getLogger(__name__)

#: How long an entry may take, in seconds: it comes after a change that may have taken long already.
_PATIENCE = 1.5


class Change:
    """Hold what is being changed; `result` may be set to what became of it."""

    def __init__(self) -> None:
        self.result = "done"


class Audit:
    """Write the changes of one site down."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @asynccontextmanager
    async def change(self, grant: Grant, action: str, queue: str, scope: str) -> AsyncGenerator[Change]:
        """Write an entry when the block ends, whether it was done or refused.

        Args:
            grant: who does it.
            action: what is done, such as ``"retry"``.
            queue: where; empty for the whole site.
            scope: to what, in words: ``"job 42"``, ``"120 jobs that match error:timeout"``.
        """
        change = Change()
        try:
            yield change
        except Exception as error:
            await self._write(grant, action, queue, scope, f"failed: {_reason(error)}")
            raise
        await self._write(grant, action, queue, scope, change.result)

    async def _write(self, grant: Grant, action: str, queue: str, scope: str, result: str) -> None:
        fields = {
            "user": grant.user,
            "role": grant.role.value,
            "action": action,
            "queue": queue,
            "scope": scope[:500],
            "result": result[:500],
        }
        try:
            words = {name: value.encode(errors="backslashreplace").decode() for name, value in fields.items()}
            async with asyncio.timeout(_PATIENCE):
                await self._site.runner.run(ops.append(self._site.prefix, words))
        except (BackendError, TimeoutError) as error:
            # The change stands: refusing it now would tell its sender what is not true.
            _log.error("no audit entry for %s: %s", fields, error)


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return str(error.detail)
    if isinstance(error, RequestValidationError):
        return "; ".join(str(fault["msg"]) for fault in error.errors())
    return f"{type(error).__name__}: {error}"
