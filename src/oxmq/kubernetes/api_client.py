"""Speak to a Kubernetes API server: the port `Cluster` on the client library kubernetes-asyncio.

The library finds and renews credentials, and makes the requests. Answers are read here, as plain JSON: its models
could refuse what a newer or older server sends.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec
from msgspec import Struct, field

from oxmq.errors import ConfigurationError
from oxmq.kubernetes.access import SERVICE_ACCOUNT, Configuration, load_library, read_access
from oxmq.kubernetes.cluster import (
    Change,
    ClusterUnavailableError,
    ConflictError,
    ExpiredError,
    Listing,
    Object,
)
from oxmq.kubernetes.refusals import LONGEST_MESSAGE, Status, read_refusal, refusal

if TYPE_CHECKING:
    from aiohttp import ClientResponse

T = TypeVar("T")

#: Seconds for a request and its answer.
DEADLINE: Final = 10.0
#: Objects in a page of a list.
PAGE: Final = 500
#: Bytes of a pod's log that are fetched.
LONGEST_LOG: Final = 256 * 1024
#: Seconds between two looks for newer credentials, after the server has refused those at hand.
_RENEWAL_PAUSE: Final = 10.0

_JOBS: Final = "/apis/batch/v1/namespaces/{namespace}/jobs"
_JOB: Final = f"{_JOBS}/{{name}}"
_PODS: Final = "/api/v1/namespaces/{namespace}/pods"
_POD: Final = f"{_PODS}/{{name}}"
_EVENTS: Final = "/api/v1/namespaces/{namespace}/events"
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

#: The library's name of the credentials of a request.
_TOKEN: Final = "BearerToken"  # noqa: S105 - a name, no secret
_SUCCESS: Final = range(200, 300)
_UNAUTHORIZED: Final = 401

Query = list[tuple[str, str]]


class _PageMeta(Struct):
    resource_version: str = field(name="resourceVersion", default="")
    token: str = field(name="continue", default="")


class _Page(Struct):
    metadata: _PageMeta
    items: list[Object] | None = None


class _Event(Struct):
    type: str
    object: msgspec.Raw


class _Verdict(Struct):
    allowed: bool = False


class _Review(Struct):
    status: _Verdict


class _Request(Struct, frozen=True):
    """Hold a request: the path with places for names, and what fills them."""

    method: str
    path: str
    names: Mapping[str, str] = {}
    query: Query = []
    body: Object | None = None
    content_type: str = "application/json"


async def connect(
    environment: Mapping[str, str] | None = None, *, deadline: float = DEADLINE, account: Path = SERVICE_ACCOUNT
) -> ApiCluster:
    """Return the cluster that this process belongs to, or that its kubeconfig names; nothing is sent yet.

    Args:
        environment: the variables to go by; those of this process when not given.
        deadline: how many seconds a request may take.
        account: where a pod finds its credentials.

    Raises:
        ConfigurationError: no cluster is configured, the configuration is broken, or the extra is not installed.
    """
    access = await read_access(environment, account)
    try:
        client = load_library("client").ApiClient(access.configuration)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the cluster's certificates cannot be used: {error}") from error
    client.user_agent = "oxmq"

    async def read_again() -> Configuration:
        return (await read_access(environment, account)).configuration

    return ApiCluster(client, access.namespace, _Credentials(access.configuration, read_again), deadline)


class _Credentials:
    """Read the credentials again when the server refuses those at hand: they expire, and are replaced on disk."""

    def __init__(self, configuration: Configuration, read: Callable[[], Awaitable[Configuration]]) -> None:
        self._configuration = configuration
        self._read = read
        self._reading = asyncio.Lock()
        self._next_look = 0.0

    @property
    def token(self) -> str | None:
        """Return what requests are sent with."""
        return self._configuration.api_key.get(_TOKEN)

    async def renew(self, refused: str | None) -> bool:
        """Say whether there are others than those refused."""
        async with self._reading:
            if self.token == refused and monotonic() >= self._next_look:
                self._next_look = monotonic() + _RENEWAL_PAUSE
                await self._take()
            return self.token != refused

    async def _take(self) -> None:
        try:
            newer = await self._read()
        except ConfigurationError:
            return  # the server's refusal says enough
        self._configuration.api_key = newer.api_key
        self._configuration.refresh_api_key_hook = newer.refresh_api_key_hook


class ApiCluster:
    """Be a Kubernetes API server that is reached over HTTP; `connect` makes one. See `Cluster` for the methods.

    Requests are not repeated, except that one which is refused for its credentials is sent once more when newer ones
    are found. May be used by many tasks of one event loop at once.
    """

    # Any: the library's ApiClient; its types are partly unknown.
    def __init__(self, client: Any, namespace: str, credentials: _Credentials, deadline: float) -> None:  # noqa: ANN401 - see above
        self._client = client
        self._namespace = namespace
        self._credentials = credentials
        self._deadline = deadline
        #: What the library says where it cannot read a renewed token.
        self._unreadable: type[Exception] = load_library("config").ConfigException

    @property
    def address(self) -> str:
        """Return the URL of the server."""
        return str(self._client.configuration.host)

    @property
    def namespace(self) -> str:
        """Return the namespace of the configuration."""
        return self._namespace

    async def create_job(self, namespace: str, manifest: Object) -> Object:
        """Create a Job and return it as the server has stored it."""
        try:
            return await self._fetch(Object, _Request("POST", _JOBS, {"namespace": namespace}, body=manifest))
        except ConflictError as error:
            # Not about this Job, which has no version yet: two requests counted on the same quota at once.
            raise ClusterUnavailableError(str(error), status=error.status, reason=error.reason) from error

    async def get_job(self, namespace: str, name: str) -> Object:
        """Return a Job."""
        return await self._fetch(Object, _Request("GET", _JOB, {"namespace": namespace, "name": name}))

    async def list_jobs(self, namespace: str, selector: str) -> Listing:
        """Return the Jobs that a label selector matches, page by page."""
        return await self._list(_JOBS, namespace, [("labelSelector", selector)])

    async def watch_jobs(
        self, namespace: str, selector: str, resource_version: str, seconds: float
    ) -> AsyncGenerator[Change]:
        """Yield the changes after a version; a stream that outlasts `seconds` by the deadline is given up."""
        query = [
            ("watch", "true"),
            ("labelSelector", selector),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(max(1, math.ceil(seconds)))),
            ("allowWatchBookmarks", "true"),
        ]
        request = _Request("GET", _JOBS, {"namespace": namespace}, query)
        with self._one_error():
            async with asyncio.timeout(self._deadline):
                response = await self._open(request, max(1, math.ceil(seconds)) + self._deadline)
        try:
            while line := await self._line(response):
                yield self._change(line)
        finally:
            response.close()

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Job, and its pods in the background."""
        options: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        await self._ask(_Request("DELETE", _JOB, {"namespace": namespace, "name": name}, body=options))

    async def list_pods(self, namespace: str, selector: str) -> list[Object]:
        """Return the pods that a label selector matches."""
        return (await self._list(_PODS, namespace, [("labelSelector", selector)])).items

    async def read_log(self, namespace: str, pod: str, lines: int, container: str | None = None) -> str:
        """Return the last lines of the log of a pod's container."""
        query = [("tailLines", str(lines)), ("limitBytes", str(LONGEST_LOG))]
        if container is not None:
            query.append(("container", container))
        log = await self._ask(_Request("GET", f"{_POD}/log", {"namespace": namespace, "name": pod}, query))
        return log[-LONGEST_LOG:].decode(errors="replace")

    async def list_events(self, namespace: str, name: str) -> list[Object]:
        """Return the events about the object of that name, the oldest first."""
        found = await self._list(_EVENTS, namespace, [("fieldSelector", f"involvedObject.name={name}")])
        return sorted(found.items, key=_time_of)

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a pod."""
        patch: Object = {"metadata": {"annotations": dict(annotations)}}
        names = {"namespace": namespace, "name": name}
        await self._ask(_Request("PATCH", _POD, names, body=patch, content_type="application/merge-patch+json"))

    async def is_allowed(self, namespace: str, group: str, resource: str, verb: str) -> bool:
        """Ask the server whether this client has a right."""
        kind, _, part = resource.partition("/")
        asked = {"namespace": namespace, "group": group, "resource": kind, "subresource": part, "verb": verb}
        review: Object = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        return (await self._fetch(_Review, _Request("POST", _REVIEWS, body=review))).status.allowed

    async def close(self) -> None:
        """Close the connections; what still waits for an answer gets a `ClusterUnavailableError`."""
        await self._client.close()

    async def _list(self, path: str, namespace: str, query: Query) -> Listing:
        request = _Request("GET", path, {"namespace": namespace}, query)
        try:
            return await self._pages(request)
        except ExpiredError:
            # The state that the pages were of is forgotten, and would be again: all at once is never too late.
            page = await self._fetch(_Page, request)
            return Listing(page.items or [], page.metadata.resource_version)

    async def _pages(self, request: _Request) -> Listing:
        found: list[Object] = []
        query = [*request.query, ("limit", str(PAGE))]
        token = ""
        while True:
            further = [*query, ("continue", token)] if token else query
            page = await self._fetch(_Page, msgspec.structs.replace(request, query=further))
            found += page.items or []
            token = page.metadata.token
            if not token:
                return Listing(found, page.metadata.resource_version)

    async def _fetch(self, form: type[T], request: _Request) -> T:
        return self._decode(form, await self._ask(request))

    async def _ask(self, request: _Request) -> bytes:
        with self._one_error():
            response = await self._open(request, self._deadline)
            return await response.read()

    async def _open(self, request: _Request, timeout: float) -> ClientResponse:
        """Send a request and return the answer, its body still unread, if it is no refusal."""
        token = self._credentials.token
        response = await self._send(request, timeout)
        if response.status == _UNAUTHORIZED and await self._credentials.renew(token):
            response.close()
            response = await self._send(request, timeout)
        if response.status not in _SUCCESS:
            raise read_refusal(response.status, await response.read(), response.headers.get("Retry-After"))
        return response

    async def _send(self, request: _Request, timeout: float) -> ClientResponse:
        answer = await self._client.call_api(
            request.path,
            request.method,
            dict(request.names),
            list(request.query),
            {"Accept": "application/json, */*", "Content-Type": request.content_type},
            body=request.body,
            auth_settings=[_TOKEN],
            _preload_content=False,
            _request_timeout=timeout,
        )
        return cast("ClientResponse", answer)

    async def _line(self, response: ClientResponse) -> bytes:
        with self._one_error("has been silent for too long"):
            return await response.content.readline()

    def _change(self, line: bytes) -> Change:
        event = self._decode(_Event, line)
        if event.type == "ERROR":
            told = self._decode(Status, event.object)
            raise refusal(told.code or 500, told)
        return Change(event.type, self._decode(Object, event.object))

    def _decode(self, form: type[T], text: bytes | msgspec.Raw) -> T:
        try:
            return msgspec.json.decode(text, type=form)
        except msgspec.MsgspecError as error:
            shown = bytes(text)[:80]
            raise ClusterUnavailableError(f"{self.address} gave an answer that is none: {shown!r} ({error})") from error

    @contextmanager
    def _one_error(self, late: str = "did not answer in time") -> Generator[None]:
        """Turn what keeps a request from being answered into one error that says so."""
        from aiohttp import ClientError  # noqa: PLC0415 - comes with the client library, which is an extra
        from aiohttp.http import HttpProcessingError  # noqa: PLC0415 - likewise

        try:
            yield
        except TimeoutError as error:
            raise ClusterUnavailableError(f"{self.address} {late}", reason="Timeout") from error
        except (ClientError, self._unreadable, HttpProcessingError, OSError) as error:
            why = (str(error) or type(error).__name__)[:LONGEST_MESSAGE]
            raise ClusterUnavailableError(f"{self.address} cannot be asked: {why}", reason="NoAnswer") from error
        except RuntimeError as error:
            if not self._client.rest_client.pool_manager.closed:
                raise
            raise ClusterUnavailableError("the connections to the cluster are closed", reason="Closed") from error


def _time_of(event: Mapping[str, object]) -> str:
    """Return when an event happened last, in a form that can be sorted."""
    metadata = event.get("metadata")
    made = cast("Object", metadata).get("creationTimestamp") if isinstance(metadata, dict) else None
    times: Iterable[object] = (event.get("lastTimestamp"), event.get("eventTime"), made)
    return next((time.removesuffix("Z") for time in times if isinstance(time, str)), "")
