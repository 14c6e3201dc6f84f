"""Everything that can be done on the dashboard is done, and Redis shows it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from oxmq import Job, Queue
from tests.browser.looking import Look
from tests.browser.world import NODE_QUEUE, World
from tests.integration.bed import reaches
from tests.support.waiting import eventually
from tests.web.serving import TOKENS

_numbers = itertools.count(1)


async def obey(job: Job[Any]) -> object:
    """Fail where the data says so."""
    data: Any = job.data
    if data and data.get("fail"):
        raise ValueError(f"told to fail by job {job.name}")
    return {"did": job.name}


@pytest_asyncio.fixture(loop_scope="session")
async def queue(world: World) -> AsyncIterator[Queue]:
    """Return a queue of the test's own, without a worker."""
    yield world.queue(f"own-{next(_numbers)}")


async def failed_job(world: World, queue: Queue, **data: object) -> Job[Any]:
    """Add a job that fails, and leave a worker behind that would run it again."""
    job = await queue.add("wobble", {"fail": True, **data})
    world.bed.working(obey, queue.name)
    await reaches(job, "failed")
    return job


async def add_many(queue: Queue, count: int) -> None:
    """Add jobs of which nothing matters but how many there are."""
    await queue.add_bulk([("job", {"number": number}) for number in range(count)])


async def confirm(look: Look, action: str) -> None:
    """Agree to what a dialog asks."""
    await look.button(action, within=look.dialog.locator("footer")).click()


# ---- one job ------------------------------------------------------------------------------------------------------


async def test_retry(look: Look, world: World, queue: Queue) -> None:
    job = await failed_job(world, queue)
    await look.open_job(queue.name, job.id)
    await look.button("Retry").click()
    await look.says("put back in line")
    await eventually(lambda: _has(job, attempts_started=2), 5)


async def test_retry_a_job_of_node(look: Look, world: World) -> None:
    job_id = world.ids["node_failed"]
    await look.open_job(NODE_QUEUE, job_id)
    await look.button("Retry").click()
    await look.says("put back in line")
    await world.node.wait_for("failed", job_id=job_id, count=2)


async def test_retry_with_edited_data(look: Look, world: World, queue: Queue) -> None:
    job = await failed_job(world, queue, password="keep me")
    await look.open_job(queue.name, job.id)
    await look.button("Edit and retry").click()
    field = look.dialog.get_by_label("Data (JSON)")
    await field.fill("{broken")
    await expect(look.dialog.get_by_text("This is not JSON")).to_be_visible()
    await expect(look.button("Retry", within=look.dialog)).to_be_disabled()
    await field.fill('{"fail": false, "password": "[redacted]", "big": 12345678901234567890}')
    await confirm(look, "Retry")
    await look.says("with new data")
    await reaches(job, "completed")
    assert job.data == {"fail": False, "password": "keep me", "big": 12345678901234567890}
    await expect(look.main.get_by_text("Completed", exact=True).filter(visible=True).first).to_be_visible()


async def test_promote(look: Look, queue: Queue) -> None:
    job = await queue.add("later", delay="1h")
    await look.open_job(queue.name, job.id)
    await look.button("Run now").click()
    await look.says("may run now")
    assert await job.get_state() == "waiting"


async def test_cancel(look: Look, queue: Queue) -> None:
    job = await queue.add("unwanted")
    await look.open_job(queue.name, job.id)
    await look.button("Cancel job").click()
    await look.dialog.get_by_label("Reason").fill("not needed any more")
    await confirm(look, "Cancel the job")
    await look.says("cancelled")
    await reaches(job, "failed")
    assert "not needed any more" in (job.failed_reason or "")
    await expect(look.main.get_by_text("not needed any more").filter(visible=True).first).to_be_visible()


async def test_cancel_a_running_job(look: Look, world: World) -> None:
    queue = world.queue("email")
    job = await queue.add("newsletter", {"issue": 99})
    await look.open_job("email", job.id)
    await expect(look.main.get_by_text("part 4 of 7").filter(visible=True).first).to_be_visible()
    await look.button("Cancel job").click()
    await confirm(look, "Cancel the job")
    await reaches(job, "failed")
    await expect(look.main.get_by_text("Failed", exact=True).filter(visible=True).first).to_be_visible()


