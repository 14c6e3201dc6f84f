"""Hold what an examination found."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class Level(IntEnum):
    """Say how bad a finding is: the greater the worse."""

    OK = 0
    WARNING = 1
    ERROR = 2


class Finding(Struct, frozen=True):
    """Hold one finding.

    Attributes:
        level: how bad it is.
        subject: what was looked at, in a word or two.
        what: what was found.
        why: why it matters; empty where all is well.
        fix: the commands or steps that change it.
    """

    level: Level
    subject: str
    what: str
    why: str = ""
    fix: tuple[str, ...] = ()


class Report(Struct, frozen=True):
    """Hold everything that was found on one server."""

    address: str
    findings: list[Finding]

    @property
    def level(self) -> Level:
        """Return how bad the worst finding is."""
        return max((finding.level for finding in self.findings), default=Level.OK)
