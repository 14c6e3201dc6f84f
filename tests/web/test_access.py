"""Who may do what: by role, by queue, by each way to sign in, and only from where it is safe."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import httpx2
import pytest
from starlette.requests import HTTPConnection

from oxmq.errors import ConfigurationError
from oxmq.web import Access, Grant, Login, Role, Token, oxmq_web
from oxmq.web.access import is_local, is_loopback
from oxmq.web.serve import check_binding
from tests.integration.bed import Bed
from tests.web.serving import TOKENS, Web, serving

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def sites(redis_url: str, prefix: str, bed: Bed) -> AsyncIterator[Any]:
    """Return a maker of clients of an application with the given access."""
    servers: list[Any] = []
    clients: list[httpx2.AsyncClient] = []

    async def serve(access: Access) -> httpx2.AsyncClient:
        server = serving(oxmq_web(redis_url, prefix=prefix, access=access))
        servers.append(server)
        clients.append(httpx2.AsyncClient(base_url=await server.__aenter__(), timeout=10))
        await bed.queue("email").add("x")
        return clients[-1]

    yield serve
    for client in clients:
        await client.aclose()
    for server in servers:
        await server.__aexit__(None, None, None)


# ---- roles -------------------------------------------------------------------------------------------------------


CALLS: list[tuple[str, str, Any, str]] = [
    ("GET", "/api/overview", None, "viewer"),
    ("GET", "/api/queues/email", None, "viewer"),
    ("GET", "/api/schedules", None, "viewer"),
    ("POST", "/api/queues/email/jobs", {"name": "x"}, "operator"),
    ("POST", "/api/queues/email/jobs:bulk", {"jobs": [{"name": "x"}]}, "operator"),
    ("POST", "/api/flows", {"queue": "email", "name": "x"}, "operator"),
    ("POST", "/api/queues/email:pause", None, "operator"),
    ("POST", "/api/queues/email:retry-failed", None, "operator"),
    ("PATCH", "/api/queues/email", {"concurrency": 3}, "admin"),
    ("PUT", "/api/queues/email/schedules/s", {"every": 60}, "admin"),
    ("POST", "/api/queues/email:drain", None, "admin"),
    ("POST", "/api/queues/email:clean", {"state": "failed", "older_than": 0}, "admin"),
    ("POST", "/api/queues/email:obliterate", None, "admin"),
    ("GET", "/api/audit", None, "admin"),
]


async def test_each_role_may_do_what_the_ones_before_it_may_and_more(guarded_web: Web) -> None:
    clients = {role: guarded_web.as_(role) for role in ("viewer", "operator", "admin")}
    for (method, path, body, least), role in product(CALLS, clients):
        await guarded_web.bed.queue("email").add("x")
        assert (await guarded_web.client.request(method, path, json=body)).status_code == 401
        answer = await clients[role].request(method, path, json=body)
        if Role(role).includes(Role(least)):
            assert answer.status_code < 300, (role, answer.text)
        else:
            assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
            assert least in answer.json()["detail"]


async def test_a_token_may_be_limited_to_queues(guarded_web: Web) -> None:
    for name in ("email", "reports"):
        await guarded_web.bed.queue(name).add("x")
    mailer = guarded_web.as_("only-email")
    assert (await mailer.get("/api/queues/email")).status_code == 200
    assert [queue["name"] for queue in (await mailer.get("/api/queues")).json()["queues"]] == ["email"]
    assert (await mailer.get("/api/session")).json()["queues"] == ["email"]
    for path in ("reports", "none", "%72eports"):
        refused = await mailer.get(f"/api/queues/{path}")
        assert refused.status_code == 403, path
    assert (await mailer.post("/api/queues/reports/jobs", json={"name": "x"})).status_code == 403
    assert (await mailer.post("/api/queues/reports:pause")).status_code == 403


# ---- ways to sign in ---------------------------------------------------------------------------------------------


async def test_wrong_credentials_are_none(guarded_web: Web) -> None:
    for value in ("Bearer wrong-secret", "Bearer", "Basic xx", "Basic OjpY", TOKENS["admin"], "Digest x"):
        answer = await guarded_web.client.get("/api/queues", headers={"Authorization": value})
        assert answer.status_code == 401, value
        assert answer.headers["www-authenticate"] == "Bearer"
    answer = await guarded_web.client.get("/api/queues", headers={b"Cookie": b"oxmq_session=\xff\xfe"})
    assert answer.status_code == 401


async def test_logins_are_http_basic(sites: Any) -> None:
    client = await sites(Access(logins=[Login(user="ada", password="päss:word1", role=Role.VIEWER)]))
    refused = await client.get("/api/session")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic realm=")

    def credentials(text: str) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    session = await client.get("/api/session", headers=credentials("ada:päss:word1"))
    assert (session.json()["user"], session.json()["role"], session.json()["auth"]) == ("ada", "viewer", "basic")
    for wrong in ("ada:", "ada:x", "bob:päss:word1", ":", "ada"):
        assert (await client.get("/api/session", headers=credentials(wrong))).status_code == 401


async def test_a_browser_signs_in_with_a_cookie(guarded_web: Web) -> None:
    client = guarded_web.client
    refused = await client.post("/api/session", json={"token": "wrong"})
    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers
    broken = await client.post("/api/session", content=b'{"token": "\\ud800"}', headers=JSON)
    assert broken.status_code in (401, 422)
    answer = await client.post("/api/session", json={"token": TOKENS["operator"]})
    assert (answer.status_code, answer.json()["role"], answer.json()["auth"]) == (200, "operator", "cookie")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKENS["operator"] not in cookie
    assert (await client.get("/api/session")).json()["user"] == "operator"
    assert (await client.delete("/api/session")).status_code == 204
    assert (await client.get("/api/session")).status_code == 401


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_host_application_may_decide(sites: Any, is_async: bool) -> None:
    def guard(request: HTTPConnection) -> Grant | Role | None:
        name = request.headers.get("x-user")
        if name == "ada":
            return Grant(role=Role.OPERATOR, user="ada", queues=frozenset({"email"}))
        return Role.VIEWER if name else None

    async def slow_guard(request: HTTPConnection) -> Grant | Role | None:
        return guard(request)

    client = await sites(Access(guard=slow_guard if is_async else guard))
    assert (await client.get("/api/session")).status_code == 403
    ada = (await client.get("/api/session", headers={"X-User": "ada"})).json()
    assert (ada["user"], ada["role"], ada["queues"], ada["auth"]) == ("ada", "operator", ["email"], "host")
    bob = (await client.get("/api/session", headers={"X-User": "bob"})).json()
    assert (bob["role"], bob["auth"]) == ("viewer", "host")


# ---- without any way to sign in ----------------------------------------------------------------------------------


SENDERS: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"Host": "localhost:1234"}, 200),
    ({"Host": "app.localhost"}, 200),
    ({"Host": "[::1]:80"}, 200),
    ({"Host": "evil.example"}, 403),
    ({"Host": "127.0.0.1.evil.example"}, 403),
    ({"Host": "localhost.evil.example"}, 403),
    ({"Host": "[bad"}, 403),
    ({"Host": "user@evil.example"}, 403),
    ({"X-Forwarded-For": "127.0.0.1"}, 403),
    ({"X-Forwarded-For": "203.0.113.9"}, 403),
    ({"Forwarded": "for=127.0.0.1"}, 403),
    ({"X-Real-IP": "127.0.0.1"}, 403),
]


async def test_the_open_mode_is_for_this_computer_alone(web: Web) -> None:
    for headers, status in SENDERS:
        answer = await web.client.get("/api/session", headers=headers)
        assert answer.status_code == status, answer.text


def test_where_a_request_comes_from_counts() -> None:
    def sent_from(host: str | None) -> HTTPConnection:
        client = None if host is None else (host, 1)
        return HTTPConnection({"type": "http", "headers": [(b"host", b"localhost")], "client": client})

    assert is_local(sent_from("127.0.0.1"))
    assert is_local(sent_from("::1"))
    assert not is_local(sent_from("192.0.2.1"))
    assert not is_local(sent_from(None))


# ---- forged requests ---------------------------------------------------------------------------------------------


ORIGINS: list[tuple[dict[str, str], int, int, int]] = [
    ({}, 200, 403, 200),
    ({"Content-Type": "application/json"}, 200, 403, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200, 200, 200),
    ({"Sec-Fetch-Site": "same-site"}, 403, 403, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403, 403, 200),
    ({"Sec-Fetch-Site": "none"}, 403, 403, 200),
    ({"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}, 403, 403, 200),
    ({"Origin": "http://evil.example"}, 403, 403, 200),
    ({"Origin": "null"}, 403, 403, 200),
    ({"Origin": "SELF"}, 200, 200, 200),
]


async def test_changes_come_from_the_sites_own_pages_or_from_programs(web: Web, guarded_web: Web) -> None:
    await web.bed.queue("email").add("x")
    await guarded_web.client.post("/api/session", json={"token": TOKENS["operator"]})
    bearer = guarded_web.as_("operator")
    for headers, open_, cookie, token in ORIGINS:
        clients = ((web, web.client, open_), (guarded_web, guarded_web.client, cookie), (guarded_web, bearer, token))
        for site, client, status in clients:
            sent = {name: site.url if value == "SELF" else value for name, value in headers.items()}
            answer = await client.post("/api/queues/email:pause", headers=sent)
            assert answer.status_code == status, (headers, answer.text)
            assert (await client.get("/api/queues/email", headers=sent)).status_code == 200


async def test_no_page_of_another_site_signs_anybody_in(guarded_web: Web) -> None:
    for site in ("cross-site", "same-site", "none"):
        answer = await guarded_web.client.post(
            "/api/session", json={"token": TOKENS["admin"]}, headers={"Sec-Fetch-Site": site}
        )
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


# ---- settings ----------------------------------------------------------------------------------------------------


def test_access_is_read_from_the_environment() -> None:
    environ = {
        "OXMQ_WEB_TOKENS": "admin:geheim-1234\n ci=operator:geheim-5678@email,reports ",
        "OXMQ_WEB_LOGINS": "ada:pass:w@rd:viewer@email",
    }
    access = Access.from_environment(environ, tokens=["viewer:geheim-9999"])
    admin, ci = access.token("geheim-1234"), access.token("geheim-5678")
    assert admin is not None
    assert ci is not None
    assert (admin.role, admin.name, admin.queues) == (Role.ADMIN, "", None)
    assert (ci.role, ci.name, ci.queues) == (Role.OPERATOR, "ci", frozenset({"email", "reports"}))
    assert access.token("geheim-9999") is not None
    assert access.challenges == ["Bearer", 'Basic realm="oxmq", charset="UTF-8"']
    login = Login.parse("ada:pass:w@rd:viewer@email")
    assert login == Login(user="ada", password="pass:w@rd", role=Role.VIEWER, queues=frozenset({"email"}))
    assert Access.from_environment({}).is_open
    assert "geheim" not in repr(ci)
    assert "w@rd" not in repr(login)


@pytest.mark.parametrize(
    "text",
    ["", "geheim-1234", "boss:geheim-1234", "geheim-1234:admin", "admin:geheim", "admin:geheim-1@a@b",
     "admin:geheim 1234", "admin:gehéim-1234", "admin:geheim-1234@", "admin:geheim-1234@a:b"],
)  # fmt: skip
def test_tokens_that_are_none_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Token.parse(text)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "ada", "ada:geheim-1234", "ada:geheim-1234:boss", ":geheim-1234:admin", "a:b:admin"]
)
def test_logins_that_are_none_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Login.parse(text)
    assert "geheim" not in str(caught.value)


def test_two_of_one_kind_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="same secret"):
        Access.from_environment({}, tokens=["admin:geheim-1234", "viewer:geheim-1234"])
    with pytest.raises(ConfigurationError, match="two logins of 'ada'"):
        Access.from_environment({}, logins=["ada:geheim-1234:admin", "ada:geheim-5678:viewer"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org", "localhost.example.org"])
def test_nobody_is_let_in_from_elsewhere_without_signing_in(host: str) -> None:
    with pytest.raises(ConfigurationError, match="no way to sign in is set up"):
        check_binding(host, Access())
    check_binding(host, Access(guard=lambda _: None))


def test_this_computer_is_known_by_many_names() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST", "x.localhost"):
        assert is_loopback(host)
        check_binding(host, Access())
    assert not is_loopback(None)
    for host in ("", "10.0.0.1", "local", "127.0.0.1.example.org"):
        assert not is_loopback(host)
