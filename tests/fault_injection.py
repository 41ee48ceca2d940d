"""A disk that fails at a chosen moment: the n-th write, fsync or rename from now on raises."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class FaultInjector:
    """Counts what a save asks of the disk, and lets request `fail_at` fail with an error number or any exception."""

    def __init__(self, fail_at: int, error: int | BaseException) -> None:
        self.fail_at = fail_at
        self.error = OSError(error, os.strerror(error)) if isinstance(error, int) else error
        self.requests: list[str] = []

    def count(self, request: str) -> None:
        self.requests.append(request)
        if len(self.requests) == self.fail_at:
            raise self.error

    @property
    def triggered(self) -> bool:
        return len(self.requests) >= self.fail_at


class _FaultyFile(io.FileIO):
    injector: FaultInjector

    def write(self, data: Any) -> int:
        self.injector.count("write")
        return super().write(data) or 0


@contextmanager
def failing_disk(fail_at: int, error: int | BaseException) -> Iterator[FaultInjector]:
    """Let write, fsync or rename number `fail_at` (from 1) inside the block fail."""
    injector = FaultInjector(fail_at, error)
    original_open = Path.open

    def open_faulty(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode not in {"xb", "wb"}:
            return original_open(path, mode, *arguments, **options)
        raw = _FaultyFile(path, mode.replace("b", ""))
        raw.injector = injector
        return io.BufferedWriter(raw)

    def fail_before(request: str, original: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            injector.count(request)
            original(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", open_faulty)
        patch.setattr(os, "fsync", fail_before("fsync", os.fsync))
        patch.setattr(os, "replace", fail_before("replace", os.replace))
        yield injector


@contextmanager
def disk_full() -> Iterator[None]:
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
