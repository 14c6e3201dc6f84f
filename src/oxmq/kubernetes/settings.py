"""Read what the environment of a worker says about heavy jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, cast, get_args

from msgspec import Struct

from oxmq.durations import positive_milliseconds
from oxmq.errors import ConfigurationError
from oxmq.kubernetes.spec import Kubernetes, read_source

Place = Literal["kubernetes", "process"]
"""Where heavy jobs run: in a cluster, or in limited processes beside the worker."""

_PREFIX: Final = "OXMQ_KUBERNETES_"


class HeavySettings(Struct, frozen=True, kw_only=True):
    """Hold what tasks leave open.

    Attributes:
        place: where heavy jobs run.
        image: the image of tasks that name none.
        namespace: their namespace.
        env_from: Secrets and ConfigMaps that every pod gets its variables from.
        service_account: under which pods of tasks that name none run.
        url: where Redis is, for pods that get it from nowhere else; it must not hold a password.
        reconcile_every: how often the leader compares queues and cluster, in seconds.
        orphan_grace: for how long a Job must have been an orphan before it is deleted, in seconds.
    """

    place: Place
    image: str | None = None
    namespace: str | None = None
    env_from: tuple[str, ...] = ()
    service_account: str | None = None
    url: str | None = None
    reconcile_every: float = 30.0
    orphan_grace: float = 60.0


def read_settings(environment: Mapping[str, str] | None = None) -> HeavySettings:
    """Read the settings from the environment.

    ``OXMQ_RUN_KUBERNETES`` is ``kubernetes`` or ``process``; where it is not set, a cluster is used if there is one:
    this runs in a pod, or a kubeconfig exists.

    Raises:
        ConfigurationError: a variable is not acceptable.
    """
    given = os.environ if environment is None else environment
    place = given.get("OXMQ_RUN_KUBERNETES") or _place_found(given)
    if place not in get_args(Place):
        raise ConfigurationError(f'OXMQ_RUN_KUBERNETES must be "kubernetes" or "process", not {place!r:.80}')
    sources = tuple(given.get(f"{_PREFIX}ENV_FROM", "").split())
    for source in sources:
        read_source(source)
    settings = HeavySettings(
        place=cast("Place", place),
        image=given.get(f"{_PREFIX}IMAGE") or None,
        namespace=given.get(f"{_PREFIX}NAMESPACE") or None,
        env_from=sources,
        service_account=given.get(f"{_PREFIX}SERVICE_ACCOUNT") or None,
        url=given.get("OXMQ_URL") or None,
        reconcile_every=_seconds(given, "RECONCILE_EVERY", "30s"),
        orphan_grace=_seconds(given, "ORPHAN_GRACE", "60s"),
    )
    try:  # what no task could declare is not acceptable here either
        Kubernetes(image=settings.image, namespace=settings.namespace, service_account=settings.service_account)
    except ConfigurationError as error:
        raise ConfigurationError(f"{_PREFIX}*: {error}") from error
    return settings


def _seconds(environment: Mapping[str, str], name: str, default: str) -> float:
    text = environment.get(_PREFIX + name) or default
    return positive_milliseconds(text, _PREFIX + name) / 1000


def _place_found(environment: Mapping[str, str]) -> Place:
    configs = (environment.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)
    found = environment.get("KUBERNETES_SERVICE_HOST") or any(map(_is_file, configs))
    return "kubernetes" if found else "process"


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (RuntimeError, OSError):  # nobody's home directory, or one that may not be looked into
        return False
