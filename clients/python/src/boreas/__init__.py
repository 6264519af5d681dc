"""The Boreas client for Python 3.8 and later. It needs only the standard library.

ApiClient uses the HTTP API. Subscriber receives messages over server-sent events,
reconnects, and reports missed messages. README.md has examples. The protocol is described
in docs/protocol.md and docs/http-api.md of the server.
"""

from ._api import ApiClient
from ._codes import CODES
from ._error import ApiError
from ._results import Ack, Page, TailEvent, Trace
from ._subscriber import Event, Subscriber

__all__ = ["CODES", "Ack", "ApiClient", "ApiError", "Event", "Page", "Subscriber", "TailEvent", "Trace"]
