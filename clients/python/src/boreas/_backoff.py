"""The waits before a reconnect."""

from __future__ import annotations

import random
import time

# Clause 8.4, in seconds.
_FIRST_BOUND, _LAST_BOUND = 1.0, 30.0  # bounds of the wait before a reconnect
_SOON_BOUND, _SOON = 4.0, 60.0  # the bound while no server answers, and for how long

class Backoff:
    """Random waits, up to a bound that doubles with each failure (clause 8.4)."""

    def __init__(self) -> None:
        self._doublings = 0
        self._began: float | None = None

    def next(self, mute: bool) -> float:
        """Returns the wait after a failure. mute: no server answered."""
        if self._began is None:
            self._began = time.monotonic()
        soon = mute and time.monotonic() - self._began < _SOON
        limit = _SOON_BOUND if soon else _LAST_BOUND
        bound = min(limit, _FIRST_BOUND * 2**self._doublings)
        if bound < limit:
            self._doublings += 1
        return random.uniform(0, bound)
