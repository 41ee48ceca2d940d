"""A disk that fails at a chosen moment: the n-th write, fsync or rename from now on raises."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Faults:
    """Counts what a save asks of the disk, and lets the `fatal`-th request fail with the error number `code`."""

    def __init__(self, fatal: int, code: int) -> None:
        self.fatal = fatal
        self.code = code
        self.seen: list[str] = []

    def pass_or_fail(self, request: str) -> None:
        self.seen.append(request)
        if len(self.seen) == self.fatal:
            raise OSError(self.code, os.strerror(self.code))

    @property
    def happened(self) -> bool:
        return len(self.seen) >= self.fatal


class _Raw(io.FileIO):
    faults: Faults

    def write(self, data: Any) -> int:
        self.faults.pass_or_fail("write")
        return super().write(data) or 0


@contextmanager
def failing_disk(fatal: int, code: int) -> Iterator[Faults]:
    """Let the `fatal`-th (from 1) write, fsync or rename inside the block fail."""
    faults = Faults(fatal, code)
    open_really = Path.open

    def opened(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode not in {"xb", "wb"}:
            return open_really(path, mode, *arguments, **options)
        raw = _Raw(path, mode.replace("b", ""))
        raw.faults = faults
        return io.BufferedWriter(raw)

    def before(request: str, really: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            faults.pass_or_fail(request)
            really(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", opened)
        patch.setattr(os, "fsync", before("fsync", os.fsync))
        patch.setattr(os, "replace", before("replace", os.replace))
        yield faults


@contextmanager
def no_room() -> Iterator[None]:
    """Let the system take no byte for any file inside the block, as a full disk does; POSIX only."""
    if sys.platform == "win32":
        raise RuntimeError("there are no such limits on Windows")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
