"""A Kubernetes API server in the test's own event loop, over real HTTP: what oxmq asks of one, and every way to fail.

It keeps the contract of a real one: tests/kubernetes/test_cluster_contract.py runs on both. Nothing happens in it by
itself, but for time limits of Jobs: tests say what becomes of pods (`FakeJobs`), at once and in one step.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self, cast

import msgspec
from aiohttp import web
from msgspec import Struct

from tests.kubernetes.fake_jobs import FakeJobs, check_job
from tests.kubernetes.fake_store import Event, Filter, Object, Refusal, merge, read_selector

#: API group, resource, verb.
Right = tuple[str, str, str]

ADMIN_TOKEN: Final = "admin-of-the-fake"
#: What refuses a request without being an answer: the connection is cut.
CUT: Final = 0

_LIST_KINDS: Final = {"jobs": ("batch/v1", "JobList"), "pods": ("v1", "PodList"), "events": ("v1", "EventList")}
_METHODS: Final = {"POST": "create", "GET": "get", "DELETE": "delete", "PATCH": "patch", "PUT": "update"}
#: Seconds for what is under way when the server stops.
_STOPPING: Final = 0.1


class Request(Struct, frozen=True):
    """Hold a request that the fake has had.

    Attributes:
        verb: ``create``, ``get``, ``list``, ``watch``, ``delete`` or ``patch``.
        resource: such as ``jobs`` or ``pods/log``.
        token: who asks.
    """

    verb: str
    resource: str
    namespace: str
    name: str
    token: str

    @property
    def group(self) -> str:
        """Return the resource's API group."""
        return {"jobs": "batch", "selfsubjectaccessreviews": "authorization.k8s.io"}.get(self.resource, "")


class _Fault(Struct):
    verb: str
    resource: str | None
    refusal: Refusal
    times: int

    def meets(self, request: Request) -> bool:
        return self.times > 0 and self.verb == request.verb and self.resource in (None, request.resource)


class _User(Struct, frozen=True):
    name: str
    rights: frozenset[Right] | None


