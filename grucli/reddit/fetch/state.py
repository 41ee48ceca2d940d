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
from grucli.reddit.fetch.comment_source import Cursor, Target

_VERSION = 2
_MAX_STATE_BYTES = 1 << 24
RESTART_HINT = "begin again with --force, or name another file"
"""What to do about a fetch that cannot go on."""


def digest(page: bytes) -> str:
    """What a page in the output is known by."""
    return hashlib.blake2b(page, digest_size=16).hexdigest()


_EMPTY_PAGE_DIGEST = digest(b"")


class TargetState(msgspec.Struct, frozen=True):
    """One subreddit or person: how far its walk has come, and whether it has ended with the whole range seen."""

    name: str
    cursor: Cursor = Cursor()
    fetched: int = 0
    ended: bool = False
    complete: bool = False


class FetchState(msgspec.Struct, frozen=True):
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
    targets: tuple[TargetState, ...]
    after_option: str | None = None
    before_option: str | None = None
    base_url: str | None = None
    bytes: int = 0
    page_bytes: int = 0
    page_digest: str = _EMPTY_PAGE_DIGEST
    pages: int = 0
    retries: int = 0
    first: int | None = None
    last: int | None = None
    scores_not_final: int = 0
    gaps: int = 0
    unreadable: int = 0
    output_started: bool = True
    may_replace: bool = False

    @property
    def fetched(self) -> int:
        """Comments in the output."""
        return sum(entry.fetched for entry in self.targets)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to ask for."""
        return all(entry.ended for entry in self.targets)

    @property
    def complete(self) -> bool:
        """Whether the range was walked to its end, for every name, and nothing kept back or left out."""
        return self.gaps == 0 == self.unreadable and all(entry.ended and entry.complete for entry in self.targets)


def new_state(source: str, after: int, before: int, targets: Sequence[Target]) -> FetchState:
    """A fetch that has not begun."""
    return FetchState(_VERSION, source, after, before, tuple(TargetState(str(target)) for target in targets))


def state_path(output: Path) -> Path:
    """Where the record of the fetch into `output` lies."""
    return output.with_name(output.name + ".fetch.json")


def save_state(output: Path, state: FetchState) -> None:
    """Write the record of the fetch into `output`.

    Raises:
        OSError: the disk failed; the record before is still there.
    """
    atomic_write(state_path(output), msgspec.json.format(msgspec.json.encode(state)) + b"\n")


def read_raw_state(output: Path) -> bytes | None:
    """The record of the fetch into `output` as it lies there, whatever it is worth; None where there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return state_path(output).read_bytes()
    except FileNotFoundError:
        return None


def restore_state(output: Path, raw: bytes | None) -> None:
    """Let the record of the fetch into `output` be what `read_raw_record` gave.

    Raises:
        OSError: the disk failed.
    """
    if raw is None:
        state_path(output).unlink(missing_ok=True)
    else:
        atomic_write(state_path(output), raw)


def remove_stale_temporaries(output: Path) -> None:
    """Remove what a run that was killed while it saved its record may have left. Nobody else may be at it."""
    for leftover in output.parent.glob(f".{glob.escape(state_path(output).name)}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()


def load_state(output: Path) -> FetchState | None:
    """The record of the fetch into `output`; None where there is none.

    Raises:
        GruError: it is damaged, or of another version of this program.
        OSError: it cannot be read.
    """
    path = state_path(output)
    try:
        with path.open("rb") as file:
            state = msgspec.json.decode(file.read(_MAX_STATE_BYTES), type=FetchState)
        for entry in state.targets:
            Target.parse(entry.name)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError, RecursionError, UsageError):
        raise GruError(f"'{path}' is damaged", RESTART_HINT) from None
    if state.version != _VERSION:
        raise GruError(f"'{path}' is of another version of this program", f"go on with that version, or {RESTART_HINT}")
    if not state.targets or not 0 <= state.page_bytes <= state.bytes or not 0 <= state.after < state.before:
        raise GruError(f"'{path}' is damaged", RESTART_HINT)
    return state


def check_compatible(
    output: Path,
    state: FetchState,
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
    was = " ".join(entry.name for entry in state.targets)
    now = " ".join(map(str, targets))
    if targets and {*now.lower().split()} != {*was.lower().split()}:
        raise _mismatch_error(output, was, now)
    if source is not None and source != state.source:
        raise _mismatch_error(output, f"--source {state.source}", f"--source {source}")
    for option, requested, timestamp, typed in (
        ("--after", after, state.after, state.after_option),
        ("--before", before, state.before, state.before_option),
    ):
        if requested is not None and requested[0] != typed and requested[1] != timestamp:
            was = f"no {option}" if typed is None else f"{option} '{typed}'"
            raise _mismatch_error(output, was, f"{option} '{requested[0]}'")


def _mismatch_error(output: Path, was: str, now: str) -> UsageError:
    return UsageError(f"the fetch into '{output}' was begun with {was}, not {now}", "leave that away, or use --force")
