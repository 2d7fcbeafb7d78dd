"""How far a file of lines is in, while its lots are done out of their order."""

from __future__ import annotations


class Standing:
    """Told of each lot, by the line that it begins with, when it begins and when it ends."""

    def __init__(self) -> None:
        self._under_way: set[int] = set()
        self._failed: int | None = None

    @property
    def first(self) -> int | None:
        """The first line that may not be in, of the lots that began; None where all are in."""
        missing = self._under_way if self._failed is None else {*self._under_way, self._failed}
        return min(missing, default=None)

    def begin(self, line: int) -> None:
        """A lot is given out."""
        self._under_way.add(line)

    def end(self, line: int, interrupted: bool) -> None:
        """It came back; `interrupted` where some of it failed for a reason that passes."""
        self._under_way.discard(line)
        if interrupted:
            self._failed = line if self._failed is None else min(self._failed, line)
