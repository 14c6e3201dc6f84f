"""Get a Chromium for the tests of the dashboard, and axe-core, which judges how accessible a page is.

Takes what there is, the first that starts: the program that ``$OXMQ_CHROMIUM`` names, the machine's Chromium or Chrome,
Playwright's own (downloaded), Debian's package (installed as root, else unpacked into the cache). Writes its path to
`.cache/browser`. Where none can be had, says so in one sentence and ends with 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbours only now.
from tools import setup_node  # noqa: E402 - see above
from tools.debian import Archive  # noqa: E402 - see above

RECORD: Final = ROOT / ".cache" / "browser"
CACHE: Final = ROOT / ".cache" / "chromium"
LAUNCHER: Final = CACHE / "chromium"
VARIABLE: Final = "OXMQ_CHROMIUM"

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: Where programs are that no PATH leads to.
PLACES: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
#: Names of Playwright's own in its folder, which differ from system to system.
OWN_NAMES: Final = ("headless_shell", "chrome-headless-shell")
#: Without a font of its own the browser would draw boxes.
PACKAGES: Final = ("chromium", "fonts-liberation")
AXE: Final = {"axe-core": "4.14.1"}
AXE_FOLDER: Final = "axe-core-" + AXE["axe-core"]

#: Seconds for the first start, which reads a few hundred megabytes, and for a download.
START_TIMEOUT: Final = 60
DOWNLOAD_TIMEOUT: Final = 600

#: The unpacked browser finds the unpacked fonts as well as those of the machine.
_FONTS: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">root/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def main() -> int:
    """Install what is not there and say in a few words what there is."""
    news = "installed" if setup_node.complete(AXE_FOLDER, AXE) else "nothing to do"
    print(f"axe-core {AXE['axe-core']} in .cache/node ({news})")
    found = present() or obtain()
    if found is None:
        print(f"No Chromium here, and none to be had: name one in {VARIABLE}.", file=sys.stderr)
        return 1
    print(found)
    return 0


def present() -> Path | None:
    """Return the browser that was found earlier, or None where it has gone."""
    if not RECORD.is_file():
        return None
    recorded = Path(RECORD.read_text(encoding="utf-8").strip())
    return recorded if recorded.is_file() and os.environ.get(VARIABLE, str(recorded)) == str(recorded) else None


def axe_source() -> str:
    """Return the text of axe-core, to be run in a page."""
    return (setup_node.CACHE / AXE_FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def obtain() -> Path | None:
    """Return the first browser that starts, and write its path down."""
    ways: tuple[Callable[[], Path | None], ...] = (named, on_this_machine, from_playwright, from_debian)
    for way in ways:
        if found := way():
            RECORD.parent.mkdir(exist_ok=True)
            RECORD.write_text(f"{found}\n", encoding="utf-8")
            return found
    return None


def named() -> Path | None:
    """Return the program that the environment names; where it does not start, that is an error."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    found = first_that_starts([shutil.which(name) or name])
    if found is None:
        raise SystemExit(f"{VARIABLE} names {name}, which does not start as a Chromium does")
    return found


def on_this_machine() -> Path | None:
    """Return the Chromium or Chrome that is installed here."""
    return first_that_starts([found for name in (*PROGRAMS, *PLACES) if (found := shutil.which(name))])


def from_playwright() -> Path | None:
    """Return the browser that Playwright downloads, which may lack libraries of the system."""
    folder = CACHE / "playwright"
    command = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
    if not succeeds(command, {"PLAYWRIGHT_BROWSERS_PATH": str(folder)}):
        return None
    return first_that_starts(path for path in sorted(folder.rglob("*")) if path.stem in OWN_NAMES and path.is_file())


def from_debian() -> Path | None:
    """Return the browser of the distribution's package."""
    if not Archive.is_possible():
        return None
    return installed() or unpacked()


def installed() -> Path | None:
    """Install the package, as root only."""
    if os.geteuid() != 0:
        return None
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
    settings = {"DEBIAN_FRONTEND": "noninteractive"}
    if succeeds(install, settings) or (succeeds(["apt-get", "update"]) and succeeds(install, settings)):
        return on_this_machine()
    return None


def unpacked(archive: Archive | None = None) -> Path | None:
    """Unpack the package and all that it needs, as an ordinary user."""
    archive = archive or Archive(CACHE)
    try:
        fetch(archive)
    except subprocess.CalledProcessError:
        return None
    (CACHE / "fonts.conf").write_text(_FONTS, encoding="utf-8")
    settings = 'export FONTCONFIG_FILE="$here/fonts.conf"\n'
    archive.write_launcher(LAUNCHER, "usr/lib/chromium/chromium", settings)
    return first_that_starts([LAUNCHER])


def fetch(archive: Archive) -> None:
    """Fetch and unpack, with the machine's package lists or fresh private ones."""
    try:
        archive.unpack(archive.missing(*PACKAGES))
    except subprocess.CalledProcessError:
        archive.use_private_lists()
        archive.unpack(archive.missing(*PACKAGES))


def first_that_starts(programs: Iterable[str | Path]) -> Path | None:
    """Return the first program that shows a page without a screen."""
    for program in programs:
        page = "data:text/html,<title>ready</title>"
        command = [str(program), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page]
        if "<title>ready</title>" in output(command):
            return Path(program)
    return None


def output(command: list[str]) -> str:
    """Return what a command printed; nothing where it failed."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=START_TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout


def succeeds(command: list[str], settings: dict[str, str] | None = None) -> bool:
    """Tell whether a command of the set-up went well."""
    try:
        subprocess.run(
            command, env={**os.environ, **(settings or {})}, capture_output=True, check=True, timeout=DOWNLOAD_TIMEOUT
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
