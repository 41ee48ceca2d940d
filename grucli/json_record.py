"""JSON objects of values: what `--json` prints is defined where the value is."""

import dataclasses
import math
import os
from typing import Any, ClassVar


class JsonRecord:
    """Base of dataclasses whose JSON object has their fields, in their order. Override `to_json` for any other form."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def to_json(self) -> dict[str, object]:
        """Return the value as dicts, lists, strings and numbers."""
        return {field.name: to_json(getattr(self, field.name)) for field in dataclasses.fields(self)}


def to_json(value: object) -> object:
    """Convert dataclasses, mappings, sequences and paths to JSON types; a number that is not finite becomes None."""
    if isinstance(value, JsonRecord):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value
