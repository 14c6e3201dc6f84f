"""Serve the HTTP API and the dashboard.

Names are imported when they are asked for: a worker's endpoint is part of this package, and does without the web
framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oxmq.lazy_names import imported_from

if TYPE_CHECKING:
    from oxmq.web.access import Access, Grant, Login, Role, Token
    from oxmq.web.app import oxmq_web
    from oxmq.web.redaction import Redaction

__all__ = ["Access", "Grant", "Login", "Redaction", "Role", "Token", "oxmq_web"]

_HOMES: Final = {
    "oxmq.web.access": ("Access", "Grant", "Login", "Role", "Token"),
    "oxmq.web.app": ("oxmq_web",),
    "oxmq.web.redaction": ("Redaction",),
}

if not TYPE_CHECKING:
    __getattr__ = imported_from(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
