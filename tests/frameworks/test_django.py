"""A Django project adds jobs when it commits, works them, and shows the dashboard to its staff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import typer.main

from oxmq.cli.program import program as oxmq_program
from oxmq.kubernetes.pod import EXIT_UNWANTED
from oxmq.sync import Queue
from tests.frameworks.django_site import PATIENCE, DjangoSite
from tests.support.servers import free_port
from tests.support.waiting import eventually_sync

PASSWORD = "correct-horse-battery"
#: Options of a command of ``oxmq`` that the project's settings, or the environment, decide.
OF_THE_PROJECT = {
    "worker": {"--url"},
    "web": {"--url", "--prefix", "--token", "--login"},
    "doctor": {"--url", "--prefix"},
}


@pytest.fixture(scope="module")
def walked(site: DjangoSite) -> dict[str, Any]:
    """Return what the scenarios saw."""
    seen: dict[str, Any] = site.walk()
    return seen


@pytest.mark.parametrize(
    ("scenario", "seen"),
    [
        ("outside", [True]),
        ("committed", [[False, True], [True, True]]),
        ("rolled_back", [[False, False], 0]),
        ("savepoints", [[False, False, False], [True, True, False]]),
        ("awaited", [[True], [False], [True]]),
        ("many_and_flows", [[False] * 6, [True] * 6, "waiting-children"]),
        ("deduplicated", [False, True]),
        ("without_autocommit", [True]),
    ],
)
def test_jobs_wait_for_the_commit(walked: dict[str, Any], scenario: str, seen: object) -> None:
    assert walked[scenario] == seen


def test_an_asynchronous_job_leaves_the_connections_of_others_alone(walked: dict[str, Any]) -> None:
    assert walked["side_by_side"] == [3, 3]


def test_wrong_arguments_are_refused_at_once(walked: dict[str, Any]) -> None:
    said, order_is_there = walked["refused"]
    assert "order_id" in said
    assert order_is_there


def test_bad_settings_are_refused_in_words(walked: dict[str, Any]) -> None:
    for said, words in zip(
        walked["settings_refused"],
        [
            "settings.OXMQ must be a dict, not list",
            "unknown key 'URI'; there are: URL, PREFIX",
            "settings.OXMQ['URL'] must be text, not int",
            "settings.OXMQ['ON_COMMIT'] must be True or False, not str",
            "settings.OXMQ['TASK_MODULES'] must be a list of modules, not str",
            "attemps",
            "settings.OXMQ['DEFAULT_JOB_OPTIONS'] must be a dict of job options, not int",
        ],
        strict=True,
    ):
        assert words in said


def test_the_project_s_checks_find_what_is_wrong(walked: dict[str, Any]) -> None:
    fine, wrong, backend = walked["checked"]
    assert (fine, wrong, backend) == ([], ["oxmq.E001", "oxmq.W001"], ["oxmq.E002"])


def test_bad_options_of_a_backend_are_refused_in_words(walked: dict[str, Any]) -> None:
    on_commit, using, unknown, delay = walked["options_refused"]
    assert "TASKS['wrong']['OPTIONS']['on_commit'] must be bool, not 'no'" in on_commit
    assert "['using'] must be str, not 3" in using
    assert "did you mean 'attempts'" in unknown
    assert "cannot have 'delay'" in delay


def test_without_a_url_all_processes_find_one_embedded_server(walked: dict[str, Any]) -> None:
    assert walked["settings_read"] == ["embedded:///srv/my%20shop/.oxmq", "shop", True]


def test_a_commit_without_redis_raises_and_has_happened(site: DjangoSite) -> None:
    with site.elsewhere(f"redis://127.0.0.1:{free_port()}"):
        assert site.walk("unreachable") == {"unreachable": 1}


@pytest.fixture(scope="module")
def served(site: DjangoSite) -> str:
    """Serve the project and work its jobs."""
    address = site.serve()
    site.work("--concurrency", "1")
    return address


@pytest.fixture
def client(served: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served, timeout=PATIENCE) as made:
        yield made


def test_a_job_sees_what_its_request_wrote(client: httpx2.Client) -> None:
    placed = client.post("/orders/", data={"item": "tea"})
    assert placed.status_code == 202, placed.text
    order = placed.headers["location"]
    receipt = eventually_sync(lambda: client.get(order).json()["receipt"], PATIENCE, "there is no receipt")
    assert receipt == "1 x tea"


def test_what_is_rolled_back_leaves_no_job(client: httpx2.Client, site: DjangoSite) -> None:
    with Queue("orders", site.url) as queue:
        before = queue.get_job_counts()
        assert client.post("/orders/", data={"item": "unicorn"}).status_code == 409
        assert sum(queue.get_job_counts().values()) == sum(before.values())


def test_an_asynchronous_view_adds_a_job_of_an_asynchronous_task(client: httpx2.Client, site: DjangoSite) -> None:
    answer = client.post("/orders/count/")
    assert answer.status_code == 202, answer.text
    with Queue("orders", site.url) as queue:
        job = queue.get_job(answer.json()["job"])
        assert job is not None
        assert job.result(timeout=PATIENCE) >= 0


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("name", ["find_connection", "find_connection_asynchronously"])
def test_a_job_leaves_no_connection_behind(site: DjangoSite, name: str) -> None:
    with Queue("probe", site.url) as queue:
        for _ in range(2):  # the second one runs where the first one did
            assert queue.add(name).result(timeout=PATIENCE) is False


@pytest.mark.usefixtures("served")
def test_a_child_process_has_django_set_up(site: DjangoSite) -> None:
    with Queue("probe", site.url) as queue:
        assert queue.add("count_users_in_process").result(timeout=PATIENCE) >= 0


def test_the_dashboard_is_for_staff(client: httpx2.Client, site: DjangoSite) -> None:
    users = [_make_user(name, staff) for name, staff in (("ada", True), ("bob", False))]
    site.manage("shell", "-c", "\n".join(users))
    session = {name: _sign_in(client, name) for name in ("ada", "bob")}
    assert client.get("/oxmq/").headers["content-type"].startswith("text/html")
    assert client.get("/oxmq/api/queues").status_code == 403
    assert client.get("/oxmq/api/queues", headers=session["bob"]).status_code == 403
    answer = client.get("/oxmq/api/session", headers=session["ada"])
    assert (answer.status_code, answer.json()["role"], answer.json()["user"]) == (200, "operator", "ada")
    assert client.get("/oxmqs/").status_code == 404  # Django's own


def test_a_page_of_another_site_changes_nothing_in_the_name_of_staff(client: httpx2.Client, site: DjangoSite) -> None:
    site.manage("shell", "-c", _make_user("eve", staff=True))
    session = _sign_in(client, "eve")
    host = client.base_url.netloc.decode()
    statuses = [
        client.post("/oxmq/api/queues/orders:resume", headers={**session, **sent_by}).status_code
        for sent_by in ({"Origin": "https://evil.example"}, {}, {"Origin": f"http://{host}"})
    ]
    assert statuses[:2] == [403, 403]
    assert statuses[2] < 300


def _make_user(name: str, staff: bool) -> str:
    make = f"User.objects.create_user({name!r}, password={PASSWORD!r}, is_staff={staff})"
    return f"from django.contrib.auth.models import User; {make}"


def _sign_in(client: httpx2.Client, name: str) -> dict[str, str]:
    with httpx2.Client(base_url=client.base_url, timeout=PATIENCE) as visitor:
        page = visitor.get("/login/")
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[0]
        form = {"csrfmiddlewaretoken": token, "username": name, "password": PASSWORD}
        assert visitor.post("/login/", data=form).status_code == 302
        return {"Cookie": f"sessionid={visitor.cookies['sessionid']}"}


def test_the_commands_are_those_of_oxmq(site: DjangoSite) -> None:
    served = site.processes.start("manage", "oxmq_web", "--port", "0")
    said = site.manage("oxmq_doctor", "--json", "--queue", "orders", "--queue", "probe")
    assert (site.url in said, '"level"' in said) == (True, True)
    found = eventually_sync(lambda: re.findall(r"dashboard +(http://\S+/)", served.output()), PATIENCE, "no dashboard")
    assert httpx2.get(f"{found[0]}api/session", timeout=PATIENCE).json()["role"] == "admin"
    served.terminate()
    assert served.wait(PATIENCE) == 0


def test_the_commands_take_the_options_that_those_of_oxmq_have(walked: dict[str, Any]) -> None:
    program: Any = typer.main.get_command(oxmq_program)
    for name, options in walked["options_of_commands"].items():
        own = {
            option
            for parameter in program.commands[name].params
            if parameter.param_type_name == "option" and not parameter.hidden
            for option in parameter.opts
            if option.startswith("--")
        }
        assert own - set(options) == OF_THE_PROJECT[name]
        assert set(options) <= own


def test_a_pod_finds_a_task_with_django_set_up(site: DjangoSite) -> None:
    target = "oxmq.integrations.django.project:orders.tasks.write_receipt"
    pod = site.processes.start("oxmq", "run-job", target, "--queue", "orders", "--job", "nobody", "--run", "1")
    assert pod.wait(PATIENCE) == EXIT_UNWANTED, pod.tail()


def test_a_worker_ends_in_good_order_and_leaves_nothing_behind(site: DjangoSite) -> None:
    worker = site.work("--queues", "orders", "--processes", "2", "--grace", "1s", "--log-level", "warning")
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    worker.assert_careful()
