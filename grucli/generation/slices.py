"""Slices of a length, to read or learn a long text in several calls."""

from collections.abc import Iterator

PREFILL_TOKENS = 1024
"""Tokens to read per call, so that Ctrl-C is handled in between."""


def slices(length: int, size: int = PREFILL_TOKENS) -> Iterator[slice]:
    """Return the consecutive slices of a length; the last one may be shorter than `size`."""
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
