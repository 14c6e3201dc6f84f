"""Ask sentinels which server is the master now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from oxmq.ops.call import Reply
from oxmq.transport import redis_errors
from oxmq.transport.wire import CONNECT_TIMEOUT, SyncWire


def ask_for_master(
    sentinels: Iterable[tuple[str, int]], service: str, credentials: Mapping[str, Any]
) -> tuple[str, int]:
    """Return host and port of the master of `service`, as the first sentinel that knows tells.

    Sentinels are asked without credentials, and with the server's own where they want some.

    Raises:
        RedisError, OSError: none of them could be asked, or knew.
    """
    failure: Exception = redis_errors.RedisError(f"no sentinel knows a master called {service!r}")
    for host, port in sentinels:
        try:
            reply = _ask(host, port, service, credentials)
        except (redis_errors.RedisError, OSError) as error:
            failure = error
        else:
            if reply is not None:
                return reply[0].decode(), int(reply[1])
    raise failure


def _ask(host: str, port: int, service: str, credentials: Mapping[str, Any]) -> Reply:
    try:
        return _ask_as(host, port, service, {})
    except redis_errors.AuthenticationError:
        if not credentials:
            raise
        return _ask_as(host, port, service, credentials)


def _ask_as(host: str, port: int, service: str, credentials: Mapping[str, Any]) -> Reply:
    from redis import connection  # noqa: PLC0415 - takes long to import
    from redis.backoff import NoBackoff  # noqa: PLC0415 - likewise
    from redis.retry import Retry  # noqa: PLC0415 - likewise

    wire: SyncWire = cast(
        "SyncWire",
        cast("Any", connection).Connection(
            host=host,
            port=port,
            protocol=2,
            socket_connect_timeout=CONNECT_TIMEOUT / 2,
            socket_timeout=CONNECT_TIMEOUT / 2,
            retry=Retry(NoBackoff(), 0),
            **credentials,
        ),
    )
    try:
        wire.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        return wire.read_response(disable_decoding=True)
    finally:
        wire.disconnect()
