"""Serve the application by itself: what ``oxmq web`` does."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from oxmq.errors import ConfigurationError
from oxmq.web.access import Access, is_loopback

#: The port when none is given.
DEFAULT_PORT: Final = 6967
#: How long requests may take after the order to stop, in seconds; streams of events end at once.
_GRACE = 5
_BACKLOG = 2048
#: Of a name with several addresses, one may be of a kind that this computer does not have.
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Say where and how to serve.

    Attributes:
        host: the address or name to listen at.
        port: the port; 0 for any that is free.
        root_path: under which path a proxy in front shows the application, when the proxy takes it off.
        forwarded_allow_ips: addresses of the proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed,
            with commas between; None for nobody's.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    root_path: str = ""
    forwarded_allow_ips: str | None = None


def check_binding(host: str, access: Access) -> None:
    """Refuse to listen where other computers can come in, while nobody has to show who they are.

    Raises:
        ConfigurationError: it is so.
    """
    if access.is_open and not is_loopback(host):
        raise ConfigurationError(
            f"other computers can reach {host or 'every address'}, and no way to sign in is set up: give --token or "
            "--login (or set OXMQ_WEB_TOKENS or OXMQ_WEB_LOGINS), or serve at 127.0.0.1"
        )


def serve(app: ASGIApp, serving: Serving, announce: Callable[[str], None]) -> None:
    """Serve an application until SIGTERM or Ctrl-C; a second signal drops the requests that still run.

    Args:
        app: the application.
        serving: where and how.
        announce: called with the address when connections are accepted.

    Raises:
        ConfigurationError: the address cannot be listened at.
    """
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in listen(serving.host, serving.port)]
        server = _Server(_configured(app, serving))
        announce(f"{address_of(serving.host, listeners[0])}{serving.root_path.rstrip('/')}/")
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.serve(listeners))


class _Server(uvicorn.Server):
    """Stop in good order at a signal, as something that was asked to: without dying of it in the end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _configured(app: ASGIApp, serving: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        root_path=serving.root_path.rstrip("/"),
        proxy_headers=serving.forwarded_allow_ips is not None,
        forwarded_allow_ips=serving.forwarded_allow_ips,
        timeout_graceful_shutdown=_GRACE,
    )


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen at every address of a host.

    Raises:
        ConfigurationError: that is not possible.
    """
    listeners: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            if not listeners or port:  # with any free port there is only one to tell of
                _add_listener(listeners, family, address)
        if not listeners:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except (OSError, UnicodeError, OverflowError) as error:
        for listener in listeners:
            listener.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(f"cannot listen at {host}, port {port}: {reason}") from None
    return listeners


def _add_listener(listeners: list[socket.socket], family: int, address: tuple[Any, ...]) -> None:
    try:
        listeners.append(socket.create_server(address[:2], family=family, backlog=_BACKLOG))
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise


def address_of(host: str, listener: socket.socket) -> str:
    """Return the address of what listens, without a slash at the end: for people."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
