"""Receive mail over SMTP on the loopback interface, as slowly as a mail server on the Internet would."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

#: How long the server thinks, in seconds, about a sender, a recipient and a message.
_THINK_ENVELOPE = 0.06
_THINK_MESSAGE = 0.2


class MailServer:
    """Accept every mail and keep each in a file of its own, numbered in the order of arrival.

    `async with MailServer(folder) as server` listens on a free port, `server.port`.
    """

    def __init__(self, folder: Path) -> None:
        self._inbox = _Inbox(folder)
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Return the TCP port that the server listens on."""
        assert self._server is not None, "the server is not running"
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self._inbox, hostname="mail.demo.test", ident="oxmq demo", loop=loop), "127.0.0.1", 0
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()


class _Inbox:
    """Answer the SMTP commands; aiosmtpd finds the methods by their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._received = 0

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await asyncio.sleep(_THINK_ENVELOPE)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await asyncio.sleep(_THINK_ENVELOPE)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(_THINK_MESSAGE)
        return f"250 Kept as {self._keep(envelope)}"

    def _keep(self, envelope: Envelope) -> str:
        assert isinstance(envelope.original_content, bytes)
        self._received += 1
        name = f"{self._received:04d}.eml"
        (self._folder / name).write_bytes(envelope.original_content)
        return name
