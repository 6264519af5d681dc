"""What the methods of ApiClient return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

@dataclass(frozen=True)
class Ack:
    """The result of a publish. duplicate reports whether the key was used before."""

    position: Optional[str]  # None for a dry run
    subscribers: int
    duplicate: bool = False


@dataclass(frozen=True)
class Page:
    """A page of history: (message, position) pairs, the position of its end, and whether more follows.

    If the page was read backwards, more is whether earlier messages are kept. times has the time of each
    message, in RFC 3339, if it was requested.
    """

    messages: List[Tuple[Any, str]]
    position: str
    more: bool
    times: Optional[List[str]] = None


@dataclass(frozen=True)
class Trace:
    """A message, and which sessions have it. docs/http-api.md of the server explains the members.

    message: None also if the key has only the verb view. by: a dict, or None if the publisher is unknown.
    delivered of subscribers have the message; behind has a dict for each of the others, at most 100.
    nodes: a dict that names the silent nodes of a cluster; None without a cluster.
    """

    channel: str
    position: str
    time: str  # in RFC 3339
    size: int
    message: Any
    by: Optional[Dict[str, Any]]
    delivered: int
    subscribers: int
    behind: List[Dict[str, Any]]
    nodes: Optional[Dict[str, Any]]


@dataclass(frozen=True)
class TailEvent:
    """Something that has happened on the server. docs/http-api.md of the server lists the types and their data."""

    type: str
    data: Dict[str, Any]
