"""Places of a corpus where the state is most like that of a span of a text (LSTMVis; Strobelt 2018, arXiv:1606.07461).

Alike is the cosine of what the highest layer outputs, less its mean over the text: units that are always on or off tell
nothing.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.engine.decoder import CpuDecoder
from grucli.inspection.trace import Trace
from grucli.json_record import JsonRecord
from grucli.kernels.arrays import Float32
from grucli.text.token_file import TokenFile

_LANES, _WINDOW = 64, 64
_BURN_IN = 64  # tokens that a lane reads before its first place
_MIN_DISTANCE = 32  # tokens between two places
_SPARE = 8  # places kept for one that is returned: neighbors are dropped at the end
_BEFORE, _AFTER = 40, 20  # tokens that are shown
_PLACES = 10


@dataclass(frozen=True, slots=True)
class SimilarPlace(JsonRecord):
    """A place: the text before and after it, the cosine, and its position in the corpus in tokens."""

    before: str
    after: str
    cosine: float
    position: int


def similar_places(trace: Trace, start: int, end: int, tokens: TokenFile, count: int = _PLACES) -> list[SimilarPlace]:
    """Return the `count` places of `tokens` most like tokens [start, end) of a trace, the most similar first."""
    outputs = trace.outputs(-1)
    mean = outputs.mean(axis=0)
    wanted = outputs[start:end].mean(axis=0) - mean
    wanted = (wanted / max(float(np.linalg.norm(wanted)), 1e-12)).astype(np.float32)
    candidates = count * _SPARE
    best: list[tuple[float, int]] = []
    for cosines, positions in _cosines(trace, tokens, wanted, mean):
        top = np.argsort(-cosines)[:candidates]
        found = zip(cosines[top].tolist(), positions[top].tolist(), strict=True)
        best = heapq.nlargest(candidates, [*best, *found])
    places: list[tuple[float, int]] = []
    for cosine, position in best:
        if len(places) == count:
            break
        if all(abs(position - other) >= _MIN_DISTANCE for _, other in places):
            places.append((cosine, position))
    decode = trace.weights.tokenizer.decode
    return [
        SimilarPlace(
            decode(tokens.read(slice(max(position + 1 - _BEFORE, 0), position + 1)).tolist()),
            decode(tokens.read(slice(position + 1, position + 1 + _AFTER)).tolist()),
            cosine,
            position,
        )
        for cosine, position in places
    ]


def _cosines(
    trace: Trace, tokens: TokenFile, wanted: Float32, mean: Float32
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield cosines with the positions of their tokens, float32 and int64 [n], each token of the corpus once."""
    sizes, lanes = trace.weights.sizes, min(_LANES, max(tokens.tokens // _WINDOW, 1))
    decoder = CpuDecoder(sizes, trace.weights.arrays, quantized=True)
    begins = np.arange(lanes + 1, dtype=np.int64) * tokens.tokens // lanes
    starts, ends = np.maximum(begins[:-1] - _BURN_IN, 0), begins[1:]
    state = np.zeros((sizes.L, lanes, trace.cell.width(sizes.H)), np.float32)
    outputs = np.empty((_WINDOW, lanes, sizes.H), np.float32)
    for window in range(-(-int((ends - starts).max()) // _WINDOW)):
        positions = starts + window * _WINDOW + np.arange(_WINDOW, dtype=np.int64)[:, None]
        decoder.prefill(tokens.read(np.minimum(positions, tokens.tokens - 1)), state, outputs)
        is_counted = (positions >= begins[:-1]) & (positions < ends)
        centered = outputs[is_counted] - mean
        norms = np.maximum(np.linalg.norm(centered, axis=1), np.float32(1e-12))
        yield centered @ wanted / norms, positions[is_counted]
        tokens.drop_page_cache()
