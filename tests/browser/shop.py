"""What the workers of the world that the browser looks at do: the tasks of a small shop."""

from __future__ import annotations

import asyncio
from typing import Any

from oxmq import Job


class GreylistedError(Exception):
    """The other mail server wants to be asked again later."""


class TemplateError(Exception):
    """A template names what is not there."""


class Shop:
    """Do the jobs; those that are to stay active are held until `release` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def __call__(self, job: Job[Any]) -> object:
        task = getattr(self, job.name.replace("-", "_"), None)
        if task is None:
            return {"done": job.name}
        return await task(job)

    async def welcome_email(self, job: Job[Any]) -> object:
        await job.log(f"rendering welcome.html for user {job.data['user']['id']}")
        html = render(job.data["template"], job.data["user"])
        await job.log(f"{len(html)} bytes to {job.data['user']['email']}")
        await deliver(job.data["user"]["email"])
        return {"sent": True, "bytes": len(html)}

    async def receipt(self, job: Job[Any]) -> object:
        await job.update_progress(100)
        return {"sent": True, "order": job.data["order"]}

    async def newsletter(self, job: Job[Any]) -> object:
        for part in range(1, 5):
            await job.update_progress(part * 15)
            await job.log(f"part {part} of 7: 1,000 recipients")
        await self.release.wait()
        return {"recipients": 7000}

    async def thumbnail(self, job: Job[Any]) -> object:
        if job.data["number"] % 50 == 13:
            raise ValueError(f"cannot identify image file 'photo-{job.data['number']}.jpg'")
        if job.data["number"] >= 190:
            await self.release.wait()
        return {"width": 320}

    async def charge_card(self, job: Job[Any]) -> object:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
        return None


def render(template: str, user: dict[str, Any]) -> str:
    """Fill a template."""
    if "{voucher}" in template:
        raise TemplateError(f"template 'welcome' names 'voucher', which user {user['id']} has not")
    return template.replace("{name}", user["name"]) * 40


async def deliver(address: str) -> None:
    """Hand a message to the mail server of an address."""
    domain = address.partition("@")[2]
    if domain == "example.org":
        raise GreylistedError(f"451 4.7.1 greylisted, try again in 300 s (mx.{domain})")