async def test_change_priority_delay_and_data(look: Look, queue: Queue) -> None:
    job = await queue.add("later", {"n": 1}, delay="1h")
    await look.open_job(queue.name, job.id)
    await look.choose("More actions", "Change priority")
    await look.dialog.get_by_label("Priority").fill("7")
    await confirm(look, "Change")
    await look.says("The priority is 7")
    await look.choose("More actions", "Change delay")
    await look.dialog.get_by_label("Delay").fill("2 h")
    await confirm(look, "Change")
    await look.says("The delay was changed")
    await look.choose("More actions", "Edit data")
    await look.dialog.get_by_label("Data (JSON)").fill('{"n": 2}')
    await confirm(look, "Save")
    await look.says("The data was changed")
    await job.refresh()
    assert (job.priority, job.data) == (7, {"n": 2})
    assert 7000 < job.delay <= 7200


async def test_duplicate(look: Look, queue: Queue) -> None:
    job = await queue.add("once", {"n": 1})
    await look.open_job(queue.name, job.id)
    await look.choose("More actions", "Edit as a new job")
    await look.dialog.get_by_label("Data (JSON)").fill('{"n": 2}')
    await confirm(look, "Add the job")
    await look.says("Added job")
    data = [other.data for other in await queue.get_jobs(["waiting"])]
    assert sorted(data, key=str) == [{"n": 1}, {"n": 2}]


async def test_copy_as_a_call(look: Look, queue: Queue) -> None:
    job = await queue.add("copied", {"n": 1})
    await look.open_job(queue.name, job.id)
    for kind, part in (
        ("Copy as Python", ".add('copied'"),
        ("Copy as Node.js", ".add("),
        ("Copy id", job.id),
    ):
        await look.choose("More actions", kind)
        await look.says("Copied")
        assert part in await look.page.evaluate("navigator.clipboard.readText()")


async def test_remove(look: Look, queue: Queue) -> None:
    job = await queue.add("unwanted")
    await look.open_job(queue.name, job.id)
    await look.choose("More actions", "Remove")
    await confirm(look, "Remove")
    await look.says("Removed job")
    assert await queue.get_job(job.id) is None


# ---- many jobs ----------------------------------------------------------------------------------------------------


async def test_retry_all_that_match_with_progress(look: Look, world: World, queue: Queue) -> None:
    world.fill(queue.name, "failed", 1400)
    await look.open_queue(queue.name, state="failed", search="name:odd")
    table = look.table("Failed jobs")
    await expect(look.rows(table).first).to_contain_text("odd")
    await table.get_by_role("checkbox", name="Select all on this page").check()
    await look.button("Choose all that match").click()
    await look.button("Retry").click()
    await expect(look.button("Retry 700 jobs", within=look.dialog, exact=False)).to_be_visible()
    await look.button("Retry 700 jobs", within=look.dialog, exact=False).click()
    await expect(look.dialog.get_by_text("700 jobs retried")).to_be_visible()
    await confirm(look, "Close")
    counts = await queue.get_job_counts()
    assert (counts["failed"], counts["waiting"]) == (700, 700)
    assert {job.name for job in await queue.get_jobs(["waiting"], 0, 20)} == {"odd"}


async def test_rows_are_chosen_with_the_keyboard(look: Look, queue: Queue) -> None:
    await queue.add_bulk([("job", {"n": number}) for number in range(6)])
    await look.open_queue(queue.name, state="waiting")
    rows = look.rows(look.table("Waiting jobs"))
    await expect(rows).to_have_count(6)
    for key in ("j", "x", "j", "j", "Shift+X"):
        await look.page.keyboard.press(key)
    chosen = look.page.locator('tr[aria-selected="true"]')
    await expect(chosen).to_have_count(3)
    await expect(look.main.get_by_text("3 chosen")).to_be_visible()
    await look.button("Remove").click()
    await look.button("Remove 3 jobs", within=look.dialog, exact=False).click()
    await expect(look.dialog.get_by_text("3 jobs removed")).to_be_visible()
    await confirm(look, "Close")
    await expect(rows).to_have_count(3)
    assert await queue.get_waiting_count() == 3
    await look.page.keyboard.press("j")
    await look.page.keyboard.press("Enter")
    await expect(look.page.get_by_role("heading", level=1)).to_contain_text("job")


