"""State of a fetch, in `OUTPUT.fetch.json` beside its output: the options, and how far it has come.

It is written before the first request, and replaced after every page and every window without comments. It holds the
length of the output; bytes beyond that are of a page that was not completed, and are cut off on resume.
"""

import glob
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from grucli.errors import GruError, UsageError
from grucli.files import atomic_write, open_no_follow
from grucli.reddit.fetch.comment_source import SCORE_SETTLED_AFTER_SECONDS, Cursor, Page, Target, created_second

_VERSION = 2
_MAX_STATE_BYTES = 1 << 24
RESTART_HINT = "restart with --force, or use another file"


def digest(page: bytes) -> str:
    """Return the digest that identifies a page of the output."""
    return hashlib.blake2b(page, digest_size=16).hexdigest()


_EMPTY_PAGE_DIGEST = digest(b"")


class TargetState(msgspec.Struct, frozen=True):
    """Progress of one subreddit or user. `complete`: ended with the whole range seen."""

    name: str
    cursor: Cursor = Cursor()
    fetched: int = 0
    ended: bool = False
    complete: bool = False


class FetchState(msgspec.Struct, frozen=True):
    """A fetch. Times are seconds since 1970.

    `after_option`, `before_option`: as typed, so that the same age means the same time on resume.
    `bytes`: length of the output, of which the last `page_bytes` have the digest `page_digest`.
    `scores_not_final`: comments fetched before their score was final.
    `gaps`: how often the source withheld comments. `unreadable`: rows left out.
    `output_started`: the output belongs to this fetch; before that, `may_replace` permits replacing what is there.
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
    def names(self) -> tuple[str, ...]:
        """The names of the targets, r/NAME or u/NAME."""
        return tuple(target.name for target in self.targets)

    @property
    def fetched(self) -> int:
        """Comments in the output."""
        return sum(target.fetched for target in self.targets)

    @property
    def ended(self) -> bool:
        """True if nothing is left to request."""
        return all(target.ended for target in self.targets)

    @property
    def complete(self) -> bool:
        """True if every comment of every name in the range was fetched."""
        return self.gaps == 0 == self.unreadable and all(target.ended and target.complete for target in self.targets)


def new_state(source: str, after: int, before: int, targets: Sequence[Target]) -> FetchState:
    """Return the state of a fetch before its first request."""
    return FetchState(_VERSION, source, after, before, tuple(TargetState(str(target)) for target in targets))


def after_page(state: FetchState, index: int, page: Page, data: bytes, now: float) -> FetchState:
    """Return the state after a page of target `index`, whose comments were appended to the output as `data`."""
    target = replace(state.targets[index], cursor=page.cursor)
    state = replace(state, unreadable=state.unreadable + page.unreadable)
    if page.comments:
        times = [created_second(comment) for comment in page.comments]
        target = replace(target, fetched=target.fetched + len(times))
        state = replace(
            state,
            bytes=state.bytes + len(data),
            page_bytes=len(data),
            page_digest=digest(data),
            pages=state.pages + 1,
            first=min(times) if state.first is None else min(*times, state.first),
            last=max(times) if state.last is None else max(*times, state.last),
            scores_not_final=state.scores_not_final + sum(time > now - SCORE_SETTLED_AFTER_SECONDS for time in times),
        )
    return _with_target(state, index, target)


def after_end(state: FetchState, index: int, *, complete: bool) -> FetchState:
    """Return the state after the last page of target `index`."""
    return _with_target(state, index, replace(state.targets[index], ended=True, complete=complete))


def _with_target(state: FetchState, index: int, target: TargetState) -> FetchState:
    return replace(state, targets=(*state.targets[:index], target, *state.targets[index + 1 :]))


def state_path(output: Path) -> Path:
    """Return the path of the state of the fetch into `output`."""
    return output.with_name(output.name + ".fetch.json")


def save_state(output: Path, state: FetchState) -> None:
    """Replace the state of the fetch into `output`, atomically.

    Raises:
        OSError: the disk failed; the previous state is unchanged.
    """
    data = msgspec.json.format(msgspec.json.encode(state)) + b"\n"
    atomic_write(state_path(output), data, follow_symlinks=False)


def read_raw_state(output: Path) -> bytes | None:
    """Read the state file of `output` without parsing it; None if there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with open(state_path(output), "rb", opener=open_no_follow) as file:
            return file.read()
    except FileNotFoundError:
        return None


def restore_state(output: Path, raw: bytes | None) -> None:
    """Put back what `read_raw_state` returned.

    Raises:
        OSError: the disk failed.
    """
    if raw is None:
        state_path(output).unlink(missing_ok=True)
    else:
        atomic_write(state_path(output), raw, follow_symlinks=False)


def remove_stale_temporaries(output: Path) -> None:
    """Remove temporary state files that a killed run left. The caller must hold the lock of `output`."""
    for leftover in output.parent.glob(f".{glob.escape(state_path(output).name)}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()


def load_state(output: Path) -> FetchState | None:
    """Load the state of the fetch into `output`; None if there is none.

    Raises:
        GruError: the file is corrupt, or was written by another version of this program.
        OSError: it cannot be read.
    """
    path = state_path(output)
    corrupt = GruError(f"corrupt file: '{path}'", RESTART_HINT)
    try:
        with open(path, "rb", opener=open_no_follow) as file:
            state = msgspec.json.decode(file.read(_MAX_STATE_BYTES), type=FetchState)
        for target in state.targets:
            Target.parse(target.name)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError, RecursionError, UsageError):
        raise corrupt from None
    if state.version != _VERSION:
        raise GruError(f"written by another version of gru: '{path}'", f"use that version, or {RESTART_HINT}")
    if not state.targets or not 0 <= state.page_bytes <= state.bytes or not 0 <= state.after < state.before:
        raise corrupt
    return state


def check_compatible(
    output: Path,
    state: FetchState,
    source: str | None,
    targets: Sequence[Target],
    time_bounds: Sequence[tuple[str, int] | None],
) -> None:
    """Check that the options given on resume are those that the fetch was started with.

    None, or no targets: not given. `time_bounds`: --after and --before, each as typed and in seconds since 1970.

    Raises:
        UsageError: one differs; it is named.
    """
    was, now = " ".join(state.names), " ".join(map(str, targets))
    if targets and {*now.lower().split()} != {*was.lower().split()}:
        raise _mismatch_error(output, was, now)
    if source is not None and source != state.source:
        raise _mismatch_error(output, f"--source {state.source}", f"--source {source}")
    was_bounds = (("--after", state.after, state.after_option), ("--before", state.before, state.before_option))
    for (option, timestamp, typed), given in zip(was_bounds, time_bounds, strict=True):
        if given is not None and given[0] != typed and given[1] != timestamp:
            was = f"no {option}" if typed is None else f"{option} '{typed}'"
            raise _mismatch_error(output, was, f"{option} '{given[0]}'")


def _mismatch_error(output: Path, was: str, now: str) -> UsageError:
    return UsageError(f"'{output}' was started with {was}, not {now}", "drop the option, or use --force")
