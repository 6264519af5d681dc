"""JSON that restores every message as it was received."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

class _Number(float):
    """A number that Python's float and int cannot hold. It keeps its text, to publish it unchanged."""

    text: str

    def __new__(cls, text: str) -> _Number:
        number = float.__new__(cls, text)
        number.text = text
        return number


def load(text: str | bytes) -> Any:
    """Parses JSON. Numbers that Python cannot hold become infinite floats."""
    return json.loads(text, parse_int=_int, parse_float=_float)


def _int(text: str) -> int | _Number:
    return int(text) if len(text) <= 4000 else _Number(text)  # more digits are a ValueError


def _float(text: str) -> float:
    number = float(text)
    return number if abs(number) != float("inf") else _Number(text)


def dump(value: Any) -> bytes:
    """Encodes JSON. It restores all that _load accepts, including half surrogate pairs."""
    numbers: list[tuple[str, str]] = []
    try:
        # NaN and Infinity are not JSON.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_without_numbers(value, numbers), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        for mark, number in numbers:
            text = text.replace('"%s"' % mark, number)
    # Half of a surrogate pair is not valid UTF-8, but has an escape.
    return re.sub("[\ud800-\udfff]", lambda half: "\\u%04x" % ord(half.group()), text).encode("utf-8")


def _without_numbers(value: Any, numbers: list[tuple[str, str]]) -> Any:
    """Returns a copy of a value with a mark in the place of each _Number."""
    if isinstance(value, _Number):
        numbers.append((uuid.uuid4().hex, value.text))
        return numbers[-1][0]
    if isinstance(value, dict):
        return {k: _without_numbers(v, numbers) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_numbers(v, numbers) for v in value]
    return value
