"""Get a real Kubernetes control plane for the tests: build it from Debian's source package into `.cache/kubernetes`.

Puts `kube-apiserver`, `kube-controller-manager`, `etcd` and `kubectl` there. Nothing is installed: apt downloads and
verifies the packages, and they are unpacked and used in the cache. Building takes about four minutes on two cores and
2 GB of disk, which are freed at the end. Does nothing where it has been done before, and nothing where the tests
use a cluster that is given: ``OXMQ_TEST_CLUSTER=1`` and a ``KUBECONFIG``. Needs Debian 12 and a network.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbour only now.
from tools.debian import Archive, codename  # noqa: E402 - see above

KUBERNETES: Final = "1.20.2"
#: Raise it when the recipe changes: what an older recipe made is then not taken.
RECIPE: Final = 1

CACHE: Final = ROOT / ".cache" / "kubernetes"
HOME: Final = CACHE / f"{KUBERNETES}-{RECIPE}"
BUILD: Final = CACHE / "build"

BUILT: Final = ("kube-apiserver", "kube-controller-manager")
#: Programs that Debian has finished: their place in the packages.
READY_MADE: Final = {"etcd": "usr/bin/etcd", "kubectl": "usr/bin/kubectl"}
BINARIES: Final = (*BUILT, *READY_MADE)

#: The release of Debian whose `kubernetes` is the whole tree and whose Go builds it.
RELEASE: Final = "bookworm"
SOURCE: Final = "kubernetes"
GO: Final = "usr/lib/go-1.19"
REFLECT: Final = "github.com/modern-go/reflect2"
PACKAGES: Final = {
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-modern-go-reflect2-dev",
    "etcd-server",
    "kubernetes-client",
}

#: What a build may not go on for.
BUILD_TIMEOUT: Final = 3600


class SetupError(Exception):
    """Say in one sentence why there is no control plane."""


def main() -> int:
    """Get what is missing and print the folder of the programs."""
    if is_given():
        print(f"The tests use the cluster of {os.environ['KUBECONFIG']}: nothing to set up.")
        return 0
    try:
        complete()
    except SetupError as error:
        print(f"No Kubernetes for the tests: {error}", file=sys.stderr)
        return 1
    print(HOME / "bin")
    return 0


def is_given() -> bool:
    """Tell whether the environment names a cluster for the tests."""
    return bool(os.environ.get("KUBECONFIG")) and os.environ.get("OXMQ_TEST_CLUSTER") == "1"


def is_present() -> bool:
    """Tell whether all programs are there."""
    return all((HOME / "bin" / name).is_file() for name in BINARIES)


def binary(name: str) -> Path:
    """Return the path of one of `BINARIES`.

    Raises:
        SetupError: it is not there.
    """
    path = HOME / "bin" / name
    if name not in BINARIES or not path.is_file():
        raise SetupError(f"{name} is not in {HOME / 'bin'}; run tools/setup_kubernetes.py")
    return path


def complete() -> None:
    """Build what is missing; one process at a time, and the others wait for it.

    Raises:
        SetupError: something that it needs is not to be had, or a step failed.
    """
    if is_present():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_present():
            build()


def build() -> None:
    """Download, build and keep the programs; the trees are removed, also after a failure."""
    check_machine()
    print(f"Building Kubernetes {KUBERNETES} from Debian's source package: about 4 minutes on two cores.", flush=True)
    remove(BUILD)
    BUILD.mkdir()
    try:
        keep(make())
    finally:
        remove(BUILD)


def check_machine() -> None:
    """Raise `SetupError` where the recipe cannot work."""
    if not Archive.is_possible() or codename() != RELEASE:
        raise SetupError(
            f"it is built from packages of Debian 12 ({RELEASE}), which this machine is not; "
            "set KUBECONFIG and OXMQ_TEST_CLUSTER=1 to use a cluster"
        )
    if shutil.disk_usage(CACHE).free < 4 << 30:
        raise SetupError(f"building it needs 4 GB of disk for a while, and {CACHE} has less")


def make() -> Path:
    """Return a folder with all programs."""
    archive = Archive(BUILD)
    with step("lists of packages"):
        archive.use_private_lists(source_packages=True)
    with step("packages: Go, etcd, kubectl"):
        archive.unpack(PACKAGES)
    with step("source of Kubernetes"):
        tree = unpack_source(archive)
        replace_reflection(archive.root, tree)
        name_version(tree)
    go = Go(archive.root / GO, tree)
    with step("generated code"):
        generate(go, tree)
    programs = BUILD / "bin"
    programs.mkdir()
    for name in BUILT:
        with step(f"{name} (a minute or two)"):
            go.build(f"k8s.io/kubernetes/cmd/{name}", programs / name, "-tags", "providerless", "-ldflags", "-s -w")
    for name, place in READY_MADE.items():
        shutil.copy2(archive.root / place, programs / name)
    return programs


def unpack_source(archive: Archive) -> Path:
    """Return the tree of the source package. Debian's patches concern kubectl only, so they are left out."""
    originals = [file for file in archive.download_source(SOURCE) if ".orig.tar." in file.name]
    if len(originals) != 1 or KUBERNETES not in originals[0].name:
        found = ", ".join(file.name for file in originals) or "nothing"
        raise SetupError(f"expected the source of Kubernetes {KUBERNETES} from Debian, found {found}")
    tree = BUILD / "kubernetes"
    tree.mkdir()
    run("tar", "-xf", str(originals[0]), "-C", str(tree), "--strip-components=1")
    return tree


