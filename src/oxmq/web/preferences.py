"""Read what a client would prefer (RFC 7240)."""

from __future__ import annotations

import re

from fastapi import Request

#: For how long an answer is held back at most, in seconds.
MAX_WAIT = 30

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?', re.IGNORECASE)


def preferred_wait(request: Request) -> int | None:
    """Return for how many seconds the client would wait for a result, at most `MAX_WAIT`; None when it says nothing.

    What of ``Prefer`` is not understood is ignored, as it should be.
    """
    for header in request.headers.getlist("prefer"):
        for preference in header.split(","):
            found = _WAIT.fullmatch(preference.partition(";")[0].strip())
            if found is not None:
                return min(int(found[1]), MAX_WAIT)
    return None
