"""Name every Redis key, and check the names that keys are made of.

All keys of a queue begin with ``<prefix>:<queue>:``, its *base*. In a Redis Cluster the prefix carries a hash tag
(``{bull}``), so that the base decides the slot of every key of the queue.
"""

from __future__ import annotations

import base64
import re

from oxmq.errors import ConfigurationError

DEFAULT_PREFIX = "bull"

_QUEUE_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_INTEGER = re.compile(r"0|-?[1-9]\d*")
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff{}]")
_MAX_ID_LENGTH = 200
#: What stands in the place of an id in the queue's own keys: a job of such an id would overwrite them.
_OWN_KEYS = {
    "wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed", "events", "meta",
    "id", "pc", "marker", "limiter", "stalled", "stalled-check", "repeat", "delay", "priority",
    "metrics:completed:data", "metrics:failed:data", "oxmq:workers", "oxmq:history",
    "oxmq:counts", "oxmq:relayed",
}  # fmt: skip
#: What stands for "needs no lock" where a token is expected.
_NO_LOCK = "0"


class QueueKeys:
    """Build the keys of one queue.

    Raises:
        ConfigurationError: the name or prefix is empty or not a string, or the name contains ``:``.
    """

    __slots__ = ("base", "name", "prefix", "qualified_name")

    def __init__(self, name: str, prefix: str = DEFAULT_PREFIX) -> None:
        _check_readable_name(name)
        _check_prefix(prefix)
        self.name = name
        self.prefix = prefix
        self.qualified_name = f"{prefix}:{name}"
        self.base = f"{prefix}:{name}:"

    @property
    def client_name(self) -> str:
        """Return the name under which the server lists a worker's connection: by it BullMQ's tools find workers."""
        return f"{self.prefix}:{base64.b64encode(self.name.encode()).decode()}"

    def job(self, job_id: str) -> str:
        """Return the key of a job's hash; its lock, logs and the like are this and a suffix."""
        return self.base + job_id

    def logs(self, job_id: str) -> str:
        return f"{self.base}{job_id}:logs"

    def of(self, part: str) -> str:
        """Return one of the queue's own keys, such as ``wait`` or ``meta``."""
        return self.base + part


def split_job_key(key: str) -> tuple[QueueKeys, str]:
    """Return the queue and the id that a job's key names; the last two colons part them."""
    rest, _, job_id = key.rpartition(":")
    prefix, _, queue = rest.rpartition(":")
    return QueueKeys(queue, prefix), job_id


def check_queue_name(name: object) -> str:
    """Return `name`, or raise `ConfigurationError` when no queue may be created under it.

    Queues of other names that a peer made can be read and worked all the same.
    """
    if not isinstance(name, str) or not _QUEUE_NAME.fullmatch(name):
        raise ConfigurationError(f"queue name must be 1 to 128 of the characters A-Z a-z 0-9 . _ -, not {name!r}")
    return name


def check_job_id(value: object, field: str = "job_id") -> str:
    """Return the custom job id `value`, or raise `ConfigurationError` saying which rule it breaks.

    BullMQ's rules: no whole number (those are the counter's), no ``:`` unless it has exactly three parts, not ``0``
    and not beginning with ``0:`` (once a marker). And ours: no name of the queue's own keys, no white space, control
    characters or braces.
    """
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{field} must be a non-empty string, not {value!r}")
    if _INTEGER.fullmatch(value):
        raise ConfigurationError(f"{field} must not be a whole number, not {value!r}")
    if value in _OWN_KEYS:
        raise ConfigurationError(f"{field} must not be the name of one of the queue's own keys, not {value!r}")
    if value.startswith("0:") or (":" in value and value.count(":") != 2):
        raise ConfigurationError(f"{field} must not contain ':', not {value!r}")
    if _UNPRINTABLE.search(value) or len(value) > _MAX_ID_LENGTH:
        raise ConfigurationError(
            f"{field} must be at most {_MAX_ID_LENGTH} characters without white space, control characters "
            f"or braces, not {value[:80]!r}"
        )
    return value


def check_job_name(value: object) -> str:
    """Return the job name `value`, or raise `ConfigurationError`."""
    if not isinstance(value, str) or not 0 < len(value) <= 1024:
        raise ConfigurationError(f"job name must be a string of 1 to 1024 characters, not {value!r:.80}")
    if not value.isprintable():
        raise ConfigurationError(f"job name must be printable, not {value!r:.80}")
    return value


def check_scheduler_id(value: object) -> str:
    """Return the scheduler id `value`, or raise `ConfigurationError`.

    It becomes part of its jobs' ids: with a ``:`` in it, two schedulers' keys could be the same.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_LENGTH or not value.isprintable() or ":" in value:
        raise ConfigurationError(
            f"scheduler id must be 1 to {_MAX_ID_LENGTH} printable characters without ':', not {value!r:.80}"
        )
    return value


def check_token(token: object) -> str:
    """Return the lock token `token`, or raise `ConfigurationError`; ``"0"`` stands for "no lock" on the wire."""
    if not isinstance(token, str) or not token or token == _NO_LOCK:
        raise ConfigurationError(f'token must be a text other than "0", not {token!r}')
    return token


def _check_readable_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"queue name must be a non-empty string, not {name!r}")
    if ":" in name:
        raise ConfigurationError(f"queue name must not contain ':', not {name!r}")


def _check_prefix(prefix: object) -> None:
    if not isinstance(prefix, str) or not prefix or not prefix.isprintable() or " " in prefix:
        raise ConfigurationError(f"prefix must be a non-empty printable string without blanks, not {prefix!r}")
