"""Names, labels and annotations of a run's objects: whatever a queue, a job or a task is called."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from oxmq.kubernetes.naming import MANAGED_BY, OWNER, RUN, Identity, identify, label_value, selector
from tests.support import hostile

JOB = Identity(
    owner="3f2a", prefix="bull", queue="reports", job_id="17", timestamp=1_700_000_000_000, number=1, attempt=1,
    task="monthly_report",
)  # fmt: skip
#: What Kubernetes takes for the name of a Job whose pods can be named after it, for a label, and for its value.
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

texts = st.text() | st.sampled_from(hostile.STRINGS) | st.text(st.characters(categories=["Cs", "Lu", "Po"]))
numbers = st.integers() | st.sampled_from([-1, 0, 2**63, 10**300])
identities = st.builds(
    Identity, owner=texts, prefix=texts, queue=texts, job_id=texts, timestamp=numbers, number=numbers,
    attempt=numbers, task=texts,
)  # fmt: skip
#: Those of queues that can be: everything else may be anything.
possible = st.builds(
    Identity, owner=st.text("abc1", min_size=1), prefix=st.sampled_from(["bull", "{bull}", "a:b"]),
    queue=texts.filter(lambda name: bool(name) and ":" not in name), job_id=texts, timestamp=st.integers(),
    number=st.integers(), attempt=st.integers(), task=texts,
)  # fmt: skip


def job_of(identity: Identity, **metadata: Any) -> dict[str, Any]:
    """Return the Job of a run as a cluster gives it back."""
    made = {"name": identity.name, "labels": identity.labels, "annotations": identity.annotations, "uid": "u"}
    return {"metadata": made | metadata, "spec": {}, "status": {}}


@given(identities)
def test_a_name_is_one_whatever_it_is_made_of(identity: Identity) -> None:
    assert NAME.fullmatch(identity.name)
    assert len(identity.name) <= 52
    assert structs.replace(identity).name == identity.name


@given(identities)
def test_labels_are_what_a_cluster_takes(identity: Identity) -> None:
    known = structs.replace(identity, owner="o")
    for key, value in known.labels.items():
        assert KEY.fullmatch(key)
        assert VALUE.fullmatch(value), value
    assert known.labels[RUN] == known.name


def test_a_name_tells_people_which_task_it_is() -> None:
    assert re.fullmatch(r"monthly-report-[0-9a-f]{16}", JOB.name)
    assert re.fullmatch(r"job-[0-9a-f]{16}", structs.replace(JOB, task="报告").name)
    assert re.fullmatch(r"x{30}-[0-9a-f]{16}", structs.replace(JOB, task="x" * 300).name)
    assert re.fullmatch(r"a{29}-[0-9a-f]{16}", structs.replace(JOB, task="a" * 29 + "__b").name)


@pytest.mark.parametrize(
    "other",
    [
        {"owner": "3f2b"}, {"prefix": "{bull}"}, {"queue": "report"}, {"job_id": "171"}, {"timestamp": 1},
        {"number": 11},
    ],
)  # fmt: skip
def test_another_run_has_another_name(other: dict[str, Any]) -> None:
    names = {JOB.name, structs.replace(JOB, **other).name}
    assert len({name[-16:] for name in names}) == 2


def test_the_number_tells_runs_apart_and_the_attempt_need_not() -> None:
    assert structs.replace(JOB, attempt=2).name == JOB.name
    assert structs.replace(JOB, task="other").name[-16:] == JOB.name[-16:]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"queue": "a\0b", "job_id": "c"}, {"queue": "a", "job_id": "b\0c"}),
        ({"queue": "a", "job_id": '", "b'}, {"queue": 'a", "', "job_id": "b"}),
        ({"job_id": "\ud800"}, {"job_id": "\\ud800"}),
        ({"job_id": "é"}, {"job_id": "e\u0301"}),
        ({"timestamp": 1, "number": 23}, {"timestamp": 12, "number": 3}),
    ],
    ids=["zeros", "quotes", "half a character", "accents", "digits"],
)
def test_what_differs_only_for_the_careful_has_another_name(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert structs.replace(JOB, **one).name != structs.replace(JOB, **other).name


@given(possible)
def test_a_run_is_recognised_by_what_its_job_says(identity: Identity) -> None:
    assert identify(job_of(identity)) == identity


@given(possible, st.sampled_from(["owner", "queue", "job_id", "timestamp", "number", "task", "prefix"]))
def test_a_job_that_was_tampered_with_is_not_taken_for_another(identity: Identity, field: str) -> None:
    value: Any = getattr(identity, field)
    changed: Any = value + 1 if isinstance(value, int) else f"{value}x"
    found = identify(job_of(structs.replace(identity, **{field: changed}), name=identity.name))
    assert found is None or (field == "task" and found.name == identity.name)


@pytest.mark.parametrize(
    "broken",
    [
        None, 7, "job", [], {}, {"metadata": None}, {"metadata": []}, {"metadata": {"labels": None}},
        job_of(JOB, labels=None), job_of(JOB, labels=[]), job_of(JOB, labels="x"), job_of(JOB, annotations=None),
        job_of(JOB, annotations=[1]), job_of(JOB, name=None), job_of(JOB, name="other"), job_of(JOB, name=7),
        job_of(JOB, labels={MANAGED_BY: "helm"}), job_of(JOB, labels={MANAGED_BY: "oxmq"}),
    ],
)  # fmt: skip
def test_what_does_not_say_so_in_full_is_nobodys(broken: object) -> None:
    assert identify(broken) is None


@given(
    st.sampled_from(["labels", "annotations"]),
    st.data(),
    st.none() | st.integers() | st.lists(st.integers()) | st.dictionaries(st.text(), st.none()) | texts,
)
def test_strange_values_never_raise(where: str, data: st.DataObject, value: object) -> None:
    job = job_of(JOB)
    fields: dict[str, object] = dict(job["metadata"][where])
    name = data.draw(st.sampled_from(sorted(fields)))
    job["metadata"][where] = fields | {name: value}
    found = identify(job)
    assert found is None or (found.name == JOB.name and found.keys.name == JOB.queue)


@pytest.mark.parametrize("name", ["timestamp", "number", "attempt"])
@pytest.mark.parametrize("text", ["", "soon", "1.5", "9" * 5_000, "0x1", "None"])
def test_numbers_that_are_none_never_raise(name: str, text: str) -> None:
    assert identify(job_of(JOB, annotations=JOB.annotations | {f"oxmq.dev/{name}": text})) is None


@given(texts, texts)
def test_values_of_labels_are_told_apart(one: str, other: str) -> None:
    assert VALUE.fullmatch(label_value(one))
    assert (label_value(one) == label_value(other)) is (one == other)


def test_a_value_that_can_be_is_left_as_it_is() -> None:
    assert [label_value(text) for text in ("a", "A.b_c-9", "x" * 63)] == ["a", "A.b_c-9", "x" * 63]
    assert re.fullmatch(r"x{40}\.[0-9a-f]{16}", label_value("x" * 64))
    assert re.fullmatch(r"a-b\.[0-9a-f]{16}", label_value("-a b-"))
    assert re.fullmatch(r"[0-9a-f]{16}", label_value(""))


def test_a_selector_finds_an_installations_jobs() -> None:
    assert selector("3f2a") == f"{MANAGED_BY}=oxmq,{OWNER}=3f2a"
    wanted = dict(part.split("=") for part in selector("3f2a").split(","))
    assert wanted.items() <= JOB.labels.items()
