"""Prove from what came out that all of the work was done, each piece exactly as often as it was asked for."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

from PIL import Image
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from oxmq.demo.heavy_job import HeavyJob
from oxmq.demo.ledger import money, sales
from oxmq.demo.load import Measurement
from oxmq.demo.operations import (
    HEAVY_CPU,
    HEAVY_MEMORY,
    IMAGE_RESIZE,
    OPERATIONS,
    PDF_REPORT,
    REPORT_ROWS,
    WAYS,
    WEBHOOK_DELIVERY,
    WELCOME_EMAIL,
    YEARLY_REPORT,
    Operation,
    Way,
    mail_address,
    report_month,
)
from oxmq.demo.picture import SIZES
from oxmq.demo.sales_report import page_count
from oxmq.demo.settings import Folders
from oxmq.demo.webhook_receiver import refusals


@dataclass(frozen=True, slots=True)
class Proof:
    """Say what was checked, what was found, and what is wrong (nothing, when the proof holds)."""

    title: str
    finding: str
    faults: list[str]

    @property
    def holds(self) -> bool:
        """Say whether everything was as it had to be."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold what the demo left behind.

    Attributes:
        folders: Its files.
        measurements: What each operation cost in each way.
        refused: The receiver's refusals by event id.
        heavy_job: What became of the heavy job.
        processes: The processes that must not have done the heavy job, by name.
    """

    folders: Folders
    measurements: Mapping[tuple[Operation, Way], Measurement]
    refused: Mapping[str, int]
    heavy_job: HeavyJob
    processes: Mapping[str, int]

    def keys(self, operation: Operation) -> list[str]:
        """Return the keys of all requests for an operation, inline and queued."""
        return [key for way in WAYS for key in self.measurements[operation, way].keys]


def prove(evidence: Evidence) -> list[Proof]:
    """Check everything that was asked for against what came out, and the jobs' attempts against what was needed."""
    folders, events = evidence.folders, evidence.keys(WEBHOOK_DELIVERY)
    queued = [evidence.measurements[operation, "queued"] for operation in OPERATIONS]
    expected = {key: 1 for measurement in queued for key in measurement.keys}
    expected |= {key: 1 + refusals(key) for key in expected if key in events}
    return [
        mails_received(folders.mail, evidence.keys(WELCOME_EMAIL)),
        pictures_written(folders.pictures, evidence.keys(IMAGE_RESIZE)),
        reports_written(folders.reports, evidence.keys(PDF_REPORT)),
        webhooks_accepted(folders.webhooks, events, evidence.refused),
        jobs_completed({key: n for measurement in queued for key, n in measurement.attempts.items()}, expected),
        heavy_job_done(folders.reports, evidence.heavy_job, evidence.processes),
    ]


def mails_received(folder: Path, keys: list[str]) -> Proof:
    """Check that each request's mail reached the SMTP server once, and greets the right person."""
    mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in folder.glob("*.eml")]
    found = Counter((str(mail["To"]), str(mail["Subject"])) for mail in mails)
    expected = {key: (mail_address(key), f"Welcome, {key}!") for key in keys}
    faults = [f"{key}: {found[mail]} mails" for key, mail in expected.items() if found[mail] != 1]
    return Proof("Welcome e-mail", f"{_ratio(keys, faults)} received by the SMTP server, each once", faults)


def pictures_written(folder: Path, keys: list[str]) -> Proof:
    """Check that each request left a WebP picture of each size, and that each can be decoded to its last pixel."""
    names = [(key, size) for key in keys for size in SIZES]
    faults = [fault for key, size in names if (fault := _picture_fault(folder / key, size))]
    sizes = ", ".join(f"{width}x{height}" for width, height in SIZES)
    return Proof("Image resize", f"{_ratio(names, faults)} WebP files: {sizes}", faults)