async def test_change_priority_of_chosen_jobs(look: Look, queue: Queue) -> None:
    await queue.add_bulk([("job", {"n": number}) for number in range(3)])
    await look.open_queue(queue.name, state="waiting")
    await look.table("Waiting jobs").get_by_role("checkbox", name="Select all on this page").check()
    await look.button("Change priority").click()
    await look.dialog.get_by_label("Priority").fill("5")
    await look.button("Change priority 3 jobs", within=look.dialog, exact=False).click()
    await expect(look.dialog.get_by_text("3 jobs changed")).to_be_visible()
    assert await queue.get_prioritized_count() == 3


async def test_search_by_tokens(look: Look, queue: Queue) -> None:
    await queue.add_bulk(
        [("resize", {"user": {"id": number}, "note": "two words" if number == 7 else "one"}) for number in range(30)]
    )
    await queue.add("other", {"user": {"id": 7}})
    await look.open_queue(queue.name, state="waiting")
    rows = look.rows(look.table("Waiting jobs"))
    field = look.page.get_by_role("combobox", name="Search jobs")
    for text, count in (
        ("data.user.id:7", 2),
        ("name:resize data.user.id:7", 1),
        ('"two words"', 1),
        ("name:other", 1),
    ):
        await field.fill(text)
        await field.press("Enter")
        await expect(rows).to_have_count(count)
        await expect(look.main.get_by_text("of 31 jobs")).to_be_visible()
    await field.fill("name:nothing")
    await field.press("Enter")
    await expect(look.main.get_by_text("No job matches")).to_be_visible()
    assert "search=name%3Anothing" in look.page.url


async def test_suggestions_of_the_search(look: Look, queue: Queue) -> None:
    await queue.add("resize", {"width": 3})
    await look.open_queue(queue.name, state="waiting")
    field = look.page.get_by_role("combobox", name="Search jobs")
    await field.press_sequentially("name:")
    await look.page.get_by_role("option", name="name:resize").click()
    await expect(field).to_have_value("name:resize ")


# ---- the whole queue ----------------------------------------------------------------------------------------------


async def test_pause_and_resume(look: Look, queue: Queue) -> None:
    await queue.add("job")
    await look.open_queue(queue.name)
    await look.button("Pause").click()
    await confirm(look, "Pause")
    await look.says("is paused")
    assert await queue.is_paused()
    await expect(look.main.get_by_text("Paused", exact=True)).to_be_visible()
    await look.button("Resume").click()
    await look.says("is running again")
    assert not await queue.is_paused()


async def test_limits(look: Look, queue: Queue) -> None:
    await queue.add("job")
    await look.open_queue(queue.name)
    await look.choose("Administration", "Limits…")
    await look.dialog.get_by_label("Jobs at once").fill("3")
    await look.dialog.get_by_label("Jobs that may start").fill("10")
    await look.dialog.get_by_label("within seconds").fill("2.5")
    await confirm(look, "Save")
    await look.says("were changed")
    assert await queue.get_global_concurrency() == 3
    limit = await queue.get_global_rate_limit()
    assert limit is not None
    assert (limit.max, limit.duration) == (10, 2.5)
    await expect(look.main.get_by_text("3 jobs", exact=True)).to_be_visible()


async def test_drain(look: Look, queue: Queue) -> None:
    await add_many(queue, 20)
    await queue.add("later", delay=3600)
    await look.open_queue(queue.name)
    await look.choose("Administration", "Drain…")
    await look.dialog.get_by_label("Delete the 1 delayed job as well").check()
    await confirm(look, "Delete 21 jobs")
    await expect(look.dialog.get_by_text("21 jobs deleted")).to_be_visible()
    await confirm(look, "Close")
    assert await queue.count() == 0


