"""Sources that are no ordinary files: pipes that stay silent, and names that are not UTF-8."""

import os
import sys
import threading
from pathlib import Path

import pytest

from grucli.read.sources import read_raw, resolve_source

_SKIP_WITHOUT_FIFOS = pytest.mark.skipif(sys.platform != "linux", reason="a FIFO is opened without waiting on Linux")


class _StopError(Exception):
    """What a progress callback raises to stop reading."""


def stop(count: int) -> None:
    if not count:
        raise _StopError


@_SKIP_WITHOUT_FIFOS
def test_a_silent_pipe_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo = tmp_path / "a.csv"
    os.mkfifo(fifo)
    with pytest.raises(_StopError):
        list(read_raw(resolve_source(str(fifo)), stop))

    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin, os.fdopen(writer, "wb") as pipe:
        monkeypatch.setattr("sys.stdin", stdin)
        pipe.write(b"body\n")
        pipe.flush()
        with pytest.raises(_StopError):
            list(read_raw(resolve_source("-"), stop))


@_SKIP_WITHOUT_FIFOS
def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    fifo, data = tmp_path / "a.csv", os.urandom(300_000)
    os.mkfifo(fifo)
    thread = threading.Thread(target=fifo.write_bytes, args=(data,))
    thread.start()
    assert b"".join(read_raw(resolve_source(str(fifo)), lambda count: None)) == data
    thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_not_utf8_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"bad\xff.csv")
    path.write_bytes(b"body\nhello\n")
    source = resolve_source(str(path))

    assert source.path == path
    assert source.display_name.encode().endswith("bad\ufffd.csv".encode())