class _Watch:
    """One open watch."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self.transport = transport
        self.news = asyncio.Event()
        self.silent = False
        self.bookmark_wanted = False
        self.over = False

    def wake(self) -> None:
        if not self.silent:
            self.news.set()

    def cut(self) -> None:
        self.over = True
        self.news.set()
        if self.transport:
            self.transport.abort()


class FakeCluster(FakeJobs):
    """The fake; use it in ``async with``. Its address stays the same over `stop` and `start`.

    Args:
        certificate: files of a certificate and its key, to speak HTTPS; HTTP without.

    Attributes:
        store: the objects.
        requests: every request so far, those that were refused or cut included.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self._users = {ADMIN_TOKEN: _User("admin", None)}
        self._quotas: dict[str, int] = {}
        self._faults: list[_Fault] = []
        self._lost: list[str] = []
        self._watches: set[_Watch] = set()
        self._pages: dict[str, tuple[int, list[Object]]] = {}
        self._loses_pages = False
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._port = 0
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(*certificate)
        self._runner: web.AppRunner | None = None
        self.create_namespace("default")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.forget_plans()
        await self.stop()

    @property
    def port(self) -> int:
        """Return the port on 127.0.0.1."""
        return self._port

    @property
    def address(self) -> str:
        """Return the URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def watches(self) -> int:
        """Return how many watches are open and not silent."""
        return sum(not watch.silent for watch in self._watches)

    async def start(self) -> None:
        """Listen."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=_STOPPING, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Cut every connection and refuse others; what is stored stays."""
        self.cut_watches()
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    def kubeconfig(self, path: Path, *, token: str = ADMIN_TOKEN, namespace: str | None = None) -> Path:
        """Write a kubeconfig for the fake and return its path."""
        context = {"cluster": "fake", "user": "user", **({"namespace": namespace} if namespace else {})}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": self.address}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": context}],
            "current-context": "fake",
        }
        path.write_text(json.dumps(config))  # JSON is YAML
        return path

    def create_namespace(self, name: str) -> None:
        """Make a namespace."""
        self.store.add("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def set_quota(self, namespace: str, jobs: int) -> None:
        """Allow so many Jobs in a namespace."""
        self._quotas[namespace] = jobs

    def add_user(self, token: str, rights: Collection[Right] = ()) -> None:
        """Let a token in, with some rights in all namespaces."""
        self._users[token] = _User(f"user-of-{token}", frozenset(rights))

    def remove_user(self, token: str) -> None:
        """Let a token expire."""
        del self._users[token]

    def fail_next(
        self,
        verb: str,
        *,
        status: int = 500,
        message: str = "the fake was told to fail",
        reason: str = "InternalError",
        retry_after: int | None = None,
        times: int = 1,
        resource: str | None = None,
    ) -> None:
        """Refuse the next requests of a verb, before anything is done; status `CUT` cuts the connection."""
        self._faults.append(_Fault(verb, resource, Refusal(status, reason, message, retry_after), times))

    def lose_reply_of_next(self, verb: str) -> None:
        """Carry out the next request of a verb, and cut the connection in place of an answer."""
        self._lost.append(verb)

    def cut_watches(self) -> None:
        """Break the connections of all watches that are open."""
        for watch in list(self._watches):
            watch.cut()

    def silence_watches(self) -> None:
        """Let the open watches hear nothing more, not even their end: connections to nowhere."""
        for watch in self._watches:
            watch.silent = True

    def bookmark_watches(self) -> None:
        """Send the present version to all open watches that take bookmarks."""
        for watch in self._watches:
            watch.bookmark_wanted = True
            watch.wake()

    def compact(self) -> None:
        """Forget all history: watches and pages from what has been seen so far answer 410; open watches are cut."""
        self.store.compact()
        self._pages.clear()
        self.cut_watches()

    def lose_next_pages(self) -> None:
        """Let the next list have a first page only: whoever asks for the second gets 410."""
        self._loses_pages = True

    def freeze(self) -> None:
        """Take requests and answer none, until `thaw`."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Answer again, what came in the meantime, too."""
        self._thawed.set()

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        request = _read_path(http)
        self.requests.append(request)
        await self._thawed.wait()
        try:
            self._fail_if_told(request)
            self._authorize(request)
            answer = await self._carry_out(http, request)
        except Refusal as refusal:
            if refusal.code == CUT:
                return _cut(http)
            headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
            return web.json_response(refusal.status, status=refusal.code, headers=headers)
        if request.verb in self._lost:
            self._lost.remove(request.verb)
            return _cut(http)
        return answer

    def _fail_if_told(self, request: Request) -> None:
        for fault in self._faults:
            if fault.meets(request):
                fault.times -= 1
                raise fault.refusal

    def _user(self, request: Request) -> _User:
        user = self._users.get(request.token)
        if user is None:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        return user

    def _authorize(self, request: Request) -> None:
        user = self._user(request)
        anybody = request.resource == "selfsubjectaccessreviews"
        if anybody or user.rights is None or (request.group, request.resource, request.verb) in user.rights:
            return
        kind = f"{request.resource}.{request.group}".rstrip(".")
        subject = f'{kind} "{request.name}"' if request.name else kind
        what = f'cannot {request.verb} resource "{request.resource}" in API group "{request.group}"'
        where = f'in the namespace "{request.namespace}"'
        raise Refusal(403, "Forbidden", f'{subject} is forbidden: User "{user.name}" {what} {where}')

    async def _carry_out(self, http: web.Request, request: Request) -> web.StreamResponse:
        if request.verb == "watch":
            return await self._watch(http, request)
        if request.resource == "pods/log":
            return self._log(http, request)
        body = await _body(http)
        match request.verb, request.resource:
            case "create", "jobs":
                return web.json_response(self._create_job(request, body), status=201)
            case "create", "selfsubjectaccessreviews":
                return web.json_response(self._review(request, body), status=201)
            case "delete", "jobs":
                return web.json_response(self._delete_job(request, body))
            case "patch", "pods":
                return web.json_response(self._patch(http, request, body))
            case _:
                return web.json_response(self._look(http, request))

    def _look(self, http: web.Request, request: Request) -> Object:
        if request.verb == "list" and request.resource in _LIST_KINDS:
            return self._list(http, request)
        if request.verb == "get":
            return self._get(request)
        raise Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _create_job(self, request: Request, manifest: Object) -> Object:
        namespace = request.namespace
        if self.store.find("namespaces", "", namespace) is None:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
        check_job(manifest)
        name = manifest["metadata"]["name"]
        if self.store.find("jobs", namespace, name):
            raise Refusal(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        quota = self._quotas.get(namespace)
        if quota is not None and (used := len(self.store.listed("jobs", namespace))) >= quota:
            amounts = f"requested: count/jobs.batch=1, used: count/jobs.batch={used}, limited: count/jobs.batch={quota}"
            raise Refusal(403, "Forbidden", f'jobs.batch "{name}" is forbidden: exceeded quota: quota, {amounts}')
        return self.keep_job(namespace, manifest)

    def _get(self, request: Request) -> Object:
        found = self.store.find(request.resource, request.namespace, request.name)
        if found is None:
            kind = f"{request.resource}.{request.group}".rstrip(".")
            raise Refusal(404, "NotFound", f'{kind} "{request.name}" not found')
        return found

    def _delete_job(self, request: Request, options: Object) -> Object:
        job = self._get(request)
        meant, uid = options.get("preconditions", {}).get("uid"), job["metadata"]["uid"]
        if meant not in (None, uid):
            told = f"the UID in the precondition ({meant}) does not match the UID in record ({uid})"
            message = f'Operation cannot be fulfilled on Job.batch "{request.name}": {told}'
            raise Refusal(409, "Conflict", message)
        # Without a policy, Jobs leave their pods.
        self.delete_job(request.name, request.namespace, options.get("propagationPolicy", "Orphan"))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _patch(self, http: web.Request, request: Request, patch: Object) -> Object:
        if http.content_type != "application/merge-patch+json":
            raise Refusal(415, "UnsupportedMediaType", f"the fake takes merge patches only, not {http.content_type}")
        return self.store.put(request.resource, cast("Object", merge(self._get(request), patch)))

    def _log(self, http: web.Request, request: Request) -> web.Response:
        pod = self._get(msgspec.structs.replace(request, resource="pods"))
        log = self.log_of(pod, http.query.get("container"))
        lines = log.splitlines(keepends=True)
        tail = lines[max(0, len(lines) - int(http.query.get("tailLines", len(lines)))) :]
        limit = int(http.query.get("limitBytes", 1 << 30))
        return web.Response(body="".join(tail).encode()[:limit], content_type="text/plain")

    def _review(self, request: Request, review: Object) -> Object:
        asked = review["spec"]["resourceAttributes"]
        resource = f"{asked['resource']}/{asked.get('subresource', '')}".rstrip("/")
        rights = self._user(request).rights
        allowed = rights is None or (asked.get("group", ""), resource, asked["verb"]) in rights
        return {**review, "status": {"allowed": allowed}}

    def _list(self, http: web.Request, request: Request) -> Object:
        version, items = self._page(http, request)
        limit = int(http.query.get("limit", 0)) or len(items)
        metadata: Object = {"resourceVersion": str(version)}
        if len(items) > limit:
            token = f"page-{len(self._pages)}-{version}"
            if not self._loses_pages:
                self._pages[token] = (version, items[limit:])
            self._loses_pages = False
            metadata |= {"continue": token, "remainingItemCount": len(items) - limit}
        version_of_list, kind = _LIST_KINDS[request.resource]
        shown = [{key: part for key, part in item.items() if key not in ("apiVersion", "kind")} for item in items]
        return {"apiVersion": version_of_list, "kind": kind, "metadata": metadata, "items": shown[:limit]}

    def _page(self, http: web.Request, request: Request) -> tuple[int, list[Object]]:
        token = http.query.get("continue")
        if token is None:
            matches = _filter(http)
            found = self.store.listed(request.resource, request.namespace, matches)
            return self.store.version, sorted(found, key=lambda item: str(item["metadata"]["name"]))
        if token not in self._pages:
            raise Refusal(410, "Expired", "The provided continue parameter is too old to display a consistent list")
        return self._pages[token]

    async def _watch(self, http: web.Request, request: Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(http)
        watch = _Watch(http.transport)
        self._watches.add(watch)
        unlisten = self.store.listen(watch.wake)
        try:
            # A client that has gone away is nothing to speak of.
            with suppress(ConnectionError):
                await self._serve(http, request, watch, response)
                if not watch.over:
                    await response.write_eof()
        finally:
            unlisten()
            self._watches.discard(watch)
        return response

    async def _serve(self, http: web.Request, request: Request, watch: _Watch, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + float(http.query.get("timeoutSeconds", 1800))
        version, matches = int(http.query.get("resourceVersion") or 0), _filter(http)
        while not watch.over:
            watch.news.clear()
            try:
                events = self.store.after(version, request.resource, request.namespace)
            except Refusal as refusal:
                return await _write(response, "ERROR", refusal.status)
            await _write_all(response, [event for event in events if matches(event.object)])
            version = max(version, self.store.version)
            await self._bookmark(http, watch, version, response)
            if not await _news(watch, end - loop.time()):
                watch.bookmark_wanted = True
                return await self._bookmark(http, watch, version, response)
        return None

    async def _bookmark(self, http: web.Request, watch: _Watch, version: int, response: web.StreamResponse) -> None:
        wanted, watch.bookmark_wanted = watch.bookmark_wanted, False
        if wanted and http.query.get("allowWatchBookmarks") == "true":
            shown = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"resourceVersion": str(version)}}
            await _write(response, "BOOKMARK", shown)


async def _news(watch: _Watch, seconds: float) -> bool:
    """Wait for news; return False at the watch's end, which a silent one does not have."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await watch.news.wait()
    except TimeoutError:
        if not watch.silent:
            return False
        await watch.news.wait()
    return True


async def _write_all(response: web.StreamResponse, events: list[Event]) -> None:
    for event in events:
        await _write(response, event.kind, event.object)


async def _write(response: web.StreamResponse, kind: str, item: Object) -> None:
    await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")


def _cut(http: web.Request) -> web.Response:
    if http.transport:
        http.transport.abort()
    return web.Response()


async def _body(http: web.Request) -> Object:
    text = await http.read()
    try:
        body = json.loads(text or b"{}")
    except ValueError as error:
        raise Refusal(400, "BadRequest", f"the object provided is unrecognized: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "BadRequest", "the object provided is unrecognized")
    return cast("Object", body)


def _read_path(http: web.Request) -> Request:
    parts = http.path.strip("/").split("/")[2 if http.path.startswith("/api/") else 3 :]
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    resource, name, part = [*parts, "", "", ""][:3]
    verb = _METHODS.get(http.method, "")
    if verb == "get" and not name:
        verb = "watch" if http.query.get("watch") == "true" else "list"
    token = http.headers.get("Authorization", "").removeprefix("Bearer ")
    return Request(verb, f"{resource}/{part}" if part else resource, namespace, name, token)


def _filter(http: web.Request) -> Filter:
    labelled = read_selector(http.query.get("labelSelector", ""))
    field, _, value = http.query.get("fieldSelector", "").partition("=")
    return lambda item: labelled(item) and (not field or _field(item, field) == value)


def _field(item: Object, path: str) -> object:
    found: Any = item
    for name in path.split("."):
        found = found.get(name, {})
    return cast("object", found)
