"""The file that a fetch writes: JSON lines, a page at a time, each page compressed for itself.

Compressed pages are whole frames, one behind the other, which every reader takes for one file. So the output can be cut
after any page, read at any time, and written on.
"""

import bz2
import gzip
import lzma
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from grucli.errors import GruError, UsageError
from grucli.read.sources import COMPRESSIONS, FORMATS
from grucli.reddit.comments import Comment
from grucli.reddit.fetch.state import RESTART_HINT, FetchState, digest, load_state, save_state, state_path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


class FetchOutput:
    """The file at `path`, of which `record` vouches for the first bytes.

    Raises:
        UsageError: it is no name for such a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._compress = _compressor(path)
        self._file: BinaryIO | None = None

    @property
    def is_open(self) -> bool:
        """Whether the file is written by this run; until then it may be an older one."""
        return self._file is not None

    def reopen(self, state: FetchState) -> None:
        """Open what an earlier run wrote, and cut off what nobody vouches for.

        Raises:
            UsageError: it is gone.
            GruError: it is not what was written.
            OSError: the disk failed.
        """
        if state.bytes and not self.path.exists():
            raise UsageError(f"'{self.path}' is gone", f"put it back, or {RESTART_HINT}")
        file = self.path.open("r+b" if self.path.exists() else "x+b")
        try:
            length = file.seek(0, os.SEEK_END)
            file.seek(state.bytes - state.page_bytes)
            if length < state.bytes or digest(file.read(state.page_bytes)) != state.page_digest:
                raise GruError(
                    f"'{self.path}' was changed since it was fetched",
                    "if that was gru purge, --force would bring back what it took out: fetch what is newer into "
                    f"another file, with --after; else {RESTART_HINT}",
                )
            file.truncate(state.bytes)
            file.seek(state.bytes)
        except BaseException:
            file.close()
            raise
        self._file = file

    def start(self, state: FetchState) -> None:
        """Replace the file by an empty one.

        Raises:
            OSError: the disk failed.
        """
        # In this order: whoever goes on from here finds the new record, and cuts away whatever the old file held.
        save_state(self.path, state)
        self._file = self.path.open("w+b")

    def append(self, comments: Iterable[Comment]) -> bytes:
        """Write a page and force it to the disk; its bytes.

        Raises:
            OSError: the disk failed.
        """
        assert self._file is not None
        page = self._compress(b"".join(msgspec.json.encode(comment) + b"\n" for comment in comments))
        self._file.write(page)
        self._file.flush()
        os.fsync(self._file.fileno())
        return page

    def close(self) -> FetchState | None:
        """Leave whole pages behind, those that the record on the disk vouches for; that record, where it can be read.

        Ctrl-C may have come after a page, or even its record, was written, and before anybody took note of it.
        """
        file, self._file = self._file, None
        if file is None:
            return None
        try:
            with suppress(OSError, GruError):
                state = load_state(self.path)
                if state is not None:
                    _truncate(file, state.bytes)
                return state
        finally:
            with suppress(OSError):
                file.close()
        return None

    def missing_state_error(self) -> UsageError:
        """The error for a file without a record."""
        return UsageError(
            f"nothing is known of how '{self.path}' was fetched: '{state_path(self.path)}' is missing", RESTART_HINT
        )


def _truncate(file: BinaryIO, length: int) -> None:
    """Shorten a file, what it has still to write included; on a full disk that cannot be written, and need not be."""
    with suppress(OSError):
        file.flush()
    file.truncate(length)


def _compressor(path: Path) -> Callable[[bytes], bytes]:
    """How the pages of an output are compressed, by its suffix.

    Raises:
        UsageError: it is not one of those that hold comments as they are fetched, or a folder is called so.
    """
    suffix = path.suffix.lower()
    compression = suffix if suffix in COMPRESSIONS else ""
    inner_suffix = Path(path.stem).suffix.lower() if compression else suffix
    if FORMATS.get(inner_suffix) != "jsonl":
        raise UsageError(
            f"-o: '{path}' does not end like a file of JSON lines", "call it NAME.jsonl, or NAME.jsonl.zst to save room"
        )
    if path.is_dir():
        raise UsageError(f"-o: '{path}' is a folder", "name a file to write")
    return _COMPRESS[compression]
