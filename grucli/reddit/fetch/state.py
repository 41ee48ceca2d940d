"""What is known of a fetch beside its output, in `OUTPUT.fetch.json`: what was asked for, and how far it has come.

It is written before the first request, and anew, whole, after every page and every time without comments, with the
length that the output has then. Whatever is in the output beyond that is a page which nobody vouches for, and is cut
off before the fetch goes on.
"""

import glob
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from grucli.errors import GruError, UsageError
from grucli.files import atomic_write
from grucli.reddit.fetch.comment_source import Position, Target

_VERSION = 1
_LARGEST = 1 << 24
BEGIN_AGAIN = "begin again with --force, or name another file"
"""What to do about a fetch that cannot go on."""


def digest(page: bytes) -> str:
    """What a page in the output is known by."""
    return hashlib.blake2b(page, digest_size=16).hexdigest()


_NO_PAGE = digest(b"")


class NameRecord(msgspec.Struct, frozen=True):
    """One subreddit or person: how far its walk has come, and whether it has ended with the whole range seen."""

    name: str
    position: Position = Position()
    fetched: int = 0
    ended: bool = False
    covered: bool = False


class Record(msgspec.Struct, frozen=True):
    """A fetch. Times are seconds since 1970.

    `asked_after`, `asked_before`: as they were typed, so that the same age means the same time when it goes on.
    `bytes`: length of the output; its last `page_bytes` have the digest `page_digest`. `unsettled`: comments whose
    score may have changed since they were fetched. `gaps`: how often the source kept comments back. `lost`: comments
    that could not be read. `begun`: the output
    is this fetch's; before that, `replaces` says that what is there instead may be replaced.
    """

    version: int
    source: str
    after: int
    before: int
    names: tuple[NameRecord, ...]
    asked_after: str | None = None
    asked_before: str | None = None
    address: str | None = None
    bytes: int = 0
    page_bytes: int = 0
    page_digest: str = _NO_PAGE
    pages: int = 0
    retries: int = 0
    first: int | None = None
    last: int | None = None
    unsettled: int = 0
    gaps: int = 0
    lost: int = 0
    begun: bool = True
    replaces: bool = False

    @property
    def fetched(self) -> int:
        """Comments in the output."""
        return sum(entry.fetched for entry in self.names)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to ask for."""
        return all(entry.ended for entry in self.names)

    @property
    def complete(self) -> bool:
        """Whether the range was walked to its end, for every name, and nothing kept back or left out."""
        return self.gaps == 0 == self.lost and all(entry.ended and entry.covered for entry in self.names)


def new_record(source: str, after: int, before: int, targets: Sequence[Target]) -> Record:
    """A fetch that has not begun."""
    return Record(_VERSION, source, after, before, tuple(NameRecord(str(target)) for target in targets))


def record_path(output: Path) -> Path:
    """Where the record of the fetch into `output` lies."""
    return output.with_name(output.name + ".fetch.json")


def save_record(output: Path, record: Record) -> None:
    """Write the record of the fetch into `output`.

    Raises:
        OSError: the disk failed; the record before is still there.
    """
    atomic_write(record_path(output), msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def read_raw_record(output: Path) -> bytes | None:
    """The record of the fetch into `output` as it lies there, whatever it is worth; None where there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return record_path(output).read_bytes()
    except FileNotFoundError:
        return None


def put_back_record(output: Path, raw: bytes | None) -> None:
    """Let the record of the fetch into `output` be what `read_raw_record` gave.

    Raises:
        OSError: the disk failed.
    """
    if raw is None:
        record_path(output).unlink(missing_ok=True)
    else:
        atomic_write(record_path(output), raw)


def sweep(output: Path) -> None:
    """Remove what a run that was killed while it saved its record may have left. Nobody else may be at it."""
    for leftover in output.parent.glob(f".{glob.escape(record_path(output).name)}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()


def load_record(output: Path) -> Record | None:
    """The record of the fetch into `output`; None where there is none.

    Raises:
        GruError: it is damaged, or of another version of this program.
        OSError: it cannot be read.
    """
    path = record_path(output)
    try:
        with path.open("rb") as file:
            record = msgspec.json.decode(file.read(_LARGEST), type=Record)
        for entry in record.names:
            Target.parse(entry.name)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError, RecursionError, UsageError):
        raise GruError(f"'{path}' is damaged", BEGIN_AGAIN) from None
    if record.version != _VERSION:
        raise GruError(f"'{path}' is of another version of this program", f"go on with that version, or {BEGIN_AGAIN}")
    if not record.names or not 0 <= record.page_bytes <= record.bytes or not 0 <= record.after < record.before:
        raise GruError(f"'{path}' is damaged", BEGIN_AGAIN)
    return record


def check_same(
    output: Path,
    record: Record,
    *,
    source: str | None,
    targets: Sequence[Target],
    after: tuple[str, int] | None,
    before: tuple[str, int] | None,
) -> None:
    """See that what is asked for now is what the fetch was begun with. What is None, or empty, was not asked for.

    `after` and `before`: as typed, and what that means now.

    Raises:
        UsageError: it is not; the difference is named.
    """
    was = " ".join(entry.name for entry in record.names)
    now = " ".join(map(str, targets))
    if targets and {*now.lower().split()} != {*was.lower().split()}:
        raise _differs(output, was, now)
    if source is not None and source != record.source:
        raise _differs(output, f"--source {record.source}", f"--source {source}")
    for option, asked, moment, typed in (
        ("--after", after, record.after, record.asked_after),
        ("--before", before, record.before, record.asked_before),
    ):
        if asked is not None and asked[0] != typed and asked[1] != moment:
            was = f"no {option}" if typed is None else f"{option} '{typed}'"
            raise _differs(output, was, f"{option} '{asked[0]}'")


def _differs(output: Path, was: str, now: str) -> UsageError:
    return UsageError(f"the fetch into '{output}' was begun with {was}, not {now}", "leave that away, or use --force")