async def test_clean(look: Look, world: World, queue: Queue) -> None:
    await add_many(queue, 15)
    world.bed.working(obey, queue.name, concurrency=15)
    await eventually(lambda: _count(queue, "completed", 15), 5)
    await look.open_queue(queue.name)
    await look.choose("Administration", "Clean…")
    await look.dialog.get_by_label("Delete jobs that are").select_option("completed")
    await look.dialog.get_by_label("and", exact=True).select_option("0")
    await confirm(look, "Delete 15 jobs")
    await expect(look.dialog.get_by_text("15 jobs deleted")).to_be_visible()
    assert await queue.get_completed_count() == 0


async def test_obliterate_asks_for_the_name(look: Look, world: World, queue: Queue) -> None:
    await add_many(queue, 5)
    await look.open_queue(queue.name)
    await look.choose("Administration", "Obliterate…")
    button = look.button("Obliterate the queue", within=look.dialog)
    await expect(button).to_be_disabled()
    await look.dialog.get_by_label(f"Type {queue.name} to go on").fill(queue.name)
    await button.click()
    await look.says("was obliterated")
    with world.server.client() as client:
        assert client.keys(f"*:{queue.name}:*") == []


async def test_retry_failed_jobs_and_run_delayed_ones(look: Look, world: World, queue: Queue) -> None:
    await failed_job(world, queue)
    await queue.add("later", delay="1h")
    await look.open_queue(queue.name)
    await look.choose("Administration", "Run delayed jobs now…")
    await confirm(look, "Run 1 job now")
    await expect(look.dialog.get_by_text("1 job made ready")).to_be_visible()
    await confirm(look, "Close")
    await look.choose("Administration", "Retry failed jobs…")
    await confirm(look, "Retry 1 job")
    await expect(look.dialog.get_by_text("1 job retried")).to_be_visible()


async def test_add_a_job(look: Look, queue: Queue) -> None:
    await queue.add("seed")
    await look.open_queue(queue.name)
    await look.button("Add job").click()
    await look.dialog.get_by_label("Name").fill("resize")
    await look.dialog.get_by_label("Data (JSON)").fill('{"width": 320}')
    await look.dialog.get_by_label("Delay").fill("10m")
    await look.dialog.get_by_label("Priority").fill("2")
    await look.dialog.get_by_label("Attempts").fill("4")
    await confirm(look, "Add job")
    await look.says("was added")
    await expect(look.page.get_by_role("heading", level=1)).to_contain_text("resize")
    (job,) = await queue.get_jobs(["delayed"])
    assert (job.name, job.data, job.delay, job.priority, job.options.attempts) == (
        "resize", {"width": 320}, 600, 2, 4,
    )  # fmt: skip


async def test_what_the_server_refuses_is_shown_at_its_field(look: Look, queue: Queue) -> None:
    look.allowed.append("status of 422")
    await queue.add("seed")
    await look.open_queue(queue.name)
    await look.button("Add job").click()
    await look.dialog.get_by_label("Name").fill("resize")
    await look.dialog.get_by_label("Delay").fill("soon")
    await confirm(look, "Add job")
    await expect(look.dialog.get_by_label("Delay")).to_have_attribute("aria-invalid", "true")
    assert await queue.count() == 1


# ---- failures -----------------------------------------------------------------------------------------------------


async def test_a_group_of_failures_is_retried(look: Look, world: World, queue: Queue) -> None:
    await queue.add_bulk([("wobble", {"fail": True})] * 12)
    worker = world.bed.working(obey, queue.name)
    await eventually(lambda: _count(queue, "failed", 12), 5)
    await worker.close()
    await look.open_queue(queue.name, "failures")
    group = look.main.get_by_role("listitem").filter(has_text="ValueError")
    await look.button("Retry all", within=group).click()
    await look.button("Retry 12 jobs", within=look.dialog, exact=False).click()
    await expect(look.dialog.get_by_text("12 jobs retried")).to_be_visible()
    assert await queue.get_waiting_count() == 12


# ---- schedules ----------------------------------------------------------------------------------------------------


