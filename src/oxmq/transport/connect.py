"""Know how to reach a server, and open connections to it.

Timeouts and retries are oxmq's own: the Redis client's are all switched off, because a command that the client repeats
by itself may be done twice.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from oxmq.errors import ConfigurationError
from oxmq.transport.embedded import embedded_url
from oxmq.transport.sentinel import ask_for_master
from oxmq.transport.wire import CONNECT_TIMEOUT, AsyncWire, SyncWires

#: How long a command may take, from call to answer, in seconds.
COMMAND_TIMEOUT = 5.0

_SCHEMES = {"redis": "redis", "valkey": "redis", "rediss": "rediss", "valkeys": "rediss", "unix": "unix"}
_FORMS = "redis://, rediss://, valkey://, valkeys://, unix://, redis+sentinel:// or embedded://"


class Endpoint:
    """Hold where a server is. Building one checks the address and does no I/O.

    Raises:
        ConfigurationError: the address is not one that oxmq understands.
    """

    def __init__(self, connection: object = None) -> None:
        self._source = _default_url() if connection is None else connection
        self._settings: dict[str, Any] = {}
        self._tls = False
        self._sentinels: list[tuple[str, int]] = []
        self._service = ""
        self._directory: Path | None = None
        if isinstance(self._source, str):
            self._read_url(self._source)
        else:
            self._settings, self._tls = _settings_of(self._source)

    def move(self, connection: object) -> None:
        """Stand for another address, as given to the constructor; connections that are open stay where they are.

        Raises:
            ConfigurationError: the address is not one that oxmq understands; nothing is changed.
        """
        vars(self).update(vars(Endpoint(connection)))

    @property
    def address(self) -> str:
        """Return the address without its password: for people."""
        if self._directory is not None:
            return f"embedded://{self._directory}"
        if self._service:
            return f"redis+sentinel://{','.join(f'{host}:{port}' for host, port in self._sentinels)}/{self._service}"
        if "path" in self._settings:
            return f"unix://{self._settings['path']}"
        scheme = "rediss" if self._tls else "redis"
        host, port = self._settings.get("host", "localhost"), self._settings.get("port", 6379)
        return f"{scheme}://{host}:{port}/{self._settings.get('db', 0)}"

    @property
    def source(self) -> object:
        """Return what this was made from, password included: for another endpoint of the same server."""
        return self._source

    @property
    def identity(self) -> object:
        """Return what tells endpoints of one server and user from others, password included: do not print it."""
        if isinstance(self._source, str):
            return self._source if self._directory is None else self.address
        return (self._tls, *sorted((name, repr(value)) for name, value in self._settings.items()))

    @property
    def needs_preparing(self) -> bool:
        """Tell whether `prepare` must be called before each connection: the server may be elsewhere, or not running."""
        return self._directory is not None or bool(self._sentinels)

    def prepare(self) -> None:
        """Find out where the server is now, for an endpoint that `needs_preparing`; may block for some seconds.

        That is: start the embedded server if it does not run, or ask the sentinels for the master.

        Raises:
            RedisError, OSError: no sentinel knew.
        """
        if self._directory is not None:
            self._settings = {"path": unquote(embedded_url(self._directory).removeprefix("unix://"))}
        elif self._sentinels:
            host, port = ask_for_master(self._sentinels, self._service, self._credentials())
            self._settings |= {"host": host, "port": port}

    def async_wire(self, client_name: str | None = None) -> AsyncWire:
        """Return a connection for an event loop, not yet open. Call `prepare` before."""
        retry = _client("redis.asyncio.retry").Retry(_client("redis.backoff").NoBackoff(), 0)
        kwargs = {**self._arguments(client_name), "socket_timeout": None, "retry": retry}
        return cast("AsyncWire", self._class_in(_client("redis.asyncio.connection"))(**kwargs))

    def sync_wires(self, timeout: float, client_name: str | None = None) -> SyncWires:
        """Return a pool of blocking connections, safe across threads and forks. Call `prepare` before.

        Args:
            timeout: how long an answer may take, in seconds.
            client_name: under which the server lists the connections.
        """
        connection = _client("redis.connection")
        retry = _client("redis.retry").Retry(_client("redis.backoff").NoBackoff(), 0)
        kwargs = {**self._arguments(client_name), "socket_timeout": timeout, "retry": retry}
        pool = connection.ConnectionPool(connection_class=self._class_in(connection), **kwargs)
        return cast("SyncWires", pool)

    def _class_in(self, module: Any) -> Any:  # noqa: ANN401 - one of the client's connection modules
        if "path" in self._settings:
            return module.UnixDomainSocketConnection
        return module.SSLConnection if self._tls else module.Connection

    def _arguments(self, client_name: str | None) -> dict[str, Any]:
        return {
            **self._settings,
            "client_name": client_name,
            "decode_responses": False,
            "health_check_interval": 0,
            "protocol": 2,
            "socket_connect_timeout": CONNECT_TIMEOUT,
        }

    def _credentials(self) -> dict[str, Any]:
        return {name: value for name, value in self._settings.items() if name in ("username", "password") and value}

    def _read_url(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        if not separator:
            shown = "text without '://'" if "@" in url else repr(url)  # there may be a password in it
            raise ConfigurationError(f"connection must be a URL such as {_FORMS}, not {shown}")
        if scheme == "embedded":
            if not rest:
                raise ConfigurationError("embedded:// needs the path of a directory, as in embedded:///var/lib/app")
            self._directory = Path(unquote(rest)).absolute()
        elif scheme in ("redis+sentinel", "valkey+sentinel"):
            self._read_sentinel_url(url)
        elif scheme in _SCHEMES:
            self._settings = _parse(f"{_SCHEMES[scheme]}://{rest}")
            self._tls = _SCHEMES[scheme] == "rediss"
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


def _client(module: str) -> Any:  # noqa: ANN401 - its annotations are too narrow for arguments from a URL: see `wire`
    """Return a module of the Redis client: when it is needed, for it takes as long to import as all of oxmq."""
    return import_module(module)


def _default_url() -> str:
    return os.environ.get("OXMQ_URL") or f"embedded://{Path.cwd() / '.oxmq'}"


def _parse(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        if not url.startswith("unix:") and _splits_password(parts):
            raise ValueError("write '/', '?' and '#' in a password as %2F, %3F and %23")
        settings: dict[str, Any] = dict(_client("redis.connection").parse_url(url))
    except ValueError as error:
        raise ConfigurationError(f"connection URL cannot be read: {error}") from None
    # The client takes any path that is not a number for database 0.
    path = parts.path.strip("/")
    if not url.startswith("unix:") and path:
        settings["db"] = _database(path)
    settings.pop("connection_class", None)
    return settings


def _splits_password(parts: SplitResult) -> bool:
    """Tell whether a password seems to hold what ends the host: its beginning would be taken, and shown, for that."""
    query = "" if "=" in parts.query else parts.query
    return "@" in parts.path + query + parts.fragment


def _settings_of(client: object) -> tuple[dict[str, Any], bool]:
    """Return the connection settings of a redis-py client, blocking or not, and whether it uses TLS."""
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
    return settings, tls


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or not (port or "26379").isdigit():
        raise ConfigurationError(f"a sentinel's address is host:port, not {text!r}")
    return host, int(port or "26379")


def _database(text: str) -> int:
    if not text.isdigit():
        raise ConfigurationError(f"the database in a connection URL must be a number, not {text!r}")
    return int(text)
