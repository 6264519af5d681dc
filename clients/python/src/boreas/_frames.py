"""The events of a stream (server-sent events)."""

from __future__ import annotations

import http.client
from typing import Any, Callable, Iterator

from ._json import load

_MAX_LINE = 64 << 20

def frames(response: http.client.HTTPResponse, closed: Callable[[], bool]) -> Iterator[tuple[str | None, Any, str | None]]:
    """Yields (type, data, id) of each event of the stream (WHATWG HTML, section 9.2).

    The server ends lines with a newline. A comment is yielded as (None, None, None), so
    that the caller can do work that is due.
    """
    kind = ""
    data: list[str] = []
    event_id: str | None = None
    while not closed():
        raw = response.readline(_MAX_LINE)
        if not raw.endswith(b"\n"):
            return  # the end of the stream; ignore an incomplete event
        line = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        if not line:
            if data:
                try:
                    event = load("\n".join(data))
                except ValueError:
                    raise ConnectionError("an event of the stream is no JSON") from None
                yield kind or "message", event, event_id
            kind, data, event_id = "", [], None
            continue
        field, _, value = line.partition(":")
        if not field:
            yield None, None, None
        value = value[1:] if value.startswith(" ") else value
        if field == "event":
            kind = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            event_id = value
