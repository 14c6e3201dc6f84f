"""Know how to reach a server, and open connections to it.

Timeouts and retries are oxmq's own: the Redis client's are all switched off, because a command that the client repeats
by itself may be done twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from oxmq.errors import ConfigurationError
from oxmq.transport.embedded import embedded_url

#: How long making a connection may take, in seconds.
CONNECT_TIMEOUT = 2.0
#: How long a command may take, from call to answer, in seconds.
COMMAND_TIMEOUT = 5.0

Connectable = "str | redis.Redis | redis.asyncio.Redis | None"
"""A URL, a client of the user's own, or None: ``$OXMQ_URL``, else the embedded server in ``./.oxmq``."""

_SCHEMES = {"redis": "redis", "valkey": "redis", "rediss": "rediss", "valkeys": "rediss", "unix": "unix"}
_FORMS = "redis://, rediss://, valkey://, valkeys://, unix://, redis+sentinel:// or embedded://"
_OURS: dict[str, Any] = {"protocol": 2, "decode_responses": False, "health_check_interval": 0}


class Endpoint:
    """Hold where a server is. Building one checks the address and does no I/O.

    Raises:
        ConfigurationError: the address is not one that oxmq understands.
    """

    def __init__(self, connection: object = None) -> None:
        self._source = _default_url() if connection is None else connection
        self._settings: dict[str, Any] = {}
        self._sentinels: list[tuple[str, int]] = []
        self._service = ""
        self._directory: Path | None = None
        if isinstance(self._source, str):
            self._read_url(self._source)
        else:
            self._settings = _settings_of(self._source)

    @property
    def address(self) -> str:
        """Return the address without its password: for people."""
        if self._directory is not None:
            return f"embedded://{self._directory}"
        if self._service:
            return f"redis+sentinel://{','.join(f'{host}:{port}' for host, port in self._sentinels)}/{self._service}"
        if "path" in self._settings:
            return f"unix://{self._settings['path']}"
        scheme = "rediss" if self._settings.get("tls") else "redis"
        host, port = self._settings.get("host", "localhost"), self._settings.get("port", 6379)
        return f"{scheme}://{host}:{port}/{self._settings.get('db', 0)}"

    @property
    def source(self) -> object:
        """Return what this was made from, password included: for another endpoint of the same server."""
        return self._source

    @property
    def is_embedded(self) -> bool:
        """Tell whether this is the embedded server, which a first use may have to start."""
        return self._directory is not None

    def prepare(self) -> None:
        """Start the embedded server if this is one and it does not run; may block for some seconds."""
        if self._directory is not None:
            self._settings = {"path": unquote(embedded_url(self._directory).removeprefix("unix://"))}

    def connection(self, client_name: str | None = None) -> AsyncConnection:
        """Return a connection for an event loop, not yet open. Call `prepare` before."""
        common = {
            **_OURS,
            "socket_timeout": None,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "retry": AsyncRetry(NoBackoff(), 0),
            "client_name": client_name,
        }
        kwargs = {**_without_tls(self._settings), **common}
        if self._service:
            async_sentinel = AsyncSentinel(self._sentinels, sentinel_kwargs=_sentinel_settings(self._settings))
            pool = AsyncSentinelPool(self._service, async_sentinel, **kwargs)
            return cast("AsyncConnection", pool.make_connection())
        if "path" in kwargs:
            return redis.asyncio.UnixDomainSocketConnection(**kwargs)
        if self._settings.get("tls"):
            return redis.asyncio.SSLConnection(**kwargs)
        return redis.asyncio.Connection(**kwargs)

    def pool(self, client_name: str | None = None) -> redis.ConnectionPool:
        """Return a pool of blocking connections, safe across threads and forks. Call `prepare` before."""
        common = {
            **_OURS,
            "socket_timeout": COMMAND_TIMEOUT,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
            "client_name": client_name,
        }
        kwargs = {**_without_tls(self._settings), **common}
        if self._service:
            sentinel = Sentinel(self._sentinels, sentinel_kwargs=_sentinel_settings(self._settings))
            return SentinelConnectionPool(self._service, sentinel, **kwargs)
        if "path" in kwargs:
            return redis.ConnectionPool(connection_class=redis.UnixDomainSocketConnection, **kwargs)
        if self._settings.get("tls"):
            return redis.ConnectionPool(connection_class=redis.SSLConnection, **kwargs)
        return redis.ConnectionPool(**kwargs)

    def _read_url(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        if not separator:
            raise ConfigurationError(f"connection must be a URL such as {_FORMS}, not {url!r}")
        if scheme == "embedded":
            if not rest:
                raise ConfigurationError("embedded:// needs the path of a directory, as in embedded:///var/lib/app")
            self._directory = Path(unquote(rest)).absolute()
        elif scheme in ("redis+sentinel", "valkey+sentinel"):
            self._read_sentinel_url(url)
        elif scheme in _SCHEMES:
            self._settings = _parse(f"{_SCHEMES[scheme]}://{rest}")
        else:
            raise ConfigurationError(f"connection URL must begin with {_FORMS}, not {scheme!r}://")

    def _read_sentinel_url(self, url: str) -> None:
        parts = urlsplit(url)
        credentials, _, hosts = parts.netloc.rpartition("@")
        service, _, database = parts.path.strip("/").partition("/")
        if not service or not hosts:
            raise ConfigurationError("a sentinel URL is redis+sentinel://host:port,host:port/service/database")
        self._service = service
        self._sentinels = [_host_and_port(host) for host in hosts.split(",")]
        user, _, password = credentials.partition(":")
        self._settings = {"db": _database(database or "0")}
        if credentials:
            self._settings |= {"username": unquote(user) or None, "password": unquote(password) or None}


def _default_url() -> str:
    return os.environ.get("OXMQ_URL") or f"embedded://{Path.cwd() / '.oxmq'}"


def _parse(url: str) -> dict[str, Any]:
    try:
        settings = dict(cast("Mapping[str, Any]", redis.connection.parse_url(url)))
    except ValueError as error:
        raise ConfigurationError(f"connection URL cannot be read: {error}") from None
    # The client takes any path that is not a number for database 0.
    path = urlsplit(url).path.strip("/")
    if not url.startswith("unix:") and path:
        settings["db"] = _database(path)
    settings.pop("connection_class", None)
    return settings | ({"tls": True} if url.startswith("rediss:") else {})


def _settings_of(client: object) -> dict[str, Any]:
    """Return the connection settings of a redis-py client, blocking or not."""
    pool = getattr(client, "connection_pool", None)
    kwargs = getattr(pool, "connection_kwargs", None)
    if kwargs is None or hasattr(pool, "service_name"):
        raise ConfigurationError(
            f"connection must be a URL ({_FORMS}) or a redis-py client of a single server, not {type(client).__name__}"
        )
    tls = "SSL" in cast("type[object]", getattr(pool, "connection_class", object)).__name__
    known = ("host", "port", "path", "db", "username", "password", "credential_provider")
    settings = {name: kwargs[name] for name in known if kwargs.get(name) is not None}
    settings |= {name: value for name, value in kwargs.items() if name.startswith("ssl_")}
    return settings | ({"tls": True} if tls else {})


def _without_tls(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "tls"}


def _sentinel_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"socket_timeout": CONNECT_TIMEOUT, "socket_connect_timeout": CONNECT_TIMEOUT} | {
        name: value for name, value in settings.items() if name in ("username", "password")
    }


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or not (port or "26379").isdigit():
        raise ConfigurationError(f"a sentinel's address is host:port, not {text!r}")
    return host, int(port or "26379")


def _database(text: str) -> int:
    if not text.isdigit():
        raise ConfigurationError(f"the database in a connection URL must be a number, not {text!r}")
    return int(text)