async def test_a_schedule_is_made_changed_run_paused_and_removed(look: Look, queue: Queue) -> None:
    await queue.add("seed")
    await look.open_queue(queue.name, "schedules")
    await look.button("New schedule").click()
    await look.dialog.get_by_label("Id", exact=True).fill("nightly")
    await look.dialog.get_by_label("Name of the jobs").fill("report")
    await look.dialog.get_by_label("Cron expression").fill("0 9 * * *")
    await look.dialog.get_by_label("Time zone").fill("Europe/Berlin")
    await confirm(look, "Make the schedule")
    await look.says("Made the schedule")
    row = look.main.get_by_role("listitem").filter(has=look.page.get_by_role("heading", name="nightly", exact=True))
    await expect(row).to_contain_text("09:00")
    scheduler = await queue.get_job_scheduler("nightly")
    assert scheduler is not None
    schedule = scheduler.schedule
    assert schedule is not None
    assert (schedule.pattern, schedule.tz, scheduler.name) == ("0 9 * * *", "Europe/Berlin", "report")

    await look.choose("More actions on nightly", "Edit", within=row)
    await look.dialog.get_by_role("button", name="At an interval").click()
    await look.dialog.get_by_label("Every", exact=True).fill("10 min")
    await confirm(look, "Save")
    await look.says("Changed nightly")
    await expect(row).to_contain_text("10 min")

    await look.button("Run now", within=row).click()
    await look.says("runs now")
    assert "report" in {job.name for job in await queue.get_jobs(["waiting"])}

    await look.choose("More actions on nightly", "Pause", within=row)
    await look.says("is paused")
    await expect(row).to_contain_text("Paused")
    await look.choose("More actions on nightly", "Resume", within=row)
    await look.says("goes on")

    await look.choose("More actions on nightly", "Remove", within=row)
    await confirm(look, "Remove")
    await look.says("Removed nightly")
    assert await queue.get_job_scheduler("nightly") is None


async def test_a_schedule_that_makes_no_sense_is_refused(look: Look, queue: Queue) -> None:
    look.allowed.append("status of 422")
    await queue.add("seed")
    await look.open_queue(queue.name, "schedules")
    await look.button("New schedule").click()
    await look.dialog.get_by_label("Id", exact=True).fill("never")
    await look.dialog.get_by_label("Cron expression").fill("99 99 * * *")
    await confirm(look, "Make the schedule")
    await expect(look.dialog.get_by_label("Cron expression")).to_have_attribute("aria-invalid", "true")
    assert await queue.get_job_schedulers() == []


# ---- around the screens -------------------------------------------------------------------------------------------


