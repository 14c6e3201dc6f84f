"""Know the Redis client's errors without importing it: it takes as long to import as all of oxmq.

Each is looked up when there is one to be compared or raised, and by then the client is in use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, RedisError, ResponseError

__all__ = ["AuthenticationError", "NoPermissionError", "NoScriptError", "RedisError", "ResponseError"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module("redis.exceptions"), name)
    return found
