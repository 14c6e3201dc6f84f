"""The world that the browser looks at: queues of a small shop, worked by real workers of oxmq and of Node."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import msgspec

from oxmq import FlowJob, Job, Queue, RateLimit, cron, every
from oxmq.histograms import Histogram
from oxmq.ops import reconciling
from oxmq.ops.history import KEPT_MINUTES
from oxmq.web import Access, Role, Token, oxmq_web
from tests.browser.shop import Shop
from tests.compat.node_peer import VERSIONS, NodePeer
from tests.integration.bed import Bed
from tests.support import hostile as corpus
from tests.support.servers import RedisServer
from tests.support.waiting import eventually
from tests.web.heavy_reports import repair, report, seen_run
from tests.web.serving import TOKENS, serving

PREFIX: Final = "shop"
CHILDREN: Final = 200
#: A queue that only Node works.
NODE_QUEUE: Final = "webhooks"
HOSTILE_QUEUE: Final = "hostile"

#: Makes jobs of a queue in one state, with the times of BullMQ's own.
_FILL: Final = """
local base, state, count, first = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call("HSETNX", base .. "meta", "opts.maxLenEvents", 10000)
for n = first, first + count - 1 do
  local id, made = state .. "-" .. n, 1700000000000 + n
  redis.call("HSET", base .. id, "name", n % 2 == 1 and "odd" or "even", "data", '{"number":' .. n .. '}', "opts", "{}",
    "timestamp", made, "delay", 0, "priority", 0)
  if state == "wait" then
    redis.call("LPUSH", base .. state, id)
  else
    redis.call("HSET", base .. id, "processedOn", made, "finishedOn", made + 500, "atm", 1, "ats", 1)
    redis.call("ZADD", base .. state, made + 500, id)
  end
