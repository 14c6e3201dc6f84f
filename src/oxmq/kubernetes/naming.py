"""Name the Kubernetes objects of a run, so that whoever looks for them finds the same ones."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final

from msgspec import Struct

from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys
from oxmq.kubernetes.diagnosis.fields import entry, text

DOMAIN: Final = "oxmq.dev"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OWNER: Final = f"{DOMAIN}/owner"
RUN: Final = f"{DOMAIN}/run"

_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
#: How much of the task's name is in the names of its objects: enough to tell them apart in a list.
_SLUG: Final = 30


class Identity(Struct, frozen=True, kw_only=True):
    """Hold which run of which job a Kubernetes Job stands for.

    Attributes:
        owner: the installation: jobs of other Redis servers in the same namespace are none of our business.
        prefix: of the queue's keys.
        queue: the queue.
        job_id: the job.
        timestamp: when the job was added, in milliseconds: a later one of the same id is another job.
        number: which of the job's runs.
        attempt: the attempt that it is of.
        task: the job's name.
    """

    owner: str
    prefix: str
    queue: str
    job_id: str
    timestamp: int
    number: int
    attempt: int
    task: str

    @property
    def keys(self) -> QueueKeys:
        """Return the keys of the queue."""
        return QueueKeys(self.queue, self.prefix)

    @property
    def name(self) -> str:
        """Return the name of the Kubernetes Job: at most 47 characters of the 63, as pods get something appended.

        The number tells a job's runs apart, so that the attempt is not in it; the task is only for people.
        """
        words = (self.owner, self.prefix, self.queue, self.job_id, self.timestamp, self.number)
        digest = hashlib.blake2b(json.dumps(words).encode(), digest_size=8).hexdigest()
        slug = _NOT_IN_NAMES.sub("-", self.task.lower())[:_SLUG].strip("-")
        return "-".join(part for part in (slug or "job", digest) if part)

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of the Job and of its pod."""
        return {
            MANAGED_BY: "oxmq",
            OWNER: self.owner,
            RUN: self.name,
            f"{DOMAIN}/queue": label_value(self.queue),
            f"{DOMAIN}/task": label_value(self.task),
            f"{DOMAIN}/job-id": label_value(self.job_id),
            f"{DOMAIN}/attempt": label_value(str(self.attempt)),
        }

    @property
    def annotations(self) -> dict[str, str]:
        """Return the annotations that say exactly what the labels can only hint at."""
        return {
            f"{DOMAIN}/prefix": self.prefix,
            f"{DOMAIN}/queue": self.queue,
            f"{DOMAIN}/job-id": self.job_id,
            f"{DOMAIN}/timestamp": str(self.timestamp),
            f"{DOMAIN}/number": str(self.number),
            f"{DOMAIN}/attempt": str(self.attempt),
            f"{DOMAIN}/task": self.task,
        }


def selector(owner: str) -> str:
    """Return the label selector of an installation's Jobs and pods."""
    return f"{MANAGED_BY}=oxmq,{OWNER}={owner}"


def identify(job: object) -> Identity | None:
    """Return which run a Kubernetes Job stands for; None when it does not say so in full."""
    labels, notes = entry(job, "metadata", "labels"), entry(job, "metadata", "annotations")
    if text(labels, MANAGED_BY) != "oxmq":
        return None
    try:
        found = Identity(
            owner=text(labels, OWNER),
            prefix=text(notes, f"{DOMAIN}/prefix"),
            queue=text(notes, f"{DOMAIN}/queue"),
            job_id=text(notes, f"{DOMAIN}/job-id"),
            timestamp=int(text(notes, f"{DOMAIN}/timestamp")),
            number=int(text(notes, f"{DOMAIN}/number")),
            attempt=int(text(notes, f"{DOMAIN}/attempt")),
            task=text(notes, f"{DOMAIN}/task"),
        )
        _ = found.keys
    except (ValueError, ConfigurationError):
        return None
    return found if found.name == text(job, "metadata", "name") else None


def label_value(words: str) -> str:
    """Return `words` as the value of a label: as they are where they may be one, else their beginning and a hash."""
    if _LABEL_VALUE.fullmatch(words):
        return words
    digest = hashlib.blake2b(words.encode(errors="backslashreplace"), digest_size=8).hexdigest()
    beginning = re.sub(r"[^-A-Za-z0-9_.]+", "-", words, flags=re.ASCII)[:40].strip("-_.")
    return f"{beginning}.{digest}" if beginning else digest