def replace_reflection(root: Path, tree: Path) -> None:
    """Put Debian's reflect2 in the place of the vendored one, which corrupts memory with Go 1.18 and later."""
    vendored = tree / "vendor" / REFLECT
    shutil.rmtree(vendored)
    shutil.copytree(root / "usr/share/gocode/src" / REFLECT, vendored)


def name_version(tree: Path) -> None:
    """Write the version into the source, for the linker takes none in this way of building."""
    major, minor, _ = KUBERNETES.split(".")
    for folder in ("component-base/version", "client-go/pkg/version"):
        file = tree / "staging/src/k8s.io" / folder / "base.go"
        text = file.read_text()
        for name, value in {"gitMajor": major, "gitMinor": minor, "gitVersion": f"v{KUBERNETES}"}.items():
            text, count = re.subn(rf"^\t{name}\b.*$", f'\t{name} = "{value}"', text, flags=re.MULTILINE)
            if count != 1:
                raise SetupError(f"{folder} of Kubernetes names no {name}")
        file.write_text(text)


class Go:
    """Debian's Go, building a tree in a GOPATH of its own and without any network.

    Args:
        home: the unpacked Go.
        tree: the source of Kubernetes.
    """

    def __init__(self, home: Path, tree: Path) -> None:
        path = BUILD / "go"
        self.folder = path / "src/k8s.io/kubernetes"
        self.folder.parent.mkdir(parents=True)
        self.folder.symlink_to(tree)
        self._program = home / "bin/go"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO"))},
            "GOROOT": str(home),
            "GOPATH": str(path),
            "GOCACHE": str(BUILD / "go-cache"),
            "GO111MODULE": "off",
            "GOPROXY": "off",
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
            # Go finds the tree's place in GOPATH by this, not by following the link.
            "PWD": str(self.folder),
        }

    def build(self, package: str, output: Path, *options: str) -> None:
        """Build one program."""
        self.run(str(self._program), "build", *options, "-o", str(output), package)

    def run(self, *command: str) -> None:
        """Run a program in the tree, giving way to whatever else runs on the machine."""
        run("nice", "-n", "10", *command, cwd=self.folder, environment=self._environment)


def generate(go: Go, tree: Path) -> None:
    """Write the one generated file that the source lacks: the OpenAPI description."""
    generator = BUILD / "openapi-gen"
    go.build("k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen", generator)
    inputs = ",".join(f"k8s.io/kubernetes/{folder}" for folder in described_packages(tree))
    go.run(
        *(str(generator), "--logtostderr", "-i", inputs, "-p", "k8s.io/kubernetes/pkg/generated/openapi"),
        *("-O", "zz_generated.openapi", "-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"),
        *("-r", str(BUILD / "violations.report")),
    )


def described_packages(tree: Path) -> list[str]:
    """Return the folders below the tree that ask for a place in the OpenAPI description."""
    staging = [path for path in (tree / "vendor/k8s.io").iterdir() if path.is_symlink()]
    parts = [path for path in staging if path.name not in {"code-generator", "sample-apiserver"}]
    found: set[str] = set()
    for part in (*parts, tree / "pkg", tree / "cmd", tree / "plugin"):
        real = part.resolve()
        for file in real.rglob("*.go"):
            if b"+k8s:openapi-gen=" in file.read_bytes():
                found.add(str(part.relative_to(tree) / file.parent.relative_to(real)))
    return sorted(found)


def keep(programs: Path) -> None:
    """Try the programs and move them to where they stay, all at once."""
    for name in BINARIES:
        run(str(programs / name), *(("version", "--client") if name == "kubectl" else ("--version",)))
    remove(HOME)
    HOME.mkdir()
    programs.rename(HOME / "bin")


@contextmanager
def step(name: str) -> Generator[None]:
    """Say what is being done and how long it took; give a failing command's words as the reason."""
    print(f"  {name} ...", flush=True)
    started = monotonic()
    try:
        yield
    except subprocess.CalledProcessError as error:
        words = str(error.stderr or error.stdout or "").strip()[-2000:]
        raise SetupError(f"{name}: {error.cmd[0]} ended with {error.returncode}\n{words}") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{name}: did not end within {error.timeout:g} s") from error
    print(f"  {name}: {monotonic() - started:.0f} s", flush=True)


def run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> None:
    """Run a command quietly.

    Raises:
        subprocess.CalledProcessError: it failed; holds what it wrote.
        subprocess.TimeoutExpired: it was stopped.
    """
    subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True, timeout=BUILD_TIMEOUT)


def remove(folder: Path) -> None:
    """Remove a folder, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
