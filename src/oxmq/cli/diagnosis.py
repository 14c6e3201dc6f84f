"""Print what the doctor found."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oxmq.cli.terminal.visible import visible
from oxmq.doctor import Finding, Level, Report, examine
from oxmq.transport.connect import Endpoint

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "bold red"}


async def diagnose(
    endpoint: Endpoint, prefix: str, queues: Sequence[str], max_keys: int, namespaces: Sequence[str] | None
) -> Report:
    """Examine a server, and the cluster where its heavy jobs run unless `namespaces` is None."""
    if namespaces is None:
        return await examine(endpoint, prefix=prefix, queues=queues, max_keys=max_keys)
    # A cluster is not often asked for, and its client not always there.
    from oxmq.doctor.kubernetes import check_library, examine_cluster  # noqa: PLC0415 - see above

    check_library()
    report = await examine(endpoint, prefix=prefix, queues=queues, max_keys=max_keys)
    found = await examine_cluster(endpoint, prefix=prefix, namespaces=namespaces)
    return msgspec.structs.replace(report, findings=[*report.findings, *found])


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
        table.add_row(level, Text(visible(finding.subject)), _words(finding))
    console = Console()
    console.print(Text(f"{report.address}\n"), soft_wrap=True)
    console.print(table)
    for finding in report.findings:
        if finding.fix:
            # Not in the table, which would break commands in two.
            console.print(Text.assemble("\n", (visible(finding.subject), "bold"), ", to change it:"))
            for step in finding.fix:
                console.print(Text(f"  {visible(step)}", style="cyan"), soft_wrap=True)
    console.print(Text(f"\n{_summary(report)}"))


def _words(finding: Finding) -> Text:
    words = Text(visible(finding.what))
    if finding.why:
        words.append(f"\n{visible(finding.why)}", style="dim")
    return words


def _summary(report: Report) -> str:
    counts = {level: sum(finding.level is level for finding in report.findings) for level in Level}
    errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
    if not errors and not warnings:
        return "All is well."
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}."
