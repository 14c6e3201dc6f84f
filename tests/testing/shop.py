"""The application of an imaginary shop, as a user's module would have it: made at import, for a server of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct

import oxmq.sync
from oxmq import Delay, Job, Oxmq, WaitForChildren, cron, current_job, exponential
from oxmq.testing import inline

#: Nobody listens at this address: whatever goes there fails.
app = Oxmq("redis://127.0.0.1:1", prefix="shop")

#: Kept from when the module was imported, as users do.
mail = app.queue("mail")

#: What handlers note, for tests to look at.
sent: list[Any] = []


@app.task(queue="mail", attempts=4, backoff=exponential("10m"))
async def send_mail(user: int, subject: str = "Welcome", fail_until: int = 0) -> str:
    job = current_job()
    await job.log(f"attempt {job.attempts_made + 1}")
    if job.attempts_made < fail_until:
        raise ConnectionError("the mail server is down")
    sent.append((user, subject))
    return f"{subject} to {user}"


@app.task
def price(item: str, count: int = 1) -> int:
    oxmq.sync.current_job().update_progress(50)
    return len(item) * count


@app.task(queue="reports")
async def total() -> int:
    return sum((await current_job().children_values()).values())


@app.task(queue="reports")
def gather(items: list[str]) -> int:
    job = oxmq.sync.current_job()
    if values := job.get_children_values():
        return sum(values.values())
    for item in items:
        price.options(parent=job).enqueue_sync(item)
    raise WaitForChildren


@app.task
async def put_off() -> None:
    raise Delay(60)


@app.task(queue="reports", schedule=cron("0 9 * * *", tz="Europe/Berlin"))
async def good_morning() -> None:
    sent.append(current_job().processed_on)


@app.task(run="process", queue="reports")
def heavy(number: int) -> int:
    sent.append("heavy")
    return number + 1


@app.task(queue="mail")
async def delay(delay: int, times: int) -> int:
    return delay * times


@app.task
async def again_and_again() -> None:
    await again_and_again.enqueue()


@app.task(queue="mail")
async def order_mail(order: dict[str, Any], copies: int = 1) -> None:
    """Send what a shop sends after an order."""


class Parcel(Struct):
    """Hold what is sent."""

    id: int
    weight: Decimal


class Speed(Enum):
    """Say how fast it goes."""

    FAST = "fast"


@app.task
def ship(parcel: Parcel, at: datetime, speed: Speed) -> Decimal:
    assert (at.tzinfo, speed.name) == (UTC, "FAST")
    return parcel.weight * 2


@app.middleware
async def shouting(job: Job[Any], call_next: Any) -> Any:
    result = await call_next(job)
    return result.upper() if isinstance(result, str) else result


async def waiting_for_itself() -> None:
    """Enqueue a task that waits for its own result."""

    other = Oxmq("redis://127.0.0.1:1")

    @other.task
    async def narcissus() -> None:
        job = await other.queue().get_job(current_job().id)
        assert job is not None
        await job.result()

    with inline(other):
        await narcissus.enqueue()