def _picture_fault(folder: Path, size: tuple[int, int]) -> str:
    path = folder / f"{size[0]}x{size[1]}.webp"
    try:
        with Image.open(path, formats=["WEBP"]) as picture:
            picture.load()
            return "" if picture.size == size else f"{path}: is {picture.size}"
    except OSError as error:
        return f"{path}: {error}"


def reports_written(folder: Path, keys: list[str]) -> Proof:
    """Check that each request left a PDF with all of its pages, and with the month's total on the last one."""
    faults = [fault for key in keys if (fault := _report_fault(folder / f"{key}.pdf", [report_month(key)]))]
    pages = page_count(REPORT_ROWS)
    return Proof("PDF report", f"{_ratio(keys, faults)} files of {pages} pages, totals as in the ledger", faults)


def _report_fault(path: Path, months: Sequence[int]) -> str:
    """Say what is wrong with a report of these months: its number of pages, or a total at the end of a month."""
    per_month = page_count(REPORT_ROWS)
    try:
        pages = PdfReader(path).pages
        if len(pages) != per_month * len(months):
            return f"{path}: {len(pages)} pages"
        ends = [pages[per_month * (place + 1) - 1].extract_text() for place in range(len(months))]
    except (OSError, PyPdfError) as error:
        return f"{path}: {error}"
    for month, text in zip(months, ends, strict=True):
        total = money(sum(sale.cents for sale in sales(month, REPORT_ROWS)))
        if total not in text:
            return f"{path}: no total of {total} on the last page of month {month}"
    return ""


def webhooks_accepted(folder: Path, keys: list[str], refused: Mapping[str, int]) -> Proof:
    """Check that each event was accepted once, with its body, after as many refusals as the receiver had planned."""
    faults = [fault for key in keys if (fault := _webhook_fault(folder, key, refused.get(key, 0)))]
    again = sum(refused.get(key, 0) for key in keys)
    finding = f"{_ratio(keys, faults)} accepted once, signature good, {again} retried 500s"
    return Proof("Webhook delivery", finding, faults)


def _webhook_fault(folder: Path, key: str, refused: int) -> str:
    bodies = [json.loads(file.read_bytes()) for file in folder.glob(f"{key}.*.json")]
    if bodies != [{"order": key}]:
        return f"{key}: accepted {bodies}"
    return "" if refused == refusals(key) else f"{key}: {refused} refusals instead of {refusals(key)}"


def jobs_completed(attempts: Mapping[str, int], expected: Mapping[str, int]) -> Proof:
    """Check that each job took as many attempts as it was expected to: one, and one more for each refusal."""
    faults = [f"{key}: {attempts.get(key)} attempts, not {n}" for key, n in expected.items() if attempts.get(key) != n]
    finding = f"{_ratio(expected, faults)} jobs completed in {sum(attempts.values())} attempts, as expected"
    return Proof("Queue", finding, faults)


def heavy_job_done(folder: Path, job: HeavyJob, processes: Mapping[str, int]) -> Proof:
    """Check that the heavy job left a PDF of the whole year, in one attempt, and in none of these processes."""
    months = range(1, 13)
    faults = [fault] if (fault := _report_fault(folder / f"{job.key}.pdf", months)) else []
    if job.pages != page_count(REPORT_ROWS) * len(months):
        faults.append(f"{job.key}: the job says that it wrote {job.pages} pages")
    if job.attempts != 1:
        faults.append(f"{job.key}: {job.attempts} attempts, not 1")
    faults += [f"{job.key}: done by the {name}, process {pid}" for name, pid in processes.items() if pid == job.pid]
    # Other systems do not hold a process to them.
    limits = f" with at most {HEAVY_MEMORY} and {HEAVY_CPU} CPU" if sys.platform == "linux" else ""
    finding = (
        f"1 report of {len(months)} months ({job.pages} pages), in a process of its own{limits}; "
        f"meanwhile {job.mails} mails"
    )
    return Proof(YEARLY_REPORT.title, finding, faults)


def _ratio(expected: Sized, faults: list[str]) -> str:
    return f"{len(expected) - len(faults)} of {len(expected)}"
