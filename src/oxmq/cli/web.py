"""Serve the HTTP API and the dashboard by themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.text import Text

from oxmq.cli.target import load_app
from oxmq.cli.terminal.screen import note, remarks, speaks_json, tell
from oxmq.errors import ConfigurationError
from oxmq.logs import chosen_format, configure_logging
from oxmq.transport.connect import Endpoint

if TYPE_CHECKING:
    from oxmq.app import Oxmq
    from oxmq.web.serve import Serving

#: What serving imports beyond the core, by module name.
_REQUIRED = ("fastapi", "httptools", "uvicorn")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Hold what the operator asked for.

    Attributes:
        target: the application, as ``module:app``; None to show the queues of a server without any.
        url: where the server is, for an application that does not say.
        prefix: with what the keys begin; None for the application's, else the default.
        tokens: who may come in with a token, as `oxmq.web.Token.parse` reads them.
        logins: who may come in with a password, as `oxmq.web.Login.parse` reads them.
        redact: patterns of keys whose values nobody sees, beside the usual ones.
        log_level: which log messages are printed.
    """

    target: str | None = None
    url: str | None = None
    prefix: str | None = None
    tokens: Sequence[str] = ()
    logins: Sequence[str] = ()
    redact: Sequence[str] = field(default_factory=tuple[str, ...])
    log_level: str = "info"


def check_installed(required: Sequence[str] = _REQUIRED) -> None:
    """Refuse to go on without the packages that serving needs.

    Raises:
        ConfigurationError: one is missing; the message says how to install it.
    """
    missing = [name for name in required if find_spec(name) is None]
    if missing:
        raise ConfigurationError(f'serving needs {", ".join(missing)}: pip install "oxmq[web]"')


def run_web(settings: WebSettings, serving: Serving) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code.

    Raises:
        ConfigurationError: a setting is not acceptable, or the address cannot be listened at.
        UnavailableError: the embedded server did not start.
    """
    from oxmq.web import Access, Redaction, oxmq_web  # noqa: PLC0415 - only here is it known to be installed
    from oxmq.web.redaction import DEFAULT_PATTERNS  # noqa: PLC0415 - likewise
    from oxmq.web.serve import check_binding, serve  # noqa: PLC0415 - likewise

    access = Access.from_environment(tokens=settings.tokens, logins=settings.logins)
    check_binding(serving.host, access)
    app = None if settings.target is None else load_app(settings.target, settings.url)
    configure_logging(chosen_format(), settings.log_level)
    endpoint = Endpoint(settings.url) if app is None else app.endpoint
    redact = Redaction((*DEFAULT_PATTERNS, *settings.redact))
    api = oxmq_web(app or endpoint.source, prefix=_prefix(settings, app), access=access, redact=redact)
    if endpoint.address.startswith("embedded:"):
        endpoint.prepare()
    serve(api, serving, lambda address: _show_banner(address, endpoint, access.is_open))
    return 0


def companion_arguments(target: str, url: str | None, port: int) -> list[str]:
    """Return the command line that serves an application's queues to this computer; none where it cannot be served."""
    try:
        check_installed()
    except ConfigurationError as error:
        note(f"no dashboard: {error}")
        return []
    return ["web", target, "--port", str(port), *(("--url", url) if url else ())]


def _prefix(settings: WebSettings, app: Oxmq | None) -> str | None:
    """Return what was asked for; an application knows its own."""
    if settings.prefix is not None or app is not None:
        return settings.prefix
    return os.environ.get("OXMQ_PREFIX") or None


def _show_banner(address: str, endpoint: Endpoint, is_open: bool) -> None:
    console = remarks()
    who = "this computer only" if is_open else "whoever signs in"
    if speaks_json():
        tell(f"serves the dashboard at {address}", address=address, server=endpoint.address, open_to=who)
        return
    rows = {"dashboard": address, "API": f"{address}api/", "server": endpoint.address, "open to": who}
    for label, words in rows.items():
        console.print(Text.assemble((f"  {label:<10}", "dim"), words), soft_wrap=True)
