"""Output of a fetch: JSON lines, written in pages that are compressed separately.

Compressed pages are complete frames, concatenated, which readers take for one file. So the output can be truncated
after any page, read at any time, and appended to.
"""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from grucli.errors import GruError, UsageError
from grucli.files import PRIVATE, copy_permissions, fsync_dir, temporary_path
from grucli.read.sources import FORMATS, split_suffixes
from grucli.read.zstd import zstd
from grucli.reddit.comments import Comment
from grucli.reddit.fetch.state import RESTART_HINT, FetchState, digest, load_state, save_state

_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


class FetchOutput:
    """The output file at `path`.

    Raises:
        UsageError: the suffix is not one of JSON lines, or the path is a directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._compress = _compressor(path)
        self._file: BinaryIO | None = None
        self._temporary: Path | None = None

    @property
    def is_open(self) -> bool:
        """True if this run writes the file; until then it may be an older one."""
        return self._file is not None

    def reopen(self, state: FetchState) -> None:
        """Open the output of an earlier run, and truncate it to the length in its state.

        Raises:
            UsageError: the file is missing.
            GruError: its content has changed.
            OSError: the disk failed.
        """
        if state.bytes and not self.path.exists():
            raise UsageError(f"no such file: '{self.path}'", f"put it back, or {RESTART_HINT}")
        file = self.path.open("r+b" if self.path.exists() else "x+b")
        try:
            length = file.seek(0, os.SEEK_END)
            file.seek(state.bytes - state.page_bytes)
            if length < state.bytes or digest(file.read(state.page_bytes)) != state.page_digest:
                raise GruError(
                    f"'{self.path}' was changed after it was fetched",
                    "if gru purge changed it, --force would fetch the removed comments again: fetch newer ones into "
                    f"another file, with --after; otherwise {RESTART_HINT}",
                )
            file.truncate(state.bytes)
            file.seek(state.bytes)
        except BaseException:
            file.close()
            raise
        self._file = file

    def start(self, state: FetchState) -> None:
        """Begin a new output. An earlier file is replaced with the first page, whole; until then it stays.

        Raises:
            OSError: the disk failed.
        """
        if self.path.is_file():
            self._temporary = temporary_path(Path(os.path.realpath(self.path)))
            self._temporary.touch(PRIVATE, exist_ok=False)
            self._file = self._temporary.open("w+b")
            return
        # In this order: a resumed run finds the state of the file.
        save_state(self.path, state)
        self._file = self.path.open("w+b")

    def append(self, comments: Iterable[Comment]) -> bytes:
        """Write a page, force it to the disk, and return its bytes.

        Raises:
            OSError: the disk failed.
        """
        assert self._file is not None
        page = self._compress(b"".join(msgspec.json.encode(comment) + b"\n" for comment in comments))
        self._file.write(page)
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._temporary is not None:
            self._file.close()  # Windows renames no open file
            self._file = self._replace_earlier_file(self._temporary)
            self._temporary = None
        return page

    def _replace_earlier_file(self, temporary: Path) -> BinaryIO:
        target = Path(os.path.realpath(self.path))
        copy_permissions(target, temporary)
        temporary.replace(target)
        fsync_dir(target.parent)
        file = target.open("r+b")
        file.seek(0, os.SEEK_END)
        return file

    def close(self) -> FetchState | None:
        """Truncate the output to the length in the state on disk, and return that state if it can be read.

        It may be ahead of the caller's: Ctrl-C may have come right after it was saved.
        """
        file, self._file = self._file, None
        if file is None:
            return None
        if self._temporary is not None:  # no page of it is complete
            with suppress(OSError):
                file.close()
                self._temporary.unlink()
            return None
        try:
            with suppress(OSError, GruError):
                state = load_state(self.path)
                if state is not None and state.output_started:
                    _truncate(file, state.bytes)
                return state
            return None
        finally:
            with suppress(OSError):
                file.close()


def _truncate(file: BinaryIO, length: int) -> None:
    with suppress(OSError):  # a full disk: the buffered bytes are cut off anyway
        file.flush()
    file.truncate(length)


def _compressor(path: Path) -> Callable[[bytes], bytes]:
    suffix, compression = split_suffixes(path)
    if FORMATS.get(suffix) != "jsonl":
        raise UsageError(f"-o: not a file of JSON lines: '{path}'", "name it NAME.jsonl or NAME.jsonl.zst")
    if path.is_dir():
        raise UsageError(f"-o: is a directory: '{path}'", "name a file")
    return _COMPRESS[compression]