end
return 0
"""
#: How many it makes at a time, so that the server stays responsive.
_AT_ONCE: Final = 5_000

PEOPLE: Final = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Tony", "Radia", "Ken")


class World:
    """Hold what is there, and ids by which tests find it.

    Attributes:
        url: where the application is served without sign-in.
        guarded_url: where it is served to bearers of `TOKENS` only.
        server: the Redis behind it.
        bed: makes more queues and workers.
        node: the Node process.
        ids: the ids of jobs that tests look at, by what they are.
    """

    def __init__(self, server: RedisServer, bed: Bed, node: NodePeer, shop: Shop) -> None:
        self.server = server
        self.bed = bed
        self.node = node
        self.shop = shop
        self.url = ""
        self.guarded_url = ""
        self.ids: dict[str, str] = {}

    def queue(self, name: str) -> Queue:
        """Return a queue of the world."""
        return self.bed.queue(name)

    async def counts(self, name: str) -> dict[str, int]:
        """Return how many jobs a queue has in each state."""
        return await self.queue(name).get_job_counts()

    def fill(self, name: str, container: str, count: int) -> None:
        """Make many jobs of a queue in one go: every other is called ``odd``, the others ``even``.

        Args:
            name: the queue; with no jobs it is there all the same.
            container: ``wait``, ``completed`` or ``failed``.
            count: how many.
        """
        with self.server.client() as client:
            run = client.register_script(_FILL)
            for first in range(0, max(count, 1), _AT_ONCE):
                run(keys=[f"{PREFIX}:{name}:"], args=[container, min(_AT_ONCE, count - first), first])

    async def populate(self) -> None:
        """Add the shop's jobs, and wait until the workers have done what they can."""
        self._write_history()
        await asyncio.gather(
            self._email(), self._billing(), self._images(), self._reports(), self._imports(), self._webhooks()
        )

    # ---- queues --------------------------------------------------------------------------------------------------

    async def _email(self) -> None:
        queue = self.queue("email")
        for number in range(2):
            self.bed.working(self.shop, "email", concurrency=4, worker_name=f"mail-{number + 1}")
        good = [("welcome_email", welcome(number)) for number in range(40)]
        receipts = [("receipt", {"order": 4000 + number, "token": "do not show"}) for number in range(40)]
        greylisted = [("welcome_email", welcome(number, domain="example.org"), {"attempts": 2}) for number in range(9)]
        broken = [("welcome_email", welcome(number, template="Hi {name}, {voucher}")) for number in range(5)]
        await queue.add_bulk([*good, *receipts])
        self.ids["failed"] = (await queue.add_bulk(greylisted))[-1].id
        self.ids["broken"] = (await queue.add_bulk(broken))[0].id
        await self._settled("email", completed=80, failed=14)
        self.ids["active"] = (await queue.add("newsletter", {"issue": 12, "recipients": 7000})).id
        for number in range(12):
            await queue.add("reminder", {"order": 4100 + number}, delay=3600 + 600 * number)
        self.ids["delayed"] = (await queue.add("reminder", {"order": 5000}, delay="2h")).id
        await self._in_state("email", "active", 1)
        self.ids["completed"] = (await queue.get_jobs(["completed"], 0, 0))[0].id

    async def _billing(self) -> None:
        queue = self.queue("billing")
        await queue.set_global_rate_limit(RateLimit(max=100, duration=60))
        await queue.set_global_concurrency(2)
        self.bed.working(self.shop, "billing", concurrency=2, worker_name="billing-1")
        await queue.add_bulk([("charge_card", {"invoice": 900 + number, "card_number": "4111"}) for number in range(3)])
        await queue.add_bulk([("invoice", {"invoice": 100 + number}) for number in range(20)])
        await self._settled("billing", completed=20, failed=3)

    async def _images(self) -> None:
        self.bed.working(self.shop, "images", concurrency=6, worker_name="images-1")
        children = [
            FlowJob("thumbnail", "images", {"number": number}, options={"fail_parent_on_failure": False})
            for number in range(CHILDREN)
        ]
        node = await self.bed.producer().add(FlowJob("album", "images", {"title": "Summer"}, children=children))
        self.ids["album"] = node.job.id
        await self._settled("images", completed=186, failed=4)

    async def _reports(self) -> None:
        queue = self.queue("reports")
        self.bed.working(self.shop, "reports", concurrency=2, worker_name="reports-1")
        flow = FlowJob("monthly_report", "reports", {"month": "2026-07"}, children=[
            FlowJob("charts", "reports", {"kind": "bars"}, children=[
                FlowJob("read_orders", "reports", {"rows": 12_000}),
                FlowJob("read_refunds", "reports", {"rows": 310}),
            ]),
            FlowJob("newsletter", "reports", {"issue": 3}),
            FlowJob("exchange_rates", "reports", {"currencies": ["EUR", "GBP"]}),
        ])  # fmt: skip
        self.ids["report"] = (await self.bed.producer().add(flow)).job.id
        await queue.upsert_job_scheduler("daily-report", cron("0 9 * * *", tz="Europe/Berlin"), "daily_report")
        await queue.upsert_job_scheduler("cleanup", every("15m"), "cleanup", {"older_than": "30d"})
        await queue.upsert_job_scheduler("weekly", cron("30 6 * * MON", tz="America/New_York"), "weekly_digest")
        await self._settled("reports", completed=4)

    async def _imports(self) -> None:
        queue = self.queue("imports")
        await queue.pause()
        await queue.add_bulk([("import_products", {"file": f"products-{number}.csv"}) for number in range(30)])
        ranked = [
            ("import_prices", {"file": f"prices-{number}.csv"}, {"priority": 1 + number % 3}) for number in range(10)
        ]
        await queue.add_bulk(ranked)
        self.ids["waiting"] = (await queue.get_jobs(["waiting"], 0, 0))[0].id

    async def _webhooks(self) -> None:
        await self.node.start_worker(NODE_QUEUE, concurrency=3, name="node-1")
        added = [self.node.add(NODE_QUEUE, "echo", {"event": "order.paid", "order": number}) for number in range(25)]
        await asyncio.gather(*added)
        reason = "connect ECONNREFUSED 192.0.2.7:443"
        self.ids["node_failed"] = await self.node.add(NODE_QUEUE, "unrecoverable", {"reason": reason})
        self.ids["node_active"] = await self.node.add(NODE_QUEUE, "hang", {"event": "order.sent"})
        await self._settled(NODE_QUEUE, completed=25, failed=1)

    async def populate_hostile(self) -> None:
        """Add jobs whose names, data, results, errors and logs try to be more than text."""
        queue = self.queue(HOSTILE_QUEUE)

        async def suffer(job: Job[Any]) -> object:
            text: str = job.data["say"]
            await job.log(text)
            await job.update_progress({"text": text, "__proto__": {"polluted": True}})
            if job.data["fail"]:
                raise ValueError(text)
            return corpus.data()

        texts = [*corpus.SCRIPTS, *(text for text in corpus.TEXTS if "\\ud800" not in text)]
        jobs = [
            (script if script.isprintable() else "hostile", {"say": text, "fail": number % 2 == 0, **corpus.data()})
            for number, (text, script) in enumerate(zip(texts, cycle(corpus.SCRIPTS), strict=False))
        ]
        added = await queue.add_bulk(jobs)
        self.ids["hostile_failed"], self.ids["hostile_completed"] = added[0].id, added[1].id
        self.bed.working(suffer, HOSTILE_QUEUE, concurrency=4, worker_name="<img/src=x/onerror=window.__pwned=12>")
        big = await queue.add("big", {"text": "x" * (1024 * 1024 - 64)}, delay="1h")
        self.ids["hostile_big"] = big.id
        await queue.upsert_job_scheduler(corpus.SCRIPTS[0].replace(":", ""), every("1h"), corpus.SCRIPTS[1])
        await eventually(lambda: self._is_done(HOSTILE_QUEUE, len(jobs)), 15)

    def report_heavy_jobs(self) -> None:
        """Write down that a pod runs one of the jobs, and what a reconciler saw: without a cluster."""
        now = int(time.time() * 1000)
        job = {"namespace": "shop", "name": "newsletter-4f7c2b9e1a6d0358"}
        known = {**job, "queue": "email", "job_id": self.ids["active"], "task": "newsletter"}
        gone = {"queue": "reports", "job_id": "gone", "namespace": "shop", "name": "monthly-report-0c2d9f61e58b7a34"}
        script = corpus.SCRIPTS[1]
        names = {"namespace": script, "name": script, "queue": HOSTILE_QUEUE, "job_id": script, "why": script}
        seen = report(
            seen_run(**gone, task="monthly_report", action="delete", queue_says="cancelled", why="it was cancelled"),
            seen_run(**names, task=script, queue_says=script, cluster_says=script, action=script),
            seen_run(**known),
            repairs=[repair(**gone), repair(**names, result=script)],
            namespaces=["shop", script],
        )
        run = {**job, "number": 2, "attempt": 1, "phase": "spawned", "uid": "u", "at_ms": now - 60_000}
        with self.server.client() as client:
            client.hset(reconciling.leader_key(PREFIX), "report", msgspec.json.encode(seen))
            pod = {"oxmq:run": json.dumps(run), "oxmq:pod": f"{job['name']}-x7k2p", "oxmq:heart": now}
            client.hset(f"{PREFIX}:email:{self.ids['active']}", mapping=pod)

    async def leave_traces(self) -> None:
        """Change a few things over HTTP, which the audit log then tells."""
        async with httpx2.AsyncClient(base_url=self.url) as client:
            for path in ("billing:pause", "billing:resume", f"email/jobs/{self.ids['delayed']}:promote"):
                (await client.post(f"/api/queues/{path}", json={})).raise_for_status()
        self.ids["promoted"] = self.ids["delayed"]
        self.ids["delayed"] = (await self.queue("email").get_jobs(["delayed"], 0, 0))[0].id

    # ---- parts ---------------------------------------------------------------------------------------------------

    async def _settled(self, name: str, *, completed: int = 0, failed: int = 0) -> None:
        async def is_so() -> bool:
            counts = await self.counts(name)
            return counts["completed"] >= completed and counts["failed"] >= failed

        await eventually(is_so, 20, f"the jobs of {name} do not end")

    async def _in_state(self, name: str, state: str, count: int) -> None:
        async def is_so() -> bool:
            return (await self.counts(name))[state] >= count

        await eventually(is_so, 20, f"no {count} jobs of {name} become {state}")

    async def _is_done(self, name: str, count: int) -> bool:
        counts = await self.counts(name)
        return counts["completed"] + counts["failed"] >= count

    def _write_history(self) -> None:
        """Write two hours down as workers do minute by minute: nobody can wait for them."""
        chance = random.Random(7)
        now = int(time.time()) // 60 * 60_000
        with self.server.client() as client, client.pipeline(transaction=False) as pipe:
            for name, rate in (("email", 90), ("images", 40), ("webhooks", 25), ("billing", 12), ("reports", 3)):
                for minute in range(120, 0, -1):
                    bulge = 1 + (0.8 if 30 < minute < 50 else 0)
                    completed = int(rate * bulge * chance.uniform(0.7, 1.3))
                    failed = int(completed * chance.choice([0, 0, 0.02, 0.1 if 35 < minute < 45 else 0.01]))
                    run = int(chance.uniform(60, 110) * bulge)
                    wait = int(chance.uniform(5, 30) * bulge**3)
                    counts = [completed, failed, chance.randrange(20), chance.randrange(6), 12, min(completed, 200)]
                    pipe.xadd(
                        f"{PREFIX}:{name}:oxmq:history",
                        {
                            "v": ",".join(map(str, [*counts, 10_000 - minute])),
                            "r": f"{run},{run * 3},{run * 6}",
                            "w": f"{wait},{wait * 4},{wait * 9}",
                        },
                        id=f"{now - minute * 60_000}-0",
                    )  # fmt: skip
                    if name != NODE_QUEUE:
                        number = now // 60_000 - minute
                        times = [_times(chance, mean, completed).encode() for mean in (run, wait)]
                        counted = f"{number} {completed} {failed} {failed * 2};{times[0]};{times[1]}"
                        pipe.hset(f"{PREFIX}:{name}:oxmq:counts", str(number % KEPT_MINUTES), counted)
            pipe.execute()


