"""Find the API server and the credentials that this process has there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, cast

from msgspec import Struct

from oxmq.errors import ConfigurationError

#: Where a pod finds the credentials of its service account.
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_DEFAULT_CONFIG: Final = "~/.kube/config"
_DEFAULT_NAMESPACE: Final = "default"
#: Seconds for a program that a kubeconfig names to print credentials.
_PATIENCE: Final = 30.0


class Configuration(Protocol):
    """Be the client library's configuration, as far as it is looked at."""

    host: str
    api_key: dict[str, str]
    disable_strict_ssl_verification: bool
    # Any: the library's own business.
    refresh_api_key_hook: Any


class Access(Struct, frozen=True):
    """Hold how the server is reached.

    Attributes:
        configuration: of the client library: address, certificates, credentials.
        namespace: that of the pod that this runs in, or of the kubeconfig's context.
    """

    configuration: Configuration
    namespace: str


async def read_access(environment: Mapping[str, str] | None = None, account: Path = SERVICE_ACCOUNT) -> Access:
    """Read the credentials of the pod that this runs in; elsewhere a kubeconfig.

    That is the one of ``$KUBECONFIG`` (or several, which are merged), else ``~/.kube/config``.

    Args:
        environment: the variables; those of this process when not given.
        account: the folder of the pod's credentials.

    Raises:
        ConfigurationError: there are none, they are broken, or the client library is not installed.
    """
    given = os.environ if environment is None else environment
    if given.get("KUBERNETES_SERVICE_HOST") and (account / "token").is_file():
        return _read_service_account(given, account)
    return await _read_kubeconfig(given.get("KUBECONFIG") or _DEFAULT_CONFIG)


# Any: the library is mostly generated, and its types are partly unknown.
def load_library(part: str) -> Any:  # noqa: ANN401 - see above
    """Return a module of the client library; only here is it imported, since that takes half a second.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return import_module(f"kubernetes_asyncio.{part}")
    except ImportError:
        message = 'running jobs on Kubernetes needs kubernetes-asyncio: pip install "oxmq[kubernetes]"'
        raise ConfigurationError(message) from None


def _new_configuration() -> Configuration:
    configuration: Configuration = load_library("client").Configuration()
    # Many clusters have authorities without a key identifier, which OpenSSL's strict mode (Python's default from 3.13
    # on) refuses. Chains and names are verified all the same.
    configuration.disable_strict_ssl_verification = True
    return configuration


def _read_service_account(environment: Mapping[str, str], account: Path) -> Access:
    library = load_library("config")
    configuration = _new_configuration()
    try:
        # Its token is replaced on disk before it expires: the library reads it again every minute.
        library.load_incluster_config(
            configuration,
            token_filename=str(account / "token"),
            cert_filename=str(account / "ca.crt"),
            environ=dict(environment),
        )
        place = account / "namespace"
        namespace = place.read_text().strip() if place.is_file() else ""
    except (library.ConfigException, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the service account in {account} cannot be used: {error}") from error
    return Access(configuration, namespace or _DEFAULT_NAMESPACE)


async def _read_kubeconfig(paths: str) -> Access:
    library = load_library("config")
    found = _existing(paths)
    if not found:
        raise ConfigurationError(f"no cluster is configured: this is no pod, and there is no kubeconfig at {paths}")
    configuration = _new_configuration()
    try:
        async with asyncio.timeout(_PATIENCE):
            # persist_config: the library fails where it would write a file that it has read.
            loader = await library.load_kube_config(
                os.pathsep.join(found), client_configuration=configuration, persist_config=False
            )
    except Exception as error:  # the library raises whatever a broken file makes Python raise
        why = str(error) or type(error).__name__
        raise ConfigurationError(f"the kubeconfig {paths} cannot be used: {why}") from error
    return Access(configuration, _namespace_of(loader.current_context) or _DEFAULT_NAMESPACE)


def _existing(paths: str) -> list[str]:
    return [path for path in paths.split(os.pathsep) if path and Path(path).expanduser().is_file()]


def _namespace_of(context: object) -> str | None:
    """Return the namespace that a context of a kubeconfig names."""
    inner = cast("dict[str, object]", context).get("context") if isinstance(context, dict) else None
    namespace = cast("dict[str, object]", inner).get("namespace") if isinstance(inner, dict) else None
    return namespace if isinstance(namespace, str) else None
