"""List the four operations that the demo compares, and the heavy one, with what a client posts for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

#: The two ways to do the work: in the request, or by a worker after the answer.
Way = Literal["inline", "queued"]
WAYS: tuple[Way, ...] = get_args(Way)

#: The endpoints of the API server, by way.
PATHS: dict[Way, str] = {"inline": "/inline", "queued": "/jobs"}

#: Where the API server shows the dashboard.
DASHBOARD = "/oxmq"

REPORT_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Operation:
    """Name one operation; `body` makes what is posted for a request from the request's key."""

    slug: str
    title: str
    queue: str
    body: Callable[[str], dict[str, int | str]]

    def path(self, way: Way) -> str:
        """Return the path of the endpoint that does the operation in this way."""
        return f"{PATHS[way]}/{self.slug}"


def mail_address(key: str) -> str:
    """Return the address that the mail of a request goes to."""
    return f"{key}@customer.test"


def report_month(key: str) -> int:
    """Return the month that a request asks a report of: the number that its key ends in, around the year."""
    number = key.rpartition("-")[2]
    return int(number) % 12 + 1 if number.isdecimal() else 1


WELCOME_EMAIL = Operation(
    "welcome-email", "Welcome e-mail", "demo-email", lambda key: {"name": key, "address": mail_address(key)}
)
IMAGE_RESIZE = Operation("image-resize", "Image resize", "demo-images", lambda key: {"key": key})
PDF_REPORT = Operation(
    "pdf-report",
    "PDF report",
    "demo-reports",
    lambda key: {"key": key, "month": report_month(key), "rows": REPORT_ROWS},
)
WEBHOOK_DELIVERY = Operation(
    "webhook-delivery", "Webhook delivery", "demo-webhooks", lambda key: {"key": key, "order": key}
)

OPERATIONS = (WELCOME_EMAIL, IMAGE_RESIZE, PDF_REPORT, WEBHOOK_DELIVERY)

#: Too heavy for a request, and for the worker itself: there is no inline way to compare it with.
YEARLY_REPORT = Operation("yearly-report", "Heavy job", "demo-heavy", lambda key: {"key": key, "rows": REPORT_ROWS})

#: What its process may use at most.
HEAVY_MEMORY, HEAVY_CPU = "512Mi", "1"
