"""Know the Redis client's errors without importing it: it takes as long to import as all of oxmq.

Each is looked up when there is one to be compared or raised, and by then the client is in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oxmq.lazy_names import imported_from

if TYPE_CHECKING:
    from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, RedisError, ResponseError

__all__ = ["AuthenticationError", "NoPermissionError", "NoScriptError", "RedisError", "ResponseError"]

if not TYPE_CHECKING:
    __getattr__ = imported_from(__name__, {"redis.exceptions": tuple(__all__)})
