"""A real Kubernetes control plane on loopback: etcd, API server and controllers, with a scheduler of the tests."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.kubernetes.api import Api, ApiError, Json
from tests.kubernetes.certificates import Authority
from tests.kubernetes.lifeline import Lifeline
from tests.kubernetes.scheduler import Scheduler
from tests.support.waiting import eventually_sync
from tools import setup_kubernetes

#: Seconds for a program to be ready: a loaded machine takes many times what a quiet one does.
READY_TIMEOUT = 60.0
CALL_TIMEOUT = 10.0

ADMIN_TOKEN = "admin-of-the-tests"

#: Controllers that only make work: the tests have neither clouds nor disks.
_CONTROLLERS = (
    "*,-tokencleaner,-bootstrapsigner,-cloud-node-lifecycle,-route,-service,-attachdetach,"
    "-persistentvolume-binder,-persistentvolume-expander,-horizontalpodautoscaling"
)
#: etcd writes everything through to the disk; memory spares the tests a slow one.
_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED = 1 << 30


class ControlPlane:
    """etcd, kube-apiserver, kube-controller-manager and a scheduler, in a temporary folder of their own.

    Use it in ``with``, or call `start` and `close`. It has no nodes: see `NodeAgent`.

    Attributes:
        server: the address of the API, the same over restarts.
        authority: the file of the certificate that signed the server's.
        admin_kubeconfig: a kubeconfig that may do everything.
        server_certificate: certificate and key for a server at 127.0.0.1 that the API server trusts.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="oxmq-kubernetes-", dir=_home()))
        self._lifeline = Lifeline(self._folder)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd_port, self._peer_port, self._port, self._controllers_port = _free_ports(4)
        self.server = f"https://127.0.0.1:{self._port}"
        self._certificates = Authority(self._folder)
        self.authority = self._certificates.certificate
        self.server_certificate = self._certificates.server()
        self._signing_key = self._certificates.signing_key()
        (self._folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        self.admin_kubeconfig = self._write_kubeconfig("admin", {"token": ADMIN_TOKEN})
        self._scheduler = Scheduler(self.api)

    def start(self) -> Self:
        """Start everything and return when the API is ready."""
        try:
            self._start("etcd", *self._etcd_options())
            self.start_api()
            self._scheduler.start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End everything and remove the folder."""
        try:
            self._scheduler.close()
        finally:
            for name in list(self._running):
                self._kill(name)
            self._lifeline.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop_api(self) -> None:
        """Kill the API server: connections are cut, and new ones are refused. Its controllers go with it."""
        self._kill("kube-controller-manager")
        self._kill("kube-apiserver")

    def start_api(self) -> None:
        """Start the API server at its address, and its controllers when it is ready.

        The controllers start anew because they would wait out a long back-off after an outage.
        """
        self._start("kube-apiserver", *self._api_options())
        self._await("kube-apiserver", f"{self.server}/readyz")
        self._start("kube-controller-manager", *self._controller_options())
        self._await("kube-controller-manager", f"https://127.0.0.1:{self._controllers_port}/healthz")

    def compact(self) -> None:
        """Forget all history: a watch or a page from an earlier resourceVersion answers 410.

        Restarts the API server, which keeps some history in its memory; every watch is cut.
        """
        self.stop_api()
        value = base64.b64encode(b"oxmq").decode()
        # A version of its own, so that the last one that a client has seen is history, too.
        written = self._etcd("kv/put", {"key": value, "value": value})
        self._etcd("kv/compaction", {"revision": written["header"]["revision"], "physical": True})
        self.start_api()

    def api(self) -> Api:
        """Return a connection of the administrator, to be opened with ``async with``."""
        return Api(self.server, ADMIN_TOKEN, self.authority)

    def create_namespace(self, name: str) -> None:
        """Create a namespace and return when pods can be made in it."""
        self._call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        eventually_sync(lambda: self._has_secrets(account), READY_TIMEOUT, f"{name} has no default service account")

    def remove_namespace(self, name: str) -> None:
        """Begin to remove a namespace; its pods are killed at once."""
        self._call("DELETE", f"/api/v1/namespaces/{name}")
        self._call("DELETE", f"/api/v1/namespaces/{name}/pods", {"gracePeriodSeconds": 0})

    def remove_node(self, name: str) -> None:
        """Remove a node; the pods that were bound to it go with it. Harmless while the API is away."""
        with contextlib.suppress(ApiError, OSError):
            self._call("DELETE", f"/api/v1/nodes/{name}")

    def token(self, namespace: str, account: str) -> str:
        """Return a token of a service account, such as a pod gets."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = self._call("POST", path, {"spec": {"expirationSeconds": 7200}})
        return str(answer["status"]["token"])

    def service_account_kubeconfig(self, namespace: str, account: str) -> Path:
        """Return a kubeconfig with which a client is a service account, in its namespace."""
        user = {"token": self.token(namespace, account)}
        return self._write_kubeconfig(f"{namespace}-{account}", user, namespace)

    def kubeconfig_for(self, user: str, *groups: str) -> Path:
        """Return a kubeconfig of a user, who may do what the roles bound to the user or the groups allow."""
        certificate, key = self._certificates.client(user, *groups)
        return self._write_kubeconfig(
            user.replace(":", "-"),
            {"client-certificate-data": _encoded(certificate), "client-key-data": _encoded(key)},
        )

    def kubectl(
        self, *arguments: str, kubeconfig: Path | None = None, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, as the administrator unless told otherwise; a failure is not raised.

        Args:
            arguments: kubectl's.
            kubeconfig: of another user.
            text: what kubectl reads from its standard input.
        """
        chosen = kubeconfig or self.admin_kubeconfig
        program = setup_kubernetes.binary("kubectl")
        options = ["--kubeconfig", str(chosen), "--cache-dir", str(self._folder / "kubectl")]
        return subprocess.run([program, *options, *arguments], input=text, capture_output=True, text=True, check=False)

    def log(self, name: str) -> str:
        """Return what a program, such as ``kube-apiserver``, has written."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def _etcd_options(self) -> Iterator[str]:
        clients, peers = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        yield f"--data-dir={self._folder / 'etcd'}"
        yield f"--listen-client-urls={clients}"
        yield f"--advertise-client-urls={clients}"
        yield f"--listen-peer-urls={peers}"
        yield f"--initial-advertise-peer-urls={peers}"
        yield f"--initial-cluster=default={peers}"

    def _api_options(self) -> Iterator[str]:
        certificate, key = self.server_certificate
        yield f"--etcd-servers=http://127.0.0.1:{self._etcd_port}"
        yield "--bind-address=127.0.0.1"
        yield f"--secure-port={self._port}"
        yield "--advertise-address=127.0.0.1"
        yield "--endpoint-reconciler-type=none"
        yield f"--tls-cert-file={certificate}"
        yield f"--tls-private-key-file={key}"
        yield f"--client-ca-file={self.authority}"
        yield f"--token-auth-file={self._folder / 'tokens.csv'}"
        yield "--authorization-mode=RBAC"
        yield "--service-account-issuer=https://kubernetes.default.svc"
        yield f"--service-account-signing-key-file={self._signing_key}"
        yield f"--service-account-key-file={self._signing_key}"
        yield "--service-cluster-ip-range=10.99.0.0/24"
        yield "--allow-privileged"
        yield f"--kubelet-certificate-authority={self.authority}"
        yield "--kubelet-preferred-address-types=InternalIP"
        # A lost node's pods are evicted soon.
        yield "--default-not-ready-toleration-seconds=3"
        yield "--default-unreachable-toleration-seconds=3"
        yield "--feature-gates=TTLAfterFinished=true"

    def _controller_options(self) -> Iterator[str]:
        yield f"--kubeconfig={self.admin_kubeconfig}"
        yield f"--authentication-kubeconfig={self.admin_kubeconfig}"
        yield f"--authorization-kubeconfig={self.admin_kubeconfig}"
        yield "--bind-address=127.0.0.1"
        yield f"--secure-port={self._controllers_port}"
        # No second, fixed port without TLS.
        yield "--port=0"
        certificate, key = self.server_certificate
        yield f"--tls-cert-file={certificate}"
        yield f"--tls-private-key-file={key}"
        yield "--leader-elect=false"
        yield f"--service-account-private-key-file={self._signing_key}"
        yield f"--root-ca-file={self.authority}"
        yield f"--controllers={_CONTROLLERS}"
        yield "--node-monitor-grace-period=8s"
        yield "--node-monitor-period=1s"
        yield "--feature-gates=TTLAfterFinished=true"
        # The usual 20 calls a second would hold up hundreds of jobs.
        yield "--kube-api-qps=500"
        yield "--kube-api-burst=1000"

    def _start(self, name: str, *options: str) -> None:
        assert name not in self._running, f"{name} runs already"
        program = setup_kubernetes.binary(name)
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [program, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                process_group=0,
                # A proxy of the machine must not come between the programs.
                env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            )
        self._lifeline.add(process.pid)
        self._running[name] = process

    def _kill(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._lifeline.remove(process.pid)

    def _await(self, name: str, address: str) -> None:
        """Return when a program that was started says that it is ready."""

        def is_ready() -> bool:
            code = self._running[name].poll()
            if code is not None:
                raise RuntimeError(f"{name} ended with {code} at its start:\n{self.log(name)[-3000:]}")
            try:
                return _opened(address, authority=self.authority, token=ADMIN_TOKEN) == b"ok"
            except (ApiError, OSError):
                return False

        eventually_sync(is_ready, READY_TIMEOUT, f"{name} is not ready")

    def _has_secrets(self, account: str) -> bool:
        try:
            return bool(self._call("GET", account).get("secrets"))
        except ApiError as error:
            if error.status == 404:
                return False
            raise

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        answer: Json = json.loads(
            _opened(f"{self.server}{path}", method, body, authority=self.authority, token=ADMIN_TOKEN)
        )
        return answer

    def _etcd(self, path: str, body: Json) -> Json:
        answer: Json = json.loads(_opened(f"http://127.0.0.1:{self._etcd_port}/v3/{path}", "POST", body))
        return answer

    def _write_kubeconfig(self, name: str, user: dict[str, str], namespace: str = "default") -> Path:
        path = self._folder / f"{name}.kubeconfig"
        cluster = {"server": self.server, "certificate-authority-data": _encoded(self.authority)}
        context = {"cluster": "tests", "user": name, "namespace": namespace}
        # JSON is YAML.
        text = json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "tests", "cluster": cluster}],
                "users": [{"name": name, "user": user}],
                "contexts": [{"name": "tests", "context": context}],
                "current-context": "tests",
            }
        )
        path.write_text(text)
        return path


def _opened(
    url: str, method: str = "GET", body: Json | None = None, *, authority: Path | None = None, token: str = ""
) -> bytes:
    """Make a call that no proxy sees, and return what was answered; raises `ApiError` or `OSError`."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    context = ssl.create_default_context(cafile=str(authority)) if authority else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=CALL_TIMEOUT) as answer:
            text: bytes = answer.read()
            return text
    except urllib.error.HTTPError as error:
        with error:
            raise ApiError(error.code, error.reason, error.read().decode(errors="replace")) from None


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _home() -> Path | None:
    usable = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_NEEDED
    return _MEMORY if usable else None


def _free_ports(count: int) -> list[int]:
    """Return ports below those that the system hands out to clients.

    One of those could be taken, or even answer its own client, while the API server is down.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, max(lowest, 20_000))
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found