def _times(chance: random.Random, mean: int, count: int) -> Histogram:
    """Return times as jobs have them: most near a mean, a few much longer."""
    return Histogram.of(round(mean * chance.lognormvariate(0, 0.8)) for _ in range(count))


def welcome(number: int, *, domain: str = "example.com", template: str = "Welcome, {name}!") -> dict[str, Any]:
    """Return the data of a welcome e-mail."""
    name = PEOPLE[number % len(PEOPLE)]
    user = {"id": 1000 + number, "name": name, "email": f"{name.lower()}{number}@{domain}", "password": "do not show"}
    return {"user": user, "template": template, "locale": "en-GB"}


def cycle(texts: Iterable[str]) -> Iterable[str]:
    """Return the texts again and again."""
    texts = list(texts)
    while True:
        yield from texts


@asynccontextmanager
async def inhabited(shop: Shop | None = None, *, hostile: bool = True) -> AsyncGenerator[World]:
    """Make a world with a server of its own, and end it.

    Args:
        shop: what the workers do.
        hostile: whether there is a queue of hostile data as well.
    """
    with RedisServer(appendonly="everysec") as server:
        bed = Bed(server.url, PREFIX)
        async with NodePeer(VERSIONS[-1], server.url, PREFIX) as node:
            world = World(server, bed, node, shop or Shop())
            tokens = [
                Token(secret=TOKENS[role], role=Role(role), name=role) for role in ("viewer", "operator", "admin")
            ]
            plain = oxmq_web(server.url, prefix=PREFIX)
            guarded = oxmq_web(server.url, prefix=PREFIX, access=Access(tokens=tokens))
            try:
                await world.populate()
                world.report_heavy_jobs()
                if hostile:
                    await world.populate_hostile()
                async with serving(plain) as world.url, serving(guarded) as world.guarded_url:
                    await world.leave_traces()
                    yield world
            finally:
                world.shop.release.set()
                await bed.close()
