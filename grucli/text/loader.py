"""Windows of a token file: the batches of training, as a pure function of (seed, epoch, step), and those of scoring.

Arrays are time-major, [T, B]: step t of every batch row stands together. A row (lane) reads its own stretch of the
file from window to window, so that its state can be carried; `resets` says where a document begins and the state must
become zero before that step. Nothing is padded in training.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.errors import GruError, NothingToDoError
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import END

BURN_IN = 512
"""Tokens that a scoring lane reads, unscored, before its first one, where it must start inside a text."""

_NEAREST = 1 << 16
"""Tokens searched for a document's beginning behind the even cut between two scoring lanes."""

_LEAST_LANE = 4 * BURN_IN
_RELEASE_EVERY = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """One window of every lane.

    `inputs`, `targets` int32 [T, B]: each target is the token after its input. `resets` bool [T, B]: the input is END,
    the state becomes zero before this step. `fresh`: the first window of an epoch, in which no state is carried over.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    resets: NDArray[np.bool_]
    fresh: bool


@dataclass(frozen=True, slots=True)
class ScoringBatch:
    """One window of every scoring lane, as `Batch`; `weights` float32 [T, B] is 1 where the target counts, else 0."""

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    resets: NDArray[np.bool_]
    weights: NDArray[np.float32]


class Batches:
    """The training batches of a token file, `B` lanes of `T` steps; `steps_per_epoch` of them see it about once.

    The lanes cut the ring of tokens into equal stretches. Each epoch turns the ring by an offset of its own, so that
    windows do not fall on the same borders and the remainder that fills no window is another one each time.
    """

    def __init__(self, tokens: TokenFile, B: int, T: int, seed: int) -> None:
        """Cut `tokens` for `B` lanes.

        Raises:
            NothingToDoError: the file is shorter than one window.
        """
        if tokens.tokens <= T:
            raise NothingToDoError(
                f"the corpus has {tokens.tokens} tokens, fewer than one window of {T + 1}",
                "train on more text, or choose a shorter --seq",
            )
        self.steps_per_epoch = max(1, tokens.tokens // (B * T))
        self._tokens = tokens
        self._T = T
        self._seed = seed
        self._lanes = np.arange(B, dtype=np.int64) * tokens.tokens // B

    def at(self, step: int) -> Batch:
        """The batch of `step`, counted from 0 over all epochs. The same arguments give the same batch, always.

        Raises:
            GruError: the token file holds an id that is none.
        """
        epoch, window = divmod(step, self.steps_per_epoch)
        # The raw words of Philox are fixed by its definition; NumPy promises less for what it derives from them.
        turn = np.random.Philox(key=np.array([self._seed % (1 << 64), epoch], dtype=np.uint64)).random_raw()
        starts = self._lanes + int(turn) % self._tokens.tokens + window * self._T
        ids = _read(self._tokens, starts + np.arange(self._T + 1, dtype=np.int64)[:, None])
        if step % _RELEASE_EVERY == 0:
            self._tokens.release()
        inputs = ids[:-1]
        return Batch(inputs=inputs, targets=ids[1:], resets=inputs == END, fresh=window == 0)


def scoring_windows(tokens: TokenFile, B: int, T: int) -> Iterator[ScoringBatch]:
    """Every token of a file as a target exactly once, in windows [T, B] that carry their state from one to the next.

    The consumer starts from a zero state. Lanes begin where a document does, so that none is cut; inside a running
    text, where there is no such place, a lane first reads `BURN_IN` tokens that do not count. Lanes of different
    length, and those a short file has no use for, end in END with weight 0. The END that would follow a running text is
    no part of it and is not predicted; a comment's is.

    Raises:
        GruError: the token file holds an id that is none.
    """
    total = tokens.tokens - 1 if tokens.running_text else tokens.tokens
    cuts = _cuts(tokens, B, T, total)
    begins, ends = cuts[:-1], cuts[1:]
    alone = (tokens.ids[begins % tokens.tokens] == END) | (begins == ends)
    starts = np.where(alone, begins, np.maximum(begins - BURN_IN, 0))
    steps = np.arange(T, dtype=np.int64)[:, None]
    for window in range(-(-int((ends - starts).max()) // T)):
        places = starts + window * T + steps
        inside = places < ends
        inputs = np.where(inside, _read(tokens, places), np.int32(END))
        targets = np.where(inside, _read(tokens, places + 1), np.int32(END))
        weights = (inside & (places >= begins)).astype(np.float32)
        yield ScoringBatch(inputs=inputs, targets=targets, resets=inputs == END, weights=weights)
        if window % _RELEASE_EVERY == _RELEASE_EVERY - 1:
            tokens.release()


def _cuts(tokens: TokenFile, B: int, T: int, total: int) -> NDArray[np.int64]:
    """The borders int64 [B + 1] of the lanes, from 0 to `total`; lanes that are not needed are empty, at the end.

    A border that falls into the last comment has no document behind it: it stays at `total`.
    """
    lanes = min(B, max(1, total // max(T, _LEAST_LANE if tokens.running_text else 1)))
    cuts = np.full(B + 1, total, dtype=np.int64)
    cuts[0] = 0
    for lane in range(1, lanes):
        even = max(total * lane // lanes, int(cuts[lane - 1]))
        found = np.flatnonzero(tokens.ids[even : min(even + _NEAREST, total)] == END)
        if found.size:
            cuts[lane] = even + int(found[0])
        elif tokens.running_text or even + _NEAREST < total:
            cuts[lane] = even
    return cuts


def _read(tokens: TokenFile, places: NDArray[np.int64]) -> NDArray[np.int32]:
    """The ids at `places`, taken around the ring."""
    ids = tokens.ids[places % tokens.tokens].astype(np.int32)
    if int(ids.max()) >= tokens.vocab:
        raise GruError(f"the token file '{tokens.path}' is damaged", "remove it; it is made again from the corpus")
    return ids
