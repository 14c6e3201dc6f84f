"""Decide who may do what: bearer tokens, basic auth, the host application's own guard, or this computer only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import inspect
import ipaddress
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys

#: The cookie in which a browser keeps that somebody signed in with a token.
COOKIE = "oxmq_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LEAST_SECRET = 8
#: The environment variables that say who may come in: tokens and logins, each as `Token.parse` and `Login.parse` read
#: it, with white space between them.
TOKENS_VARIABLE: Final = "OXMQ_WEB_TOKENS"
LOGINS_VARIABLE: Final = "OXMQ_WEB_LOGINS"
#: What a proxy adds to the requests that it passes on.
_PROXIED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class Role(StrEnum):
    """Name what somebody may do; each role may do all that the ones before it may.

    A viewer looks. An operator adds, retries, promotes, cancels, pauses and resumes. An admin also removes, drains,
    cleans and obliterates, and changes limits and schedules.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Tell whether this role may do all that the other may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Hold what the sender of a request may do.

    Attributes:
        role: what it may do.
        user: who it is, for the audit stream.
        queues: the only queues it may see and touch; None for all.
        auth: how it showed who it is: ``"none"``, ``"token"``, ``"cookie"``, ``"basic"`` or ``"host"``.
    """

    role: Role
    user: str = "anonymous"
    queues: frozenset[str] | None = None
    auth: str = "host"

    def covers(self, queue: str) -> bool:
        """Tell whether the grant reaches a queue."""
        return self.queues is None or queue in self.queues


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Let those in who know a secret.

    Attributes:
        secret: what they send as ``Authorization: Bearer ...``; at least 8 characters.
        role: what they may do.
        name: who they are, for the audit stream; the role when not given.
        queues: the only queues they may see and touch; None for all.
    """

    secret: str = field(repr=False)
    role: Role
    name: str = ""
    queues: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if len(self.secret) < _LEAST_SECRET:
            raise ConfigurationError(f"a token must have at least {_LEAST_SECRET} characters, not {len(self.secret)}")
        if not (self.secret.isascii() and self.secret.isprintable()) or " " in self.secret:
            raise ConfigurationError(
                "a token must be of printable ASCII characters without blanks: it goes in a header"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``[name=]ROLE:SECRET[@queue,queue]``, as in ``ci=operator:8d1f...@email,reports``.

        Raises:
            ConfigurationError: it is not so; the message does not show the secret.
        """
        head, colon, rest = text.partition(":")
        name, _, role = head.rpartition("=")
        secret, _, queues = rest.partition("@")
        if not colon or "@" in queues:
            raise ConfigurationError("a token is written [name=]ROLE:SECRET[@queue,queue], without '@' in the secret")
        return cls(secret=secret, role=_role(role), name=name, queues=_queues(queues if "@" in rest else None))

    def grant(self, auth: str) -> Grant:
        """Return what the token lets its holders do."""
        return Grant(role=self.role, user=self.name or self.role.value, queues=self.queues, auth=auth)

    @property
    def session(self) -> str:
        """Return what a browser keeps instead of the secret, which cannot be had from it."""
        return hmac.new(self.secret.encode(), b"oxmq session", hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Let somebody in by user name and password, with HTTP's basic authentication."""

    user: str
    password: str = field(repr=False)
    role: Role
    queues: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``USER:PASSWORD:ROLE[@queue,queue]``.

        Raises:
            ConfigurationError: it is not so; the message does not show the password.
        """
        user, _, rest = text.partition(":")
        password, colon, last = rest.rpartition(":")
        role, at, queues = last.partition("@")
        if not colon:
            raise ConfigurationError("a login is written USER:PASSWORD:ROLE[@queue,queue]")
        return cls(user=user, password=password, role=_role(role), queues=_queues(queues if at else None))

    def __post_init__(self) -> None:
        if not self.user or ":" in self.user:
            raise ConfigurationError(f"a user name must be non-empty and without ':', not {self.user!r}")
        if len(self.password) < _LEAST_SECRET:
            raise ConfigurationError(f"the password of {self.user!r} must have at least {_LEAST_SECRET} characters")


Guard = Callable[[HTTPConnection], "Grant | Role | Awaitable[Grant | Role | None] | None"]
"""Decide for a host application what the sender of a request may do; None for nothing."""


class Access:
    """Know everybody who may come in. Without anything given, only programs on this computer may, as admins.

    Args:
        tokens: secrets for bearers.
        logins: user names with passwords.
        guard: asked instead of everything else.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """

    def __init__(
        self, *, tokens: Iterable[Token] = (), logins: Iterable[Login] = (), guard: Guard | None = None
    ) -> None:
        self._tokens = tuple(tokens)
        if len({token.secret for token in self._tokens}) < len(self._tokens):
            raise ConfigurationError("two tokens have the same secret")
        self._logins: dict[str, Login] = {}
        for login in logins:
            if self._logins.setdefault(login.user, login) is not login:
                raise ConfigurationError(f"there are two logins of {login.user!r}")
        self._guard = guard

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] = os.environ, *, tokens: Iterable[str] = (), logins: Iterable[str] = ()
    ) -> Self:
        """Let those in whom ``$OXMQ_WEB_TOKENS`` and ``$OXMQ_WEB_LOGINS`` name, and those who are given here.

        Args:
            environ: the variables.
            tokens: further tokens, as `Token.parse` reads them.
            logins: further logins, as `Login.parse` reads them.

        Raises:
            ConfigurationError: something cannot be read.
        """
        return cls(
            tokens=[Token.parse(text) for text in (*environ.get(TOKENS_VARIABLE, "").split(), *tokens)],
            logins=[Login.parse(text) for text in (*environ.get(LOGINS_VARIABLE, "").split(), *logins)],
        )

    @property
    def is_open(self) -> bool:
        """Tell whether nobody has to show anything, so that only this computer may ask."""
        return self._guard is None and not self._tokens and not self._logins

    @property
    def is_hosted(self) -> bool:
        """Tell whether a host application decides, so that nobody can sign in here."""
        return self._guard is not None

    @property
    def challenges(self) -> list[str]:
        """Return how a client may show who it is, as values of ``WWW-Authenticate``."""
        challenges = ["Bearer"] if self._tokens else []
        return [*challenges, 'Basic realm="oxmq", charset="UTF-8"'] if self._logins else challenges

    async def grant(self, request: HTTPConnection) -> Grant | None:
        """Return what the sender may do; None when it has not shown who it is."""
        if self._guard is not None:
            verdict = self._guard(request)
            granted = await verdict if inspect.isawaitable(verdict) else verdict
            return Grant(role=granted) if isinstance(granted, Role) else granted
        if self.is_open:
            return Grant(role=Role.ADMIN, user="local", auth="none") if is_local(request) else None
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_secret(credentials.strip())
        if scheme.lower() == "basic":
            return self._by_password(credentials.strip())
        return self._by_cookie(request.cookies.get(COOKIE, ""))

    def token(self, secret: str) -> Token | None:
        """Return the token of a secret."""
        found = None
        for token in self._tokens:  # all of them, so that the time taken tells nothing
            if hmac.compare_digest(token.secret.encode(), secret.encode()):
                found = token
        return found

    def _by_secret(self, secret: str) -> Grant | None:
        token = self.token(secret)
        return None if token is None else token.grant("token")

    def _by_cookie(self, session: str) -> Grant | None:
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.session.encode(), session.encode()):
                found = token.grant("cookie")
        return found

    def _by_password(self, credentials: str) -> Grant | None:
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        login = self._logins.get(user)
        expected = login.password if login is not None else ""
        if not hmac.compare_digest(expected.encode(), password.encode()) or login is None:
            return None
        return Grant(role=login.role, user=login.user, queues=login.queues, auth="basic")


def is_local(request: HTTPConnection) -> bool:
    """Tell whether a request comes from this computer and was meant for it.

    The name that it was sent to counts as well: a page elsewhere may point its own name at this computer. What a proxy
    passes on may come from anywhere, whatever the proxy says of it.
    """
    if request.client is None or any(name in request.headers for name in _PROXIED):
        return False
    return is_loopback(request.client.host) and is_loopback(_host_name(request.headers.get("host", "")))


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address stands for this computer alone."""
    if not host:
        return False
    host = host.lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_forged(request: HTTPConnection, grant: Grant) -> bool:
    """Tell whether a change may have been sent by a page of another site, in the name of somebody signed in.

    Browsers say where a request comes from (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/, or ``Origin`` on
    plain HTTP), and add a bearer token to none by themselves. Programs say neither: they are let through where nobody
    signs in, so that there is nothing to abuse, and where the request is none that a page may send to another site
    without asking it first: with any method but POST, or with the type of JSON. Cookies are for browsers alone.
    """
    if request.scope["method"] in _SAFE_METHODS or grant.auth == "token":
        return False
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site != "same-origin"
    if origin is not None:
        return origin.partition("://")[2].lower() != request.headers.get("host", "").lower()
    if grant.auth == "cookie":
        return True
    if grant.auth == "none" or request.scope["method"] != "POST":
        return False
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json"


def _role(text: str) -> Role:
    try:
        return Role(text.lower())
    except ValueError:
        # Without the text, for in the wrong place it may be a secret.
        raise ConfigurationError(f"a role is one of {', '.join(Role)}") from None


def _queues(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(QueueKeys(name.strip()).name for name in text.split(","))
