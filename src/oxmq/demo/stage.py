"""Set up everything that the demo needs running, and take it all down again."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from oxmq import Queue
from oxmq.demo.load import CLIENTS, PATIENCE
from oxmq.demo.mail_server import MailServer
from oxmq.demo.operations import WELCOME_EMAIL
from oxmq.demo.picture import draw_photo
from oxmq.demo.processes import Child, Processes, wait_until_ready
from oxmq.demo.settings import Folders, Settings
from oxmq.demo.webhook_receiver import WebhookReceiver

#: How long, in seconds, the API server may take until it answers, Redis included.
_START = 30

#: The worker does as many jobs of a kind at once as there are clients, so that neither way has more hands.
_WORKER = ("-m", "oxmq", "worker", "oxmq.demo.tasks:app", "--concurrency", str(CLIENTS))


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold what is running: the outside world, the two processes, and a client of the API server."""

    mail_server: MailServer
    receiver: WebhookReceiver
    processes: Processes
    worker: Child
    api: Child
    client: httpx2.AsyncClient

    @property
    def url(self) -> str:
        """Return where the API server is."""
        return str(self.client.base_url).rstrip("/")

    @property
    def pids(self) -> dict[str, int]:
        """Return the two processes' ids by their names."""
        return {child.name: child.process.pid for child in (self.worker, self.api)}


@asynccontextmanager
async def set_up(folders: Folders) -> AsyncGenerator[Stage]:
    """Start everything, hand it out when it is ready, and stop everything at the end, the processes first.

    Raises:
        OxmqError: Redis cannot be used.
        ProcessError: A process died, or the API server was not ready in time.
    """
    folders.renew()
    secret = secrets.token_hex()
    async with (
        Queue(WELCOME_EMAIL.queue) as queue,
        MailServer(folders.mail) as mail_server,
        WebhookReceiver(folders.webhooks, secret) as receiver,
    ):
        await queue.count()  # starts the embedded Valkey, or says at once what is wrong with the user's Redis
        settings = Settings(folders.directory, mail_server.port, receiver.url, secret)
        async with Processes(folders.logs, settings.environment()) as processes:
            worker = await processes.start("worker", [*_WORKER, "--lifeline", str(processes.lifeline)])
            api, url = await _start_api(processes)
            async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                await asyncio.to_thread(draw_photo, folders.photo)
                await wait_until_ready(api, lambda: _answers(client), _START)
                yield Stage(mail_server, receiver, processes, worker, api, client)


async def _start_api(processes: Processes) -> tuple[Child, str]:
    """Start the API server on a socket that is opened here, so that nobody else can take its port in between."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        arguments = ("-m", "oxmq.demo.api", str(listener.fileno()), str(processes.lifeline))
        return await processes.start("API server", arguments, [listener.fileno()]), f"http://127.0.0.1:{port}"


async def _answers(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/health", timeout=2)).status_code == 200
    except httpx2.TransportError:
        return False
