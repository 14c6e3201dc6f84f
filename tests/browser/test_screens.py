"""Every screen shows live data, to everybody, in both themes and on a phone."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, expect

from oxmq.web import oxmq_web
from tests.browser.looking import COLOUR_RULES, PHONE, Look, looking
from tests.browser.world import NODE_QUEUE, PREFIX, World
from tests.web.serving import serving


class Screen(NamedTuple):
    """One screen: its address, what it shows once its data are there, its heading; in braces are ids of jobs."""

    name: str
    path: str
    shows: str
    heading: str | None = None


SCREENS: Final = (
    Screen("overview", "", "webhooks", "Overview"),
    Screen("queues", "queues", "imports", "Queues"),
    Screen("queue", "queues/email?state=failed", "greylisted", "email"),
    Screen("queue-failures", "queues/email/failures", "GreylistedError", "email"),
    Screen("queue-schedules", "queues/reports/schedules", "daily-report", "reports"),
    Screen("queue-workers", "queues/email/workers", "mail-1", "email"),
    Screen("queue-of-node", "queues/webhooks/workers", "node-1", "webhooks"),
    Screen("queue-metrics", "queues/email/metrics", "welcome_email", "email"),
    Screen("job-failed", "queues/email/jobs/{failed}", "451 4.7.1 greylisted"),
    Screen("job-active", "queues/email/jobs/{active}", "part 4 of 7"),
    Screen("job-in-pod", "queues/email/jobs/{active}", "kubectl -n shop logs job/newsletter-4f7c2b9e1a6d0358"),
    Screen("job-delayed", "queues/email/jobs/{delayed}", "{delayed}"),
    Screen("job-of-node", "queues/webhooks/jobs/{node_failed}", "ECONNREFUSED"),
    Screen("job-parent", "queues/images/jobs/{album}", "thumbnail"),
    Screen("flow", "queues/reports/jobs/{report}/flow", "read_orders"),
    Screen("flow-large", "queues/images/jobs/{album}/flow", "thumbnail"),
    Screen("failures", "failures", "GreylistedError", "Failures"),
    Screen("schedules", "schedules", "daily-report", "Schedules"),
    Screen("workers", "workers", "mail-1", "Workers"),
    Screen("metrics", "performance", "Throughput", "Metrics"),
    Screen("kubernetes", "kubernetes", "monthly_report", "Kubernetes"),
    Screen("redis", "redis", "Valkey", "Redis"),
    Screen("audit", "audit", "pause", "Audit"),
    Screen("not-found", "nowhere", "There is nothing at this address", "No such page"),
)


@pytest.mark.parametrize("screen", SCREENS, ids=[screen.name for screen in SCREENS])
async def test_a_screen(look: Look, world: World, screen: Screen) -> None:
    heading = await look.open(screen.path.format(**world.ids))
    if screen.heading:
        await expect(heading).to_contain_text(screen.heading)
    await expect(look.main.get_by_text(screen.shows.format(**world.ids)).filter(visible=True).first).to_be_visible()
    await expect(look.main.get_by_role("alert")).to_have_count(0)
    await look.picture(f"{screen.name}-light")
    await look.is_accessible()
    await look.theme("dark")
    await look.picture(f"{screen.name}-dark")
    await look.is_accessible(COLOUR_RULES)
    await look.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await look.picture(f"{screen.name}-phone")
    await look.fits()


async def test_metrics_say_what_was_counted_and_what_is_a_sample(look: Look) -> None:
    await look.open("queues/email/metrics")
    await expect(look.main.get_by_text("Counted by the workers, every job")).to_be_visible()
    for title in ("Spread of run times", "Spread of wait times"):
        heat = look.main.get_by_role("figure").filter(has=look.page.get_by_role("heading", name=title, exact=True))
        assert await heat.locator("rect").count() > 100
        await heat.get_by_text("Numbers").click()
        await expect(heat.get_by_role("row")).not_to_have_count(0)
    await look.open(f"queues/{NODE_QUEUE}/metrics")
    await expect(look.main.get_by_text("Times are those of a sample")).to_be_visible()
    await expect(look.main.get_by_role("heading", name="Spread of run times", exact=True)).to_have_count(0)


async def test_from_what_the_reconciler_saw_to_the_pod_of_a_job(look: Look) -> None:
    await look.open("")
    await look.page.get_by_role("navigation", name="Screens").get_by_role("link", name="Kubernetes").click()
    row = look.rows(look.table("Runs")).filter(has_text="newsletter")
    await expect(row).to_contain_text("whoever holds its job follows it")
    await expect(look.rows(look.table("Repairs")).first).to_contain_text("its job was cancelled")
    await row.get_by_role("link", name="newsletter").click()
    await expect(look.main.get_by_role("heading", name="Pod", exact=True)).to_be_visible()
    await expect(look.main.get_by_text("that it lives")).to_be_visible()
    await look.button("Copy kubectl -n shop logs job/newsletter-4f7c2b9e1a6d0358").click()
    await look.says("Copied the command")
    copied: str = await look.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == "kubectl -n shop logs job/newsletter-4f7c2b9e1a6d0358"


@pytest.mark.parametrize("state", ["none", "silent", "unreachable"])
async def test_heavy_jobs_in_a_bad_state(look: Look, state: str) -> None:
    found: dict[str, object] = {
        "at": "2026-03-01T12:00:00Z", "leader": "scheduler-1:7", "term": 3, "owner": "abc", "address": "https://x",
        "silent_for": 100.0 if state == "silent" else None, "error": "jobs: no answer", "namespaces": ["jobs"],
        "took": 0.1, "counts": {}, "runs": [], "repairs": [],
    }  # fmt: skip
    answer = {"reconciled": state == "unreachable", "report": None if state == "none" else found}
    await look.page.route("**/api/kubernetes", lambda route: route.fulfill(json=answer))
    await look.open("kubernetes")
    words = {"none": "No heavy job has run", "silent": "Nobody reconciles", "unreachable": "cannot be looked at"}
    await expect(look.main.get_by_text(words[state]).first).to_be_visible()
    for theme in ("light", "dark"):
        await look.theme(theme)
        await look.is_accessible()
    await look.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await look.fits()


async def test_sign_in(guarded: Look) -> None:
    await guarded.open("")
    for theme in ("light", "dark"):
        await guarded.theme(theme)
        await guarded.picture(f"sign-in-{theme}")
        await guarded.is_accessible()
    await guarded.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await guarded.picture("sign-in-phone")
    await guarded.fits()


async def test_below_the_path_of_another_application(browser: Browser, world: World) -> None:
    dashboard = oxmq_web(world.server.url, prefix=PREFIX)
    host = FastAPI()
    host.mount("/tools/oxmq", dashboard)
    async with serving(host) as url, looking(browser, f"{url}/tools/oxmq") as look:
        await look.open("")
        await look.main.get_by_role("link", name="imports", exact=True).click()
        await expect(look.rows(look.table("Waiting jobs")).first).to_be_visible()
        await look.page.reload()
        await look.rows(look.table("Waiting jobs")).first.get_by_role("link").first.click()
        await expect(look.main.get_by_role("heading", name="Data", exact=True)).to_be_visible()
        assert look.page.url.startswith(f"{look.url}/queues/imports/jobs/")
        look.verdict()
    await dashboard.state.web.site.close()
