"""Context gain: the bits that a reply of a conversation gains from the turns before it.

A reply is a turn that is not the first of its conversation; its context is the one to three turns before it. Its gain
is bits(reply | other context) - bits(reply | its own context), where the other context is that of a reply in another
conversation with as many turns before it. The tokens of the reply and its end token count. Both contexts are read as
the beginning of a conversation.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.engine.protocol import Scorer
from grucli.errors import EmptyInputError
from grucli.generation.confidence_interval import mean_interval
from grucli.generation.slices import slices
from grucli.model.figures import ContextGain
from grucli.progress import Progress, ignore_progress, report_sum
from grucli.text.loader import EvalBatch
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import EOS, EOT

MAX_CONTEXT_TURNS = 3
MAX_REPLIES = 1000
_MIN_TRAINING_REPLIES, _MAX_TRAINING_REPLIES = 32, 256
_TRAINING_STRIDE = 200
"""Replies of the validation split per reply of the sample: two contexts and two replies are 8 turns, so the gain costs
4 % of an evaluation."""

_LANES, _WINDOW = 32, 64
_REPLIES_PER_PASS = 128  # bounds the memory
_SEED = 1

_Positions = NDArray[np.int64]


class ReplySample(NamedTuple):
    """Replies of a token file, as positions in it, int64 [n] each.

    begins: the border before the context. replies: the border before the reply. ends: the border after the reply.
    other_begins, other_replies: `begins` and `replies` of a reply in another conversation, whose context is taken.
    """

    begins: _Positions
    replies: _Positions
    ends: _Positions
    other_begins: _Positions
    other_replies: _Positions


def sample_replies(tokens: TokenFile, max_replies: int = MAX_REPLIES) -> ReplySample:
    """Return up to `max_replies` replies, spread evenly over the file, each with the context of another conversation.

    A reply is left out if no other conversation of the sample has a reply with as many turns before it. The sample
    depends on the file and `max_replies` alone.

    Raises:
        EmptyInputError: there are not two such replies.
    """
    return _sample_replies(tokens, _count_replies(tokens), max_replies)


def training_sample(tokens: TokenFile) -> ReplySample | None:
    """Return a small sample of a validation split; None if it has too few replies."""
    if not tokens.conversations:
        return None
    counts = _count_replies(tokens)
    max_replies = min(max(sum(counts) // _TRAINING_STRIDE, _MIN_TRAINING_REPLIES), _MAX_TRAINING_REPLIES)
    try:
        return _sample_replies(tokens, counts, max_replies)
    except EmptyInputError:
        return None


def measure_context_gain(
    scorer: Scorer, tokens: TokenFile, sample: ReplySample, on_progress: Progress = ignore_progress
) -> ContextGain:
    """Return the gain of a sample of `tokens`: its mean in bits per reply, with a 95 % interval of normal theory.

    Raises:
        GruError: the token file is corrupt.
    """
    count = len(sample.replies)
    nats, add = np.empty((2, count)), report_sum(on_progress, "measuring what replies gain from their context", count)
    for part in slices(count, _REPLIES_PER_PASS):
        begins, replies, ends, other_begins, other_replies = (positions[part] for positions in sample)
        rows = [
            _read_row(tokens, *spans)
            for context in ((begins, replies), (other_begins, other_replies))
            for spans in zip(*context, replies, ends, strict=True)
        ]
        nats[:, part] = _score_rows(scorer, rows, np.concatenate([ends - replies] * 2)).reshape(2, -1)
        add(len(replies))
    gains = (nats[1] - nats[0]) / math.log(2)
    return ContextGain(
        context_gain_bits=float(gains.mean()),
        context_gain_interval=mean_interval(gains),
        right_context_share=float((gains > 0).mean()),
        context_replies=count,
    )


def _sample_replies(tokens: TokenFile, counts: Sequence[int], max_replies: int) -> ReplySample:
    replies, conversations = _spread_replies(tokens, counts, max_replies)
    contexts = [_find_context(tokens.ids, int(reply)) for reply in replies]
    begins = np.array([begin for begin, _ in contexts], np.int64)
    others = _pair_replies(np.array([turns for _, turns in contexts], np.int64), conversations)
    paired = np.flatnonzero(others >= 0)
    if len(paired) < 2:
        raise EmptyInputError(
            "too few replies: fewer than two conversations have one", "use more conversations, of two turns or more"
        )
    ends = np.array([_find_end(tokens.ids, int(reply) + 1) for reply in replies[paired]], np.int64)
    others = others[paired]
    return ReplySample(begins[paired], replies[paired], ends, begins[others], replies[others])


def _count_replies(tokens: TokenFile) -> list[int]:
    """The number of replies in each chunk of the file."""
    return [int(np.count_nonzero(ids == EOT)) for _, ids in tokens.chunks()]


def _spread_replies(tokens: TokenFile, counts: Sequence[int], max_replies: int) -> tuple[_Positions, _Positions]:
    """The EOT before up to `max_replies` replies, and the numbers of their conversations, both ascending.

    counts: as `_count_replies`.
    """
    total = sum(counts)
    ranks = np.arange(min(total, max_replies), dtype=np.int64) * total // max(min(total, max_replies), 1)
    replies, conversations, replies_before, documents_before = [], [], 0, 0
    for (start, ids), count in zip(tokens.chunks(), counts, strict=True):
        low, high = np.searchsorted(ranks, [replies_before, replies_before + count])
        chosen = np.flatnonzero(ids == EOT)[ranks[low:high] - replies_before]
        documents = np.flatnonzero(ids == EOS)
        replies.append(start + chosen)
        conversations.append(documents_before + np.searchsorted(documents, chosen))
        replies_before, documents_before = replies_before + count, documents_before + len(documents)
    return np.concatenate(replies), np.concatenate(conversations)


def _find_borders(ids: NDArray[np.unsignedinteger], low: int, high: int) -> _Positions:
    part = ids[low:high]
    return low + np.flatnonzero((part == EOS) | (part == EOT))


def _find_context(ids: NDArray[np.unsignedinteger], reply: int) -> tuple[int, int]:
    """The border before the context of the reply after position `reply`, and the number of its turns."""
    size = 512
    while True:
        low = max(reply - size, 0)
        borders = _find_borders(ids, low, reply)[-MAX_CONTEXT_TURNS:]
        documents = np.flatnonzero(ids[borders] == EOS)
        if documents.size or len(borders) == MAX_CONTEXT_TURNS or low == 0:
            borders = borders[documents[-1] :] if documents.size else borders
            return int(borders[0]), len(borders)
        size *= 2


def _find_end(ids: NDArray[np.unsignedinteger], position: int) -> int:
    """The first border from `position` on, or the number of ids: the EOS at the beginning ends the last reply."""
    size = 512
    while position < len(ids):
        borders = _find_borders(ids, position, position + size)
        if borders.size:
            return int(borders[0])
        position, size = position + size, 2 * size
    return len(ids)


def _pair_replies(turns: _Positions, conversations: _Positions) -> _Positions:
    """For each reply, the index of one with as many turns before it in another conversation, or -1 if there is none.

    conversations: ascending, so that the replies of one are neighbors.
    """
    others = np.full(len(turns), -1, np.int64)
    # Only the raw output of Philox (doi:10.1145/2063384.2063405) is the same in all versions of NumPy.
    random = (np.random.Philox(key=_SEED).random_raw(len(turns)) >> np.uint64(1)).astype(np.int64)
    for count in range(1, MAX_CONTEXT_TURNS + 1):
        group = np.flatnonzero(turns == count)
        first, last = (np.searchsorted(conversations[group], conversations[group], side) for side in ("left", "right"))
        choices = len(group) - (last - first)
        if choices.all():
            others[group] = group[(last + random[group] % choices) % len(group)]
    return others


def _read_row(tokens: TokenFile, begin: int, context_end: int, reply: int, end: int) -> NDArray[np.int32]:
    """The ids of a conversation: EOS, the context between two borders, the reply from its border to its end."""
    context, positions = tokens.read(slice(begin + 1, context_end)), np.arange(reply, end + 1) % tokens.tokens
    return np.concatenate([np.array([EOS], np.int32), context, tokens.read(positions)])


def _score_rows(scorer: Scorer, rows: Sequence[NDArray[np.int32]], targets: _Positions) -> NDArray[np.float64]:
    """The nats of the last `targets` [n] of each of n rows, float64 [n].

    Each lane reads several rows, one after the other: the longest goes first, each to the shortest lane.
    """
    lengths, assignments = [0] * _LANES, list[tuple[int, int]]()
    for index in sorted(range(len(rows)), key=lambda index: -len(rows[index])):
        lane = lengths.index(min(lengths))
        assignments.append((index, lane))
        lengths[lane] += len(rows[index]) - 1
    shape = -(-max(lengths) // _WINDOW) * _WINDOW, _LANES
    inputs, outputs, owners = (np.full(shape, value, np.int32) for value in (EOS, EOS, -1))
    lengths = [0] * _LANES
    for index, lane in assignments:
        ids, start = rows[index], lengths[lane]
        end = lengths[lane] = start + len(ids) - 1
        inputs[start:end, lane], outputs[start:end, lane] = ids[:-1], ids[1:]
        owners[end - targets[index] : end, lane] = index
    nats = np.zeros(len(rows))
    for window in slices(shape[0], _WINDOW):
        mask, resets = owners[window] >= 0, inputs[window] == EOS
        scores = scorer.score(
            EvalBatch(inputs[window], outputs[window], resets, mask.astype(np.float32), window.start == 0)
        )
        nats += np.bincount(owners[window][mask], scores[mask], len(rows))
    return nats
