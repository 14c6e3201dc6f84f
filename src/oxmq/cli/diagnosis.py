"""Print what the doctor found."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oxmq.doctor import Finding, Level, Report

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "bold red"}


def as_json(report: Report) -> dict[str, object]:
    """Return a report for programs."""
    return {
        "address": report.address,
        "level": report.level.name.lower(),
        "findings": [
            {
                "level": finding.level.name.lower(),
                "subject": finding.subject,
                "what": finding.what,
                "why": finding.why,
                "fix": list(finding.fix),
            }
            for finding in report.findings
        ],
    }


def show(report: Report) -> None:
    """Print a report for people."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in report.findings:
        level = Text(finding.level.name.lower(), style=_STYLES[finding.level])
        table.add_row(level, Text(finding.subject), _words(finding))
    console = Console()
    console.print(Text(f"{report.address}\n"), soft_wrap=True)
    console.print(table)
    for finding in report.findings:
        if finding.fix:
            # Not in the table, which would break commands in two.
            console.print(Text.assemble("\n", (finding.subject, "bold"), ", to change it:"))
            for step in finding.fix:
                console.print(Text(f"  {step}", style="cyan"), soft_wrap=True)
    console.print(Text(f"\n{_summary(report)}"))


def _words(finding: Finding) -> Text:
    words = Text(finding.what)
    if finding.why:
        words.append(f"\n{finding.why}", style="dim")
    return words


def _summary(report: Report) -> str:
    counts = {level: sum(finding.level is level for finding in report.findings) for level in Level}
    errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
    if not errors and not warnings:
        return "All is well."
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}."
