"""Batches of a token file: for training as a pure function of (seed, epoch, step), and windows for evaluation.

Arrays are time-major, [T, B]: row t holds step t of all lanes. A lane reads its own part of the file from window to
window, so that its state can be carried (truncated backpropagation through time, Williams and Peng 1990,
doi:10.1162/neco.1990.2.4.490); `reset_mask` marks the steps before which a document begins and the state becomes zero.
Training has no padding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.errors import EmptyInputError
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import EOS

BURN_IN = 512
"""Tokens that an evaluation lane reads, unscored, before its first target, if it begins inside a text."""

_BOUNDARY_SEARCH_TOKENS = 1 << 16  # after an even split, searched for the beginning of a document
_MIN_LANE_TOKENS = 4 * BURN_IN
_DROP_CACHE_EVERY_STEPS = 256


@dataclass(frozen=True, slots=True)
class TrainBatch:
    """One window per lane.

    inputs, targets int32 [T, B]: each target follows its input. reset_mask bool [T, B]: the input is EOS; the state
    becomes zero before this step. is_epoch_start: no state is carried into this window.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    reset_mask: NDArray[np.bool_]
    is_epoch_start: bool


@dataclass(frozen=True, slots=True)
class EvalBatch:
    """One window per evaluation lane, as `TrainBatch`; loss_mask float32 [T, B]: 1 where the target counts, else 0."""

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    reset_mask: NDArray[np.bool_]
    loss_mask: NDArray[np.float32]
    is_epoch_start: bool


@dataclass(frozen=True, slots=True)
class EvalWindow(EvalBatch):
    """A batch with the places of its inputs in the file; positions int64 [T, B], those of padding beyond the last."""

    positions: NDArray[np.int64]


class BatchLoader:
    """Training batches of a token file: B lanes of T steps; `steps_per_epoch` batches cover it about once.

    Splits the token ring into B equal contiguous lanes. Each epoch rotates the ring by a random offset, so that window
    borders and the remainder without a window differ.
    """

    def __init__(self, tokens: TokenFile, B: int, T: int, seed: int) -> None:
        """Split `tokens` into `B` lanes.

        Raises:
            EmptyInputError: the file is shorter than one window.
        """
        if tokens.tokens <= T:
            raise EmptyInputError(
                f"the corpus is shorter than one window: {tokens.tokens} of {T + 1} tokens",
                "train on more text, or use a smaller --seq",
            )
        self.steps_per_epoch = max(1, tokens.tokens // (B * T))
        self._tokens = tokens
        self._T = T
        self._seed = seed
        self._lanes = np.arange(B, dtype=np.int64) * tokens.tokens // B

    def get_batch(self, step: int) -> TrainBatch:
        """Return the batch of a step, counted from 0 over all epochs: a pure function of the arguments and the seed.

        Raises:
            GruError: the token file is corrupt.
        """
        epoch, window = divmod(step, self.steps_per_epoch)
        # Only the raw output of Philox (doi:10.1145/2063384.2063405) is the same in all versions of NumPy.
        rotation = np.random.Philox(key=np.array([self._seed % (1 << 64), epoch], dtype=np.uint64)).random_raw()
        starts = self._lanes + int(rotation) % self._tokens.tokens + window * self._T
        ids = self._tokens.read((starts + np.arange(self._T + 1, dtype=np.int64)[:, None]) % self._tokens.tokens)
        if step % _DROP_CACHE_EVERY_STEPS == 0:
            self._tokens.drop_page_cache()
        inputs = ids[:-1]
        return TrainBatch(inputs=inputs, targets=ids[1:], reset_mask=inputs == EOS, is_epoch_start=window == 0)


def eval_windows(tokens: TokenFile, B: int, T: int) -> Iterator[EvalWindow]:
    """Yield every token of a file as a target exactly once, in windows [T, B] that carry their state to the next.

    The initial state is zero. Lanes begin where a document does, or, inside a running text, after `BURN_IN` tokens that
    do not count. Lanes of different length, and unused ones, are padded with EOS of weight 0. The EOS after a running
    text is not a target; that after a comment is.

    Raises:
        GruError: the token file is corrupt.
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
        inputs = np.where(in_range, tokens.read(positions % tokens.tokens), np.int32(EOS))
        targets = np.where(in_range, tokens.read((positions + 1) % tokens.tokens), np.int32(EOS))
        loss_mask = (in_range & (positions >= begins)).astype(np.float32)
        yield EvalWindow(
            inputs=inputs,
            targets=targets,
            reset_mask=inputs == EOS,
            loss_mask=loss_mask,
            is_epoch_start=window == 0,
            positions=positions,
        )
        if window % _DROP_CACHE_EVERY_STEPS == _DROP_CACHE_EVERY_STEPS - 1:
            tokens.drop_page_cache()


def _lane_boundaries(tokens: TokenFile, B: int, T: int, total: int) -> NDArray[np.int64]:
    """The boundaries of the lanes, int64 [B + 1], from 0 to `total`; unused lanes are empty, at the end.

    A boundary in the last comment, with no document after it, stays at `total`.
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
