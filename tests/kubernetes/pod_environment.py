"""Work out what a container is told: its environment, its command and its files, as a node does."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.kubernetes.api import Api, ApiError, Json

Environment = dict[str, str]

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_.][\w.-]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class ConfigError(Exception):
    """Say what a container's configuration names and is not there."""


class PodEnvironment:
    """The environment of one container.

    Paths of the container that lead to its termination message or into its volumes are replaced by real ones,
    wherever its environment or its command names one.

    Args:
        api: reads secrets and config maps.
        pod: the pod.
        container: the container, out of the pod's spec.
        folder: where its files go.
    """

    def __init__(self, api: Api, pod: Json, container: Json, folder: Path) -> None:
        self._api = api
        self._pod = pod
        self._container = container
        self._folder = folder
        self.termination_message = folder / "termination-message"
        self._places = {str(container["terminationMessagePath"]): self.termination_message}

    async def values(self) -> Environment:
        """Return the variables that the container's spec names.

        Raises:
            ConfigError: a secret, a config map or a key is missing.
        """
        found: Environment = {}
        for source in self._container.get("envFrom", []):
            found |= await self._all_of(source)
        for variable in self._container.get("env", []):
            if "valueFrom" in variable:
                value = await self._value_from(variable["valueFrom"])
            else:
                value = expand(variable.get("value", ""), found)
            if value is not None:
                found[variable["name"]] = await self._real(value)
        return found

    async def command(self, values: Environment) -> list[str]:
        """Return the words of the command, with `values` filled in."""
        words = [*self._container.get("command", []), *self._container.get("args", [])]
        return [await self._real(expand(word, values)) for word in words]

    async def _all_of(self, source: Json) -> Environment:
        kind, reference = _one_of(source, "secretRef", "configMapRef")
        values = await self._data(kind.removesuffix("Ref"), reference)
        return {source.get("prefix", "") + key: value.decode() for key, value in (values or {}).items()}

    async def _value_from(self, source: Json) -> str | None:
        if "fieldRef" in source:
            return field(self._pod, source["fieldRef"]["fieldPath"])
        kind, reference = _one_of(source, "secretKeyRef", "configMapKeyRef")
        values = await self._data(kind.removesuffix("KeyRef"), reference)
        if values is None:
            return None
        if reference["key"] in values:
            return values[reference["key"]].decode()
        if reference.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {reference['key']} in {reference['name']}")

    async def _data(self, kind: str, reference: Json) -> dict[str, bytes] | None:
        """Return what a secret or a config map holds; None where it is missing and may be."""
        name = reference.get("name") or reference.get("secretName")
        namespace = self._pod["metadata"]["namespace"]
        try:
            found = await self._api.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}")
        except ApiError as error:
            if error.status != 404:
                raise
            if reference.get("optional"):
                return None
            raise ConfigError(f'{kind.lower()} "{name}" not found') from None
        if kind == "secret":
            return {key: base64.b64decode(value) for key, value in found.get("data", {}).items()}
        return {key: value.encode() for key, value in found.get("data", {}).items()}

    async def _real(self, text: str) -> str:
        """Return the real path for a path of the container, and any other text as it is."""
        for mount in self._container.get("volumeMounts", []):
            path = mount["mountPath"]
            if path not in self._places and (text == path or text.startswith(f"{path}/")):
                self._places[path] = await self._volume(mount["name"])
        for path, place in self._places.items():
            if text == path or text.startswith(f"{path}/"):
                return f"{place}{text[len(path) :]}"
        return text

    async def _volume(self, name: str) -> Path:
        """Make a volume, which all containers of the pod share, and return its folder."""
        folder = self._folder.parent / "volumes" / name
        if not folder.exists():
            volume = next(volume for volume in self._pod["spec"]["volumes"] if volume["name"] == name)
            folder.mkdir(parents=True)
            for file, content in (await self._files(volume)).items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(content)
        return folder

    async def _files(self, volume: Json) -> dict[str, bytes]:
        kind, source = _one_of(volume, "emptyDir", "secret", "configMap", "downwardAPI")
        fill: dict[str, Callable[[], Awaitable[dict[str, bytes]]]] = {
            "secret": lambda: self._items("secret", source),
            "configMap": lambda: self._items("configMap", source),
            "downwardAPI": lambda: self._fields(source),
        }
        return await fill[kind]() if kind in fill else {}

    async def _items(self, kind: str, source: Json) -> dict[str, bytes]:
        values = await self._data(kind, source) or {}
        if "items" not in source:
            return values
        return {item["path"]: values[item["key"]] for item in source["items"] if item["key"] in values}

    async def _fields(self, source: Json) -> dict[str, bytes]:
        return {item["path"]: field(self._pod, item["fieldRef"]["fieldPath"]).encode() for item in source["items"]}


def expand(text: str, values: Environment) -> str:
    """Replace ``$(NAME)`` by the variable's value; unknown names stay, and ``$$`` is a dollar."""

    def replaced(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else values.get(found[2], found[0])

    return _REFERENCE.sub(replaced, text)


def field(pod: Json, path: str) -> str:
    """Return a field of the pod that a container may be told, such as ``metadata.uid``."""
    if found := _SUBSCRIPT.fullmatch(path):
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    value: object = pod
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ConfigError(f"the node agent knows no field {path}")
        value = value[part]  # pyright: ignore[reportUnknownVariableType] - the object came out of JSON
    return str(value)  # pyright: ignore[reportUnknownArgumentType] - as above


def _one_of(source: Json, *kinds: str) -> tuple[str, Json]:
    for kind in kinds:
        if kind in source:
            return kind, source[kind]
    raise ConfigError(f"the node agent knows no {', '.join(source)}")
