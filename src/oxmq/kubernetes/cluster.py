"""Say what oxmq asks of a cluster, and how a cluster may refuse: the narrow port between the two.

Objects are what the API speaks: JSON objects, as plain dictionaries. What a server sends beyond what is looked at here
does no harm, whichever version it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Protocol

from msgspec import Struct

from oxmq.errors import OxmqError
from oxmq.kubernetes.diagnosis.fields import text

Object = dict[str, Any]
"""An object of the API, as JSON."""

#: What oxmq may do in the namespaces of its jobs: API group, resource, verb. The manifests grant exactly this.
RIGHTS: Final = (
    ("batch", "jobs", "create"),
    ("batch", "jobs", "get"),
    ("batch", "jobs", "list"),
    ("batch", "jobs", "watch"),
    ("batch", "jobs", "delete"),
    ("", "pods", "list"),
    ("", "pods/log", "get"),
    ("", "events", "list"),
)
#: What a worker may do to its own pod, so that a scale-in spares busy workers.
OWN_POD_RIGHTS: Final = (("", "pods", "patch"),)


class Listing(Struct, frozen=True):
    """Hold a list of objects and the version of the cluster's state that it shows."""

    items: list[Object]
    resource_version: str


class Change(Struct, frozen=True):
    """Hold one event of a watch.

    Attributes:
        kind: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``.
        object: the object after the change; of a bookmark only its version.
    """

    kind: str
    object: Object

    @property
    def resource_version(self) -> str:
        """Return the version from which a watch goes on after this event."""
        return text(self.object, "metadata", "resourceVersion")


class ClusterError(OxmqError):
    """Say that the API server refused a request, in its own words.

    Attributes:
        status: the HTTP status; 0 when there was no answer.
        reason: the server's reason, in one word such as ``Forbidden``.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ClusterUnavailableError(ClusterError):
    """Say that there was no answer, or that the server cannot serve: 5xx, 429, a broken connection.

    A request that changes something may have been carried out.

    Attributes:
        retry_after: how many seconds the server asks to wait; None when it does not say.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after


class QuotaError(ClusterError):
    """Say that a quota of the namespace is used up (403 of a kind that passes)."""


class ForbiddenError(ClusterError):
    """Say that oxmq may not do that: 401, or 403 that is no quota."""


class AlreadyExistsError(ClusterError):
    """Say that an object of that name exists (409)."""


class NotFoundError(ClusterError):
    """Say that there is no such object (404)."""


class ConflictError(ClusterError):
    """Say that the object is another one than the one that was meant (409 of a precondition)."""


class InvalidError(ClusterError):
    """Say that the server cannot accept the object or the request, ever: 400, 413, 422."""


class ExpiredError(ClusterError):
    """Say that the server no longer knows what changed since that version (410): list again."""


class Cluster(Protocol):
    """Be a Kubernetes API server, as far as oxmq needs one.

    Every method raises a `ClusterError`: `ClusterUnavailableError` when there is no answer within 10 seconds,
    `ForbiddenError` without the right to it, `NotFoundError` where the namespace or object is missing.
    """

    @property
    def address(self) -> str:
        """Return where the server is, for people."""
        ...

    @property
    def namespace(self) -> str:
        """Return the namespace of the configuration: that of the pod that this runs in, or of the context."""
        ...

    async def create_job(self, namespace: str, manifest: Object) -> Object:
        """Create a Job and return it as the server has stored it.

        Raises:
            AlreadyExistsError: there is one of that name.
            QuotaError, InvalidError: the server does not take it.
        """
        ...

    async def get_job(self, namespace: str, name: str) -> Object:
        """Return a Job."""
        ...

    async def list_jobs(self, namespace: str, selector: str) -> Listing:
        """Return the Jobs that a label selector matches, all of them, however many pages that takes."""
        ...

    def watch_jobs(
        self, namespace: str, selector: str, resource_version: str, seconds: float
    ) -> AsyncGenerator[Change]:
        """Yield the changes after a version, until the server ends the stream or `seconds` have passed.

        A server that falls silent for 10 seconds longer than that is noticed. Close the generator where it is left
        before its end (`contextlib.aclosing`): it holds a connection.

        Raises:
            ClusterUnavailableError: the stream was cut, or has been silent for too long; go on from the last version.
            ExpiredError: list again.
        """
        ...

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Job, and its pods in the background; they get their grace period.

        Raises:
            NotFoundError: it is gone already.
            ConflictError: the Job of that name has another uid; nothing was deleted.
        """
        ...

    async def list_pods(self, namespace: str, selector: str) -> list[Object]:
        """Return the pods that a label selector matches."""
        ...

    async def read_log(self, namespace: str, pod: str, lines: int, container: str | None = None) -> str:
        """Return the last lines of the log of a pod's container, at most 256 KiB of them.

        Args:
            namespace: of the pod.
            pod: its name.
            lines: how many.
            container: which; may be left out where there is only one, which in a cluster that adds its own containers
                to pods is not so.

        Raises:
            InvalidError: the container has not started, or must be named.
        """
        ...

    async def list_events(self, namespace: str, name: str) -> list[Object]:
        """Return the events about the object of that name, whatever its kind; the oldest first."""
        ...

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a pod."""
        ...

    async def is_allowed(self, namespace: str, group: str, resource: str, verb: str) -> bool:
        """Ask the server whether this client has a right (a SelfSubjectAccessReview)."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
