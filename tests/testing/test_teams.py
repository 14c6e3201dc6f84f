"""The kit in the hands of teams: FastAPI on several processes, a library's unittest, Django's own test runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.project import Project

API = """
from fastapi import FastAPI, Request, Response
from oxmq import Oxmq
from oxmq.integrations.fastapi import accepted, lifespan
from oxmq.web import oxmq_web

app = Oxmq()  # a server in this folder, were it ever used
api = FastAPI(lifespan=lifespan(app))
api.mount("/oxmq", oxmq_web(app))


@app.task(queue="reports")
def write_report(month: int) -> str:
    return f"report of month {month}"


@api.post("/reports/{month}")
async def order_report(month: int, request: Request) -> Response:
    return accepted(await write_report.enqueue(month), request)
"""

API_TESTS = """
import os

import pytest
import shop
from fastapi.testclient import TestClient
from oxmq.testing import assert_enqueued_sync, run_until_idle_sync


@pytest.fixture
def client(oxmq_app):
    with TestClient(shop.api, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as client:
        yield client


@pytest.mark.parametrize("month", range(6))
def test_a_report_is_written(client, oxmq_app, oxmq_server, month):
    answer = client.post(f"/reports/{month}")
    assert_enqueued_sync(oxmq_app, shop.write_report, month=month, times=1)
    assert client.get(answer.headers["location"]).json()["state"] == "waiting"
    run_until_idle_sync(oxmq_app).raise_failures()
    assert client.get(answer.headers["location"]).json()["result"] == f"report of month {month}"
    with open(f"servers-{os.getpid()}", "w") as file:
        file.write(oxmq_server.url)
"""

LIBRARY_TESTS = """
import unittest
from oxmq import Oxmq
from oxmq.testing import assert_not_enqueued, inline, on_test_server, run_until_idle, run_until_idle_sync

app = Oxmq("redis://127.0.0.1:1")


@app.task
async def double(number: int) -> int:
    return 2 * number


class Awaited(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.enterContext(on_test_server(app))

    async def test_jobs_are_run(self):
        await double.enqueue(21)
        report = (await run_until_idle(app)).raise_failures()
        self.assertEqual(report.completed[0].return_value, 42)

    async def test_nothing_is_left_of_other_tests(self):
        await assert_not_enqueued(app, double)

    async def test_inline(self):
        with inline(app):
            self.assertEqual(await (await double.enqueue(21)).result(), 42)


class Blocking(unittest.TestCase):
    def test_jobs_are_run(self):
        with on_test_server(app):
            job = double.enqueue_sync(21)
            run_until_idle_sync(app).raise_failures()
            self.assertEqual(job.result(), 42)
        self.assertFalse(app.is_bound)
"""

SETTINGS = """
SECRET_KEY = "secret"
ROOT_URLCONF = "shop.views"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
INSTALLED_APPS = ["oxmq.integrations.django", "shop"]
OXMQ = {"URL": "redis://127.0.0.1:1"}
"""

MODELS = """
from django.db import models


class Order(models.Model):
    id = models.AutoField(primary_key=True)
    item = models.CharField(max_length=100)
    receipt = models.TextField(default="")
"""

TASKS = """
from oxmq.integrations.django import task
from .models import Order


@task
def write_receipt(order_id: int) -> str:
    order = Order.objects.get(pk=order_id)
    Order.objects.filter(pk=order_id).update(receipt=f"1 x {order.item}")
    return order.item


@task
async def awrite_receipt(order_id: int) -> str:
    order = await Order.objects.aget(pk=order_id)
    await Order.objects.filter(pk=order_id).aupdate(receipt=f"1 x {order.item}")
    return order.item
"""

VIEWS = """
from django.db import transaction
from django.http import JsonResponse
from django.urls import path
from .models import Order
from .tasks import awrite_receipt, write_receipt


def place_order(request):
    with transaction.atomic():
        job = write_receipt.enqueue_sync(Order.objects.create(item="tea").pk)
    return JsonResponse({"job": job.id}, status=202)


async def aplace_order(request):
    job = await awrite_receipt.enqueue((await Order.objects.acreate(item="tea")).pk)
    return JsonResponse({"job": job.id}, status=202)


urlpatterns = [path("orders/", place_order), path("aorders/", aplace_order)]
"""

DJANGO_TESTS = """
from django.db import transaction
from django.test import TestCase, TransactionTestCase
from oxmq.integrations.django import app
from oxmq.testing import assert_enqueued_sync, inline, on_test_server, run_until_idle_sync
from .models import Order
from .tasks import awrite_receipt, write_receipt


class InATransaction(TestCase):
    def test_jobs_see_the_test_s_rows(self):
        for address in ("/orders/", "/aorders/"):
            with inline(app), self.captureOnCommitCallbacks(execute=True):
                self.client.post(address)
            self.assertEqual(Order.objects.last().receipt, "1 x tea")

    def test_a_coroutine_sees_them_too(self):
        order = Order.objects.create(item="milk")
        with inline(app):
            self.assertEqual(app.enqueue_sync(awrite_receipt.call(order.pk), on_commit=False).result(), "milk")
        order.refresh_from_db()
        self.assertEqual(order.receipt, "1 x milk")

    def test_nothing_is_added_before_the_commit(self):
        with inline(app) as block:
            self.client.post("/orders/")
            self.assertEqual(block.jobs, [])

    def test_queries_of_jobs_count(self):
        order = Order.objects.create(item="milk")
        with inline(app), self.assertNumQueries(3):
            Order.objects.count()
            app.enqueue_sync(write_receipt.call(order.pk), on_commit=False)


class WithCommits(TransactionTestCase):
    async def test_views_that_are_awaited(self):
        with inline(app):
            await self.async_client.post("/aorders/")
        self.assertEqual((await Order.objects.aget()).receipt, "1 x tea")

    def test_what_is_rolled_back_is_never_added(self):
        with inline(app) as block, self.assertRaises(LookupError), transaction.atomic():
            write_receipt.enqueue_sync(1)
            raise LookupError
        self.assertEqual(block.jobs, [])

    def test_a_real_worker(self):
        self.enterContext(on_test_server(app))
        self.client.post("/orders/")
        self.client.post("/aorders/")
        assert_enqueued_sync(app, write_receipt, times=1)
        self.assertEqual(len(run_until_idle_sync(app).raise_failures().completed), 2)
        self.assertEqual([order.receipt for order in Order.objects.all()], ["1 x tea", "1 x tea"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose tests have servers of their own, and whose application must not start one."""
    environment: dict[str, str | None] = {"OXMQ_TEST_URL": None, "OXMQ_URL": None, "TMPDIR": str(tmp_path / "temp")}
    (tmp_path / "temp").mkdir()
    return Project(tmp_path, environment)


def test_a_fastapi_team_on_two_processes(project: Project) -> None:
    project.write(shop=API, test_shop=API_TESTS, ini="[pytest]\noxmq_app = shop:app\nfilterwarnings = error\n")
    output = project.pytest("-q", "-n", "2", without=("asyncio", "anyio"))
    assert "6 passed" in output, output
    assert len({file.read_text() for file in project.folder.glob("servers-*")}) == 2
    assert not (project.folder / ".oxmq").exists()


def test_a_library_without_pytest(project: Project) -> None:
    project.write(test_library=LIBRARY_TESTS)
    output = project.run("unittest", "-q")
    assert "Ran 4 tests" in output, output
    assert output.rstrip().endswith("OK"), output
    assert list((project.folder / "temp").iterdir()) == []


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_django_team(project: Project, processes: str) -> None:
    project.write(settings=SETTINGS, shop__models=MODELS, shop__tasks=TASKS, shop__views=VIEWS)
    project.write(shop__tests=DJANGO_TESTS)
    (project.folder / "shop" / "__init__.py").touch()
    output = project.run("django", "test", "--settings", "settings", "--pythonpath", ".", "--parallel", processes)
    assert "Ran 7 tests" in output, output
    assert "\nOK\n" in output, output
    assert list((project.folder / "temp").iterdir()) == []
