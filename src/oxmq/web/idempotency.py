"""Let a request be repeated: the same key stands for the same jobs, for as long as they are kept.

The ids of the jobs are made from the key, so that adding them again adds nothing; and each job carries what the whole
request looked like, so that the same key with other content is noticed.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import msgspec
from msgspec import structs

from oxmq.codec import decode_json_or
from oxmq.ops.jobs import NewJob
from oxmq.web.problems import invalid

#: The header with the key, as errors name it.
PLACE = ("header", "idempotency-key")

#: The member of a job's options that holds the fingerprint. Libraries keep what they do not know.
_MEMBER = "idempotency"


class Idempotency:
    """Stand for one key of one user.

    Args:
        key: what the client sent.
        user: who it is: the keys of others are not its business.
        content: the request's body, read from JSON.
    """

    def __init__(self, key: str, user: str, content: object) -> None:
        self._key = key
        self._user = user
        self._fingerprint = _digest(msgspec.json.encode(content, order="deterministic").decode())

    def job_id(self, queue: str, position: int) -> str:
        """Return the id of the request's job at `position`."""
        return f"idem-{_digest(self._user, self._key, queue, str(position))}"

    def mark(self, draft: NewJob) -> NewJob:
        """Return the job with the request's fingerprint among its options."""
        member = f',"{_MEMBER}":"{self._fingerprint}"}}'
        return structs.replace(draft, opts=draft.opts[:-1] + member.encode())

    def check(self, stored: bytes | None) -> None:
        """Refuse a request whose key has added something else: `stored` are the options of the job that is there.

        Raises:
            RequestValidationError: it is so.
        """
        options = decode_json_or(stored, {})
        found: object = cast("dict[str, Any]", options).get(_MEMBER) if isinstance(options, dict) else None
        if stored is not None and found != self._fingerprint:
            raise invalid("this key was used for a request with other content: take another", *PLACE)


def _digest(*parts: str) -> str:
    # The length of each part keeps ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()
