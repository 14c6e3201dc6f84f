"""Do the demo's four operations: each is one plain function, called inside a request or run by a worker.

A fifth, the yearly report, is too heavy for both, and asks for a pod of its own.
"""

from __future__ import annotations

import contextlib
import functools
import html
import json
import os
import ssl
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

import aiosmtplib
import httpx2

from oxmq import Kubernetes, Oxmq, OxmqError, exponential
from oxmq.demo.ledger import sales
from oxmq.demo.operations import HEAVY_CPU, HEAVY_MEMORY
from oxmq.demo.picture import resize
from oxmq.demo.sales_report import write_sales_report, write_yearly_report
from oxmq.demo.settings import Settings
from oxmq.demo.signature import signed_headers
from oxmq.sync import current_job

app = Oxmq()

#: A webhook is tried so often, and waits 0.2 s, 0.4 s, 0.8 s ... between, each less up to a half by chance.
WEBHOOK_ATTEMPTS = 5
WEBHOOK_BACKOFF = exponential(0.2, jitter=0.5)

#: The demo starts its worker with OXMQ_RUN_KUBERNETES=process, since there is no such image: each job gets a limited
#: process beside the worker. With an image, and a cluster, the same task runs in pods.
POD = Kubernetes(image="registry.example/demo:1", cpu=HEAVY_CPU, memory=HEAVY_MEMORY, timeout="5m")


class RefusedError(Exception):
    """Say that the receiver of a webhook did not accept it."""


@app.task(queue="demo-email", attempts=3, backoff=exponential(1, jitter=0.5), timeout=30)
async def welcome_email(name: str, address: str) -> dict[str, str]:
    """Send the mail that greets a new user, in a real SMTP conversation."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "hello@demo.test", address
    mail["Subject"] = f"Welcome, {name}!"
    mail["Message-ID"] = make_msgid(domain="demo.test")
    mail.set_content(f"Dear {name},\n\nyour account is ready.\n\nThe oxmq demo\n")
    mail.add_alternative(f"<p>Dear {html.escape(name)},</p><p>your account is <b>ready</b>.</p>", subtype="html")
    settings = Settings.from_environment()
    await aiosmtplib.send(mail, hostname="127.0.0.1", port=settings.smtp_port, timeout=10)
    return {"message_id": str(mail["Message-ID"])}


@app.task(queue="demo-images", attempts=2)
def resize_image(source: str, folder: str) -> list[str]:
    """Write a photo as WebP in three sizes; Pillow frees the interpreter's lock, so a thread is enough."""
    return resize(Path(source), Path(folder), _tell_progress)


@app.task(queue="demo-reports", attempts=2, timeout=60, run="process")
def pdf_report(month: int, rows: int, file: str) -> dict[str, int]:
    """Write a month's sales as a PDF; this is pure Python, so it gets a process and the worker stays responsive."""
    title = f"Sales of month {month}"
    return {"pages": write_sales_report(Path(file), title, sales(month, rows), _tell_progress)}


@app.task(queue="demo-webhooks", attempts=WEBHOOK_ATTEMPTS, backoff=WEBHOOK_BACKOFF, timeout=30)
async def deliver_webhook(url: str, event_id: str, payload: dict[str, int | str]) -> dict[str, int]:
    """Post a signed event once; any answer but a 2xx is an error, and the queue tries again later."""
    body = json.dumps(payload).encode()
    headers = signed_headers(Settings.from_environment().webhook_secret, event_id, body)
    async with httpx2.AsyncClient(verify=_tls(), timeout=10) as client:
        answer = await client.post(url, content=body, headers={**headers, "content-type": "application/json"})
    if not answer.is_success:
        raise RefusedError(f"{url} answered {answer.status_code} {answer.reason_phrase}: {answer.text[:200]}")
    return {"status": answer.status_code}


@app.task(queue="demo-heavy", attempts=2, run=POD)
def yearly_report(rows: int, file: str) -> dict[str, int]:
    """Write the sales of all twelve months, `rows` each, as one PDF; say which process has done it."""
    months = [sales(month, rows) for month in range(1, 13)]
    return {"pages": write_yearly_report(Path(file), months, _tell_progress), "pid": os.getpid()}


def _tell_progress(done: int, of: int) -> None:
    """Let whoever follows the job see how far it is. Inside a request there is no job, and nobody to tell."""
    with contextlib.suppress(OxmqError):
        current_job().update_progress(round(100 * done / of))


@functools.cache
def _tls() -> ssl.SSLContext:
    """Load the trusted certificates once: that takes longer than a delivery on the loopback interface."""
    return httpx2.create_ssl_context()