async def test_the_command_bar_goes_anywhere(look: Look) -> None:
    await look.open("")
    heading = look.page.get_by_role("heading", level=1)
    for text, title in (("imports", "imports"), ("failur", "Failures"), ("audit", "Audit")):
        await look.page.keyboard.press("Control+k")
        await look.page.get_by_role("combobox", name="Queue, screen or job id").fill(text)
        await expect(look.page.get_by_role("option", name=title, exact=False).first).to_be_visible()
        await look.page.keyboard.press("Enter")
        await expect(heading).to_contain_text(title)
    await look.page.keyboard.press("g")
    await look.page.keyboard.press("w")
    await expect(heading).to_contain_text("Workers")
    await look.page.keyboard.press("?")
    await expect(look.dialog.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()


async def test_the_theme_is_kept(look: Look) -> None:
    await look.open("")
    await look.page.get_by_role("button", name="Preferences").click()
    await look.page.get_by_role("menuitemcheckbox", name="Dark").click()
    await expect(look.page.locator("html")).to_have_attribute("data-theme", "dark")
    await look.page.reload()
    await expect(look.page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_counts_change_without_a_reload(look: Look, queue: Queue) -> None:
    await queue.add("first")
    await look.open_queue(queue.name, state="waiting")
    chip = look.page.get_by_role("navigation", name="States").get_by_role("link", name="Waiting", exact=False).first
    await expect(chip).to_contain_text("1")
    requests = len(look.requests)
    await add_many(queue, 4)
    await expect(chip).to_contain_text("5")
    assert not any(
        "GET" in request and request.endswith(f"/api/queues/{queue.name}") for request in look.requests[requests:]
    )


async def test_queues_and_their_counts_appear_without_a_reload(look: Look, queue: Queue) -> None:
    await look.open("queues")
    await expect(look.main.get_by_role("link", name="imports", exact=True)).to_be_visible()
    async with httpx2.AsyncClient(base_url=look.url) as client:
        (await client.post(f"/api/queues/{queue.name}/jobs", json={"name": "job"})).raise_for_status()
        (await client.get(f"/api/queues/{queue.name}")).raise_for_status()  # whoever looks at a queue makes it known
    row = look.page.get_by_role("row").filter(has=look.page.get_by_role("link", name=queue.name, exact=True))
    waiting = row.get_by_role("link", name="Waiting:")
    await expect(waiting).to_contain_text("1")
    await add_many(queue, 2)
    await expect(waiting).to_contain_text("3")


async def test_progress_logs_and_end_of_a_job_arrive_live(look: Look, world: World, queue: Queue) -> None:
    job = await queue.add("slow", {"n": 1})
    await look.open_job(queue.name, job.id)
    await expect(look.main.get_by_text("Waiting", exact=True).filter(visible=True).first).to_be_visible()

    async def work(job: Job[Any]) -> object:
        await job.update_progress(40)
        await job.log("forty per cent <b>done</b>")
        return {"answer": 4711}

    world.bed.working(work, queue.name)
    await expect(look.main.get_by_text("forty per cent <b>done</b>")).to_be_visible()
    await expect(look.main.get_by_text("Completed", exact=True).filter(visible=True).first).to_be_visible()
    await expect(look.main.get_by_text("4711").filter(visible=True).first).to_be_visible()


# ---- who may do what ----------------------------------------------------------------------------------------------


async def sign_in(look: Look, role: str) -> None:
    await look.open("")
    await look.page.get_by_label("Access token").fill(TOKENS[role])
    await look.page.get_by_role("button", name="Sign in").click()
    await expect(look.page.get_by_role("heading", level=1)).to_contain_text("Overview")


async def test_signing_in_and_out(guarded: Look) -> None:
    await guarded.open("")
    field = guarded.page.get_by_label("Access token")
    await field.fill("not a token at all")
    await guarded.page.get_by_role("button", name="Sign in").click()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await sign_in(guarded, "operator")
    await guarded.page.reload()
    await expect(guarded.page.get_by_role("heading", level=1)).to_contain_text("Overview")
    await guarded.page.get_by_role("button", name="Preferences").click()
    await guarded.page.get_by_role("menuitem", name="Sign out").click()
    await expect(field).to_be_visible()


#: What each role may not do, among what is tried; with a colon, it is in a menu.
REFUSED: Final = {
    "viewer": {"Pause", "Add job", "Administration: Retry failed jobs…", "Administration: Limits…"},
    "operator": {"Administration: Limits…"},
    "admin": set[str](),
}


@pytest.mark.parametrize("role", REFUSED)
async def test_a_role_sees_what_it_may_do(guarded: Look, world: World, role: str) -> None:
    await sign_in(guarded, role)
    await guarded.open_queue("billing")
    await guarded.button("Administration").click()
    for name in REFUSED["viewer"]:
        control = expect(_control(guarded, name))
        await (control.to_be_disabled() if name in REFUSED[role] else control.to_be_enabled())
    if role == "viewer":
        await guarded.page.keyboard.press("Escape")
        await guarded.button("Pause", exact=False).click(force=True)
        await expect(guarded.dialog).to_have_count(0)
        await guarded.open_job("email", world.ids["failed"])
        for button in ("Retry", "Edit and retry"):
            await expect(guarded.button(button, exact=False).first).to_be_disabled()
        changes = [request for request in guarded.requests if not request.startswith("GET")]
        assert [change for change in changes if not change.endswith("/api/session")] == []


def _control(look: Look, name: str) -> Locator:
    menu, _, item = name.rpartition(": ")
    if menu:
        return look.page.get_by_role("menuitem", name=item)
    return look.button(name, exact=False)


async def _has(job: Job[Any], **values: object) -> bool:
    await job.refresh()
    return all(getattr(job, name) == value for name, value in values.items())


async def _count(queue: Queue, state: str, count: int) -> bool:
    return (await queue.get_job_counts(state))[state] == count
