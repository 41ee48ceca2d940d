"""Windows of a token file: the batches of training, as a pure function of (seed, epoch, step), and those of scoring.

Arrays are time-major, [T, B]: step t of every batch row stands together. A row (lane) reads its own stretch of the
file from window to window, so that its state can be carried; `resets` says where a document begins and the state must
become zero before that step. Nothing is padded in training.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.errors import EmptyInputError, GruError
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import EOS

BURN_IN = 512
"""Tokens that a scoring lane reads, unscored, before its first one, where it must start inside a text."""

_BOUNDARY_SEARCH_TOKENS = 1 << 16
"""Tokens searched for a document's beginning behind the even cut between two scoring lanes."""

_MIN_LANE_TOKENS = 4 * BURN_IN
_DROP_CACHE_EVERY_STEPS = 256


@dataclass(frozen=True, slots=True)
class TrainBatch:
    """One window of every lane.

    `inputs`, `targets` int32 [T, B]: each target is the token after its input. `resets` bool [T, B]: the input is END,
    the state becomes zero before this step. `fresh`: the first window of an epoch, in which no state is carried over.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    reset_mask: NDArray[np.bool_]
    is_epoch_start: bool


@dataclass(frozen=True, slots=True)
class EvalBatch:
    """One window of every scoring lane, as `Batch`; `weights` float32 [T, B] is 1 where the target counts, else 0."""

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    reset_mask: NDArray[np.bool_]
    loss_mask: NDArray[np.float32]
    is_epoch_start: bool


class BatchLoader:
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
            raise EmptyInputError(
                f"the corpus has {tokens.tokens} tokens, fewer than one window of {T + 1}",
                "train on more text, or choose a shorter --seq",
            )
        self.steps_per_epoch = max(1, tokens.tokens // (B * T))
        self._tokens = tokens
        self._T = T
        self._seed = seed
        self._lanes = np.arange(B, dtype=np.int64) * tokens.tokens // B

    def get_batch(self, step: int) -> TrainBatch:
        """The batch of `step`, counted from 0 over all epochs. The same arguments give the same batch, always.

        Raises:
            GruError: the token file holds an id that is none.
        """
        epoch, window = divmod(step, self.steps_per_epoch)
        # The raw words of Philox are fixed by its definition; NumPy promises less for what it derives from them.
        rotation = np.random.Philox(key=np.array([self._seed % (1 << 64), epoch], dtype=np.uint64)).random_raw()
        starts = self._lanes + int(rotation) % self._tokens.tokens + window * self._T
        ids = _read_tokens(self._tokens, starts + np.arange(self._T + 1, dtype=np.int64)[:, None])
        if step % _DROP_CACHE_EVERY_STEPS == 0:
            self._tokens.drop_page_cache()
        inputs = ids[:-1]
        return TrainBatch(inputs=inputs, targets=ids[1:], reset_mask=inputs == EOS, is_epoch_start=window == 0)


def eval_windows(tokens: TokenFile, B: int, T: int) -> Iterator[EvalBatch]:
    """Every token of a file as a target exactly once, in windows [T, B] that carry their state from one to the next.

    The consumer starts from a zero state. Lanes begin where a document does, so that none is cut; inside a running
    text, where there is no such place, a lane first reads `BURN_IN` tokens that do not count. Lanes of different
    length, and those a short file has no use for, end in END with weight 0. The END that would follow a running text is
    no part of it and is not predicted; a comment's is.

    Raises:
        GruError: the token file holds an id that is none.
    """
    total = tokens.tokens - 1 if tokens.running_text else tokens.tokens
    boundaries = _lane_boundaries(tokens, B, T, total)
    begins, ends = boundaries[:-1], boundaries[1:]
    no_burn_in = (tokens.ids[begins % tokens.tokens] == EOS) | (begins == ends)
    starts = np.where(no_burn_in, begins, np.maximum(begins - BURN_IN, 0))
    steps = np.arange(T, dtype=np.int64)[:, None]
    for window in range(-(-int((ends - starts).max()) // T)):
        positions = starts + window * T + steps
        in_range = positions < ends
        inputs = np.where(in_range, _read_tokens(tokens, positions), np.int32(EOS))
        targets = np.where(in_range, _read_tokens(tokens, positions + 1), np.int32(EOS))
        loss_mask = (in_range & (positions >= begins)).astype(np.float32)
        yield EvalBatch(
            inputs=inputs,
            targets=targets,
            reset_mask=inputs == EOS,
            loss_mask=loss_mask,
            is_epoch_start=window == 0,
        )
        if window % _DROP_CACHE_EVERY_STEPS == _DROP_CACHE_EVERY_STEPS - 1:
            tokens.drop_page_cache()


def _lane_boundaries(tokens: TokenFile, B: int, T: int, total: int) -> NDArray[np.int64]:
    """The borders int64 [B + 1] of the lanes, from 0 to `total`; lanes that are not needed are empty, at the end.

    A border that falls into the last comment has no document behind it: it stays at `total`.
    """
    lanes = min(B, max(1, total // max(T, _MIN_LANE_TOKENS if tokens.running_text else 1)))
    boundaries = np.full(B + 1, total, dtype=np.int64)
    boundaries[0] = 0
    for lane in range(1, lanes):
        even_split = max(total * lane // lanes, int(boundaries[lane - 1]))
        matches = np.flatnonzero(tokens.ids[even_split : min(even_split + _BOUNDARY_SEARCH_TOKENS, total)] == EOS)
        if matches.size:
            boundaries[lane] = even_split + int(matches[0])
        elif tokens.running_text or even_split + _BOUNDARY_SEARCH_TOKENS < total:
            boundaries[lane] = even_split
    return boundaries


def _read_tokens(tokens: TokenFile, positions: NDArray[np.int64]) -> NDArray[np.int32]:
    """The ids at `places`, taken around the ring."""
    ids = tokens.ids[positions % tokens.tokens].astype(np.int32)
    if int(ids.max()) >= tokens.vocab:
        raise GruError(f"the token file '{tokens.path}' is damaged", "remove it; it is made again from the corpus")
    return ids
