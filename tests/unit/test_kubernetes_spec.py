"""What a task says of its pods: quantities, names, times, and what the environment adds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.errors import ConfigurationError
from oxmq.kubernetes.quantities import read_quantity
from oxmq.kubernetes.settings import read_settings
from oxmq.kubernetes.spec import Kubernetes, read_source

LARGEST = 2**63 - 1


# --- Quantities: the grammar that the API documents for resource.Quantity ---


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("2", "2"), ("2.", "2"), (".5", "0.5"), ("0.5", "0.5"), ("+2", "2"), ("007", "7"), (2, "2"), (0.25, "0.25"),
        ("500m", "0.5"), ("0.1m", "0.0001"), ("100u", "0.0001"), ("5n", "5e-9"), ("1k", "1000"), ("1M", "1e6"),
        ("1G", "1e9"), ("1T", "1e12"), ("1P", "1e15"), ("1E", "1e18"), ("1.5G", "15e8"), ("1.G", "1e9"),
        ("1Ki", "1024"), ("1Mi", "1048576"), ("8Gi", "8589934592"), ("1.5Gi", "1610612736"), ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"), ("1Ei", "1152921504606846976"),
        ("12e6", "12e6"), ("12E6", "12e6"), ("1e+3", "1000"), ("5e-1", "0.5"), ("123456789e-9", "0.123456789"),
        (str(LARGEST), str(LARGEST)), (1e-7, "1e-7"), (1e18, "1e18"),
    ],
)  # fmt: skip
def test_reads_every_form_of_a_quantity(value: object, number: str) -> None:
    assert read_quantity(value, "cpu") == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [
        "", " ", ".", "m", "Gi", "1 Gi", " 1", "1\n", "1K", "1ki", "1g", "1gi", "1mi", "1mm", "1iK", "1Kib", "1GB",
        "1e", "1e+", "1e1.5", "1.2.3", "1,5", "1_000", "0x10", "--1", "+-1", "+", "\u0663", "1\u0660", "one", "NaN",
        "-1", "-1Gi", "0", "0m", "0.0", "9223372036854775808", "8Ei", "1e19", "1e100", "9" * 5000,
        True, False, None, [], {}, b"1", 0, -1, -0.5, float("nan"), float("inf"), 1e30, Decimal(1),
    ],
)  # fmt: skip
def test_refuses_what_is_no_quantity(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r'^memory must be a quantity such as "500m", 2 or "8Gi", not '):
        read_quantity(value, "memory")


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.binary()))
def test_anything_is_read_or_refused_by_name(value: object) -> None:
    try:
        assert 0 < read_quantity(value, "cpu") <= LARGEST
    except ConfigurationError as error:
        assert str(error).startswith("cpu must be ")


@given(st.integers(1, 10**6), st.sampled_from(["n", "u", "m", "", "k", "M", "G"]))
def test_a_suffix_is_a_power_of_ten(count: int, suffix: str) -> None:
    power = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}[suffix]
    assert read_quantity(f"{count}{suffix}", "x") == read_quantity(f"{count}e{power}", "x")


# --- What a task declares ---


def test_a_task_may_leave_everything_open() -> None:
    spec = Kubernetes()
    assert spec.requests == {}
    assert (spec.timeout_seconds, spec.pending_seconds, spec.heart_seconds) == (3600, 600, 120)
    assert (spec.grace_seconds, spec.ttl_seconds) == (30, 3600)


def test_a_task_may_say_everything() -> None:
    spec = Kubernetes(
        image="registry.example:5000/team/app@sha256:" + "a" * 64,
        command=["render", "--all", ""],
        cpu="500m",
        memory="8Gi",
        resources={"nvidia.com/gpu": 1, "ephemeral-storage": "10Gi"},
        timeout=timedelta(hours=2),
        pending_timeout="90s",
        namespace="jobs",
        env={"LOG_LEVEL": "debug", "_x.y-z": ""},
        env_from=["secret:oxmq", "configmap:shop.settings"],
        service_account="heavy.jobs",
        image_pull_secrets=["registry"],
        node_selector={"disk": "ssd", "zone": ""},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        patch={"spec": {"template": {"spec": {"priorityClassName": "low", "hostname": None}}}},
        grace=0,
        ttl="1d",
        heart_timeout=0.5,
    )
    assert spec.requests == {
        "cpu": Decimal("0.5"), "memory": Decimal(8 * 2**30), "nvidia.com/gpu": 1, "ephemeral-storage": 10 * 2**30,
    }  # fmt: skip
    assert (spec.timeout_seconds, spec.pending_seconds, spec.heart_seconds) == (7200, 90, 0.5)
    assert (spec.grace_seconds, spec.ttl_seconds) == (0, 86_400)


def test_no_timeout_is_any_time() -> None:
    assert Kubernetes(timeout=None).timeout_seconds is None


def test_a_finished_job_is_kept_for_a_second_at_least() -> None:
    assert Kubernetes(ttl="200ms").ttl_seconds == 1


WRONG: dict[str, list[object]] = {
    "image": ["", "a b", "a\n", "\tapp", "x" * 1025, 5, b"app", True],
    "command": [[], "ls -l", "", b"ls", ["a", 1], [None], 5, {"a": "b"}, {"a"}],
    "cpu": ["1 core", "", 0, -1, True, "1ki", float("nan"), []],
    "memory": ["8GB", "8 Gi", "lots", 0, "0Gi", True, "1e30"],
    "resources": [5, [("a", 1)], "gpu", {5: 1}, {"": 1}, {"cpu": 1}, {"memory": "1Gi"}, None],
    "timeout": [0, -1, "soon", "", "5300w", True, [], "0.1ms"],
    "pending_timeout": [None, 0, "never", -1],
    "heart_timeout": [None, 0, "never", float("inf")],
    "grace": [None, -1, "x", float("nan")],
    "ttl": [None, 0, "x", -1],
    "namespace": ["", "-a", "a-", "A", "a.b", "a_b", "a/b", "a\n", "x" * 64, 5, True],
    "env": [5, [("A", "b")], {"A": 1}, {"A=B": "x"}, {"1A": "x"}, {"": "x"}, {5: "x"}, None],
    "env_from": ["secret:x", 5, None, ["secret:"], ["x"], ["Secret:x"], ["secret:A"], [5]],
    "service_account": ["", "A", "a_b", "a..b", 5, [], "x" * 254],
    "image_pull_secrets": ["registry", 5, None, [""], [5], ["A"], {"a": "b"}],
    "node_selector": [5, "disk=ssd", [("a", "b")], {"a": 5}, {5: "a"}, {"gpu": True}, None],
    "tolerations": [5, "gpu", {"key": "x"}, ["gpu"], [None], None],
    "patch": [[], None, "{}", 5, {"a": object()}, {"a": {"b": {1j}}}],
}
NAMES = ("a..b", ".a", "a.", "-a", "a-", "a-.b", "a:b", "x" * 254, "a\n")
OWN = ("OXMQ_JOB_ID", "OXMQ_JOB_DATA", "OXMQ_RESULT_FILE", "OXMQ_ATTEMPT")
WRONG["env"] += [{name: "x"} for name in OWN]
WRONG["env_from"] += [[f"secret:{name}"] for name in NAMES]


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, wrong in WRONG.items() for value in wrong])
def test_refuses_by_name_what_is_not_acceptable(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{field} must "):
        Kubernetes(**{field: value})


@pytest.mark.parametrize("field", msgspec.structs.fields(Kubernetes), ids=lambda field: str(field.name))
@given(value=st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers(), max_size=2),
    st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    st.dictionaries(st.integers(), st.none(), max_size=2),
))  # fmt: skip
def test_any_value_is_accepted_or_refused_by_name(field: msgspec.structs.FieldInfo, value: Any) -> None:
    try:
        spec = Kubernetes(**{field.name: value})
    except ConfigurationError as error:
        assert str(error).startswith((f"{field.name} must ", *(f"{name!s} must " for name in _names(value))))
    else:
        assert all(number > 0 for number in spec.requests.values())
        assert (spec.timeout_seconds or 1, spec.pending_seconds, spec.heart_seconds, spec.ttl_seconds) > (0, 0, 0, 0)


def _names(value: object) -> list[object]:
    """Return how a refusal may begin besides: with the name of a resource."""
    return list(cast("dict[object, object]", value)) if isinstance(value, dict) else []


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a.b", "x" * 253, "shop.settings-2"])
def test_reads_sources_of_variables(name: str) -> None:
    assert read_source(f"secret:{name}") == ("secret", name)
    assert read_source(f"configmap:{name}") == ("configmap", name)


# --- What the environment says ---


def test_reads_all_settings() -> None:
    settings = read_settings(
        {
            "OXMQ_RUN_KUBERNETES": "kubernetes",
            "OXMQ_KUBERNETES_IMAGE": "registry/app:1.4",
            "OXMQ_KUBERNETES_NAMESPACE": "jobs",
            "OXMQ_KUBERNETES_ENV_FROM": " secret:oxmq\tconfigmap:shop\n",
            "OXMQ_KUBERNETES_SERVICE_ACCOUNT": "heavy",
            "OXMQ_URL": "redis://redis:6379",
        }
    )
    assert (settings.place, settings.image, settings.namespace) == ("kubernetes", "registry/app:1.4", "jobs")
    assert settings.env_from == ("secret:oxmq", "configmap:shop")
    assert (settings.service_account, settings.url) == ("heavy", "redis://redis:6379")


def test_empty_variables_are_not_set() -> None:
    names = ("IMAGE", "NAMESPACE", "ENV_FROM", "SERVICE_ACCOUNT")
    settings = read_settings(
        {f"OXMQ_KUBERNETES_{name}": "" for name in names} | {"OXMQ_URL": "", "OXMQ_RUN_KUBERNETES": "process"}
    )
    assert (settings.image, settings.namespace, settings.env_from) == (None, None, ())
    assert (settings.service_account, settings.url) == (None, None)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OXMQ_RUN_KUBERNETES", "Kubernetes", 'OXMQ_RUN_KUBERNETES must be "kubernetes" or "process"'),
        ("OXMQ_RUN_KUBERNETES", "no", 'OXMQ_RUN_KUBERNETES must be "kubernetes" or "process"'),
        ("OXMQ_KUBERNETES_IMAGE", "a b", r"OXMQ_KUBERNETES_\*: image must be"),
        ("OXMQ_KUBERNETES_NAMESPACE", "A", r"OXMQ_KUBERNETES_\*: namespace must be"),
        ("OXMQ_KUBERNETES_SERVICE_ACCOUNT", "A B", r"OXMQ_KUBERNETES_\*: service_account must be"),
        ("OXMQ_KUBERNETES_ENV_FROM", "oxmq", 'env_from must hold "secret:NAME"'),
        ("OXMQ_KUBERNETES_ENV_FROM", "secret:a,secret:b", 'env_from must hold "secret:NAME"'),
    ],
)
def test_refuses_settings_that_are_not_acceptable(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{said}"):
        read_settings({"OXMQ_RUN_KUBERNETES": "process", variable: value})


def test_a_cluster_is_used_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tmp_path / "config"
    config.touch()
    assert read_settings({}).place == "process"
    assert read_settings({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}).place == "kubernetes"
    assert read_settings({"KUBERNETES_SERVICE_HOST": ""}).place == "process"
    assert read_settings({"KUBECONFIG": str(config)}).place == "kubernetes"
    assert read_settings({"KUBECONFIG": f"{tmp_path / 'none'}:{config}"}).place == "kubernetes"
    assert read_settings({"KUBECONFIG": str(tmp_path)}).place == "process"
    for broken in ("~nobody-of-that-name/config", "\0", ":", "x" * 5000):
        assert read_settings({"KUBECONFIG": broken}).place == "process"
    assert read_settings({"KUBECONFIG": str(config), "OXMQ_RUN_KUBERNETES": "process"}).place == "process"
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert read_settings({}).place == "kubernetes"
