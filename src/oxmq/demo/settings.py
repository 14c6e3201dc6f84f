"""Hold what the demo's processes must agree on, and carry it from one to the next in environment variables."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "OXMQ_DEMO_"
_FOLDERS = ("mail", "pictures", "reports", "webhooks", "logs")


@dataclass(frozen=True, slots=True)
class Settings:
    """Name the demo's folder and the two servers of the outside world."""

    directory: Path
    smtp_port: int
    webhook_url: str
    webhook_secret: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings that the demo's main process gave to this one.

        Raises:
            RuntimeError: This process was not started by the demo.
        """
        try:
            return cls(
                directory=Path(environ[_PREFIX + "DIRECTORY"]),
                smtp_port=int(environ[_PREFIX + "SMTP_PORT"]),
                webhook_url=environ[_PREFIX + "WEBHOOK_URL"],
                webhook_secret=environ[_PREFIX + "WEBHOOK_SECRET"],
            )
        except KeyError as missing:
            raise RuntimeError(f"{missing.args[0]} is not set: start this process with `oxmq demo`") from None

    def environment(self) -> dict[str, str]:
        """Return the variables that `from_environment` reads, and where heavy jobs run: the demo's image is nowhere."""
        return {
            "OXMQ_RUN_KUBERNETES": "process",
            _PREFIX + "DIRECTORY": str(self.directory),
            _PREFIX + "SMTP_PORT": str(self.smtp_port),
            _PREFIX + "WEBHOOK_URL": self.webhook_url,
            _PREFIX + "WEBHOOK_SECRET": self.webhook_secret,
        }


@dataclass(frozen=True, slots=True)
class Folders:
    """Name the places of the demo's files below its directory."""

    directory: Path

    @property
    def photo(self) -> Path:
        """Return the picture that every resize starts from."""
        return self.directory / "photo.jpg"

    @property
    def mail(self) -> Path:
        """Return where the SMTP server keeps the mails that it accepted."""
        return self.directory / "mail"

    @property
    def pictures(self) -> Path:
        """Return where each resized picture has a folder with its three sizes."""
        return self.directory / "pictures"

    @property
    def reports(self) -> Path:
        """Return where the PDF reports are."""
        return self.directory / "reports"

    @property
    def webhooks(self) -> Path:
        """Return where the webhook receiver keeps the bodies that it accepted."""
        return self.directory / "webhooks"

    @property
    def logs(self) -> Path:
        """Return where the API server and the worker write what they have to say."""
        return self.directory / "logs"

    def renew(self) -> None:
        """Delete what an earlier demo left and make the folders, empty."""
        for name in _FOLDERS:
            shutil.rmtree(self.directory / name, ignore_errors=True)
            (self.directory / name).mkdir(parents=True)
