"""Evaluation: cross-entropy of a model on a text, for the validation loss of training and `gru eval`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from grucli.engine.cpu import CpuScorer
from grucli.engine.protocol import Scorer
from grucli.engine.thread_pool import ThreadPool
from grucli.generation.bootstrap import Interval, percentile_interval, resampled_sums
from grucli.generation.context_gain import measure_context_gain, sample_replies
from grucli.generation.dynamic_evaluation import DynamicGain, measure_dynamic_gain
from grucli.json_record import JsonRecord
from grucli.kernels.arrays import Float32
from grucli.model.figures import ContextGain
from grucli.model.parameters import Parameters
from grucli.model.weights import SavedModel
from grucli.progress import Progress, ignore_progress, report_sum
from grucli.read.schema import Schema
from grucli.text.documents import DocumentKind, Documents
from grucli.text.loader import EvalWindow, eval_windows
from grucli.text.token_file import TokenFile

_EVAL_BATCH, _EVAL_WINDOW = 64, 64
_NATS_PER_BYTE = 8 * math.log(2)


@dataclass(frozen=True, slots=True)
class Difference(JsonRecord):
    """How a model predicts the documents compared with the first model.

    difference_bits_per_char: its bits per character more than those of the first model; below zero it is better.
    difference_interval: 95 % bootstrap interval over the same documents, None for too few. verdict: in words.
    """

    difference_bits_per_char: float
    difference_interval: Interval | None
    verdict: str


@dataclass(frozen=True, slots=True)
class EvalResult(JsonRecord):
    """Losses on a whole text. `nats_per_token` and `perplexity` include end tokens.

    Per character means per character of text: the nats of end tokens count too, and each UTF-8 byte of an unknown
    symbol adds 8 bits to those of the unknown token, so that tokenizers can be compared. unknown_share: the fraction of
    the characters that are unknown. read, dropped: rows, those dropped by reason. placeholders:
    rows that say only that their text is missing or gone. notices: sentences for the user.
    inputs: what was decided about the file. model: its name. words: those of the text, separated by white space.
    perplexity_per_word: exp of the nats per word, counted as those per character; None without documents.
    documents, document_kind: how many there are, and what they are. The intervals are 95 % bootstrap intervals over
    documents, None for too few. difference: from the first of several models. context, dynamic: what it gains from
    the context of replies, and from learning while reading. These three are None where not measured.
    """

    nats_per_token: float
    nats_per_char: float
    bits_per_char: float
    perplexity: float
    tokens: int
    characters: int
    unknown_share: float = 0.0
    read: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    placeholders: int = 0
    notices: tuple[str, ...] = ()
    inputs: tuple[Schema, ...] = ()
    model: str = ""
    words: int = 0
    perplexity_per_word: float | None = None
    documents: int = 0
    document_kind: DocumentKind = "comments"
    bits_per_char_interval: Interval | None = None
    perplexity_per_word_interval: Interval | None = None
    difference: Difference | None = None
    context: ContextGain | None = None
    dynamic: DynamicGain | None = None

    def to_json(self) -> dict[str, object]:
        """Return the figures, without the notices; the difference and the gains follow as if its own."""
        figures = JsonRecord.to_json(self)
        del figures["notices"]
        for more in (figures.pop("difference"), figures.pop("context"), figures.pop("dynamic")):
            if isinstance(more, dict):
                figures |= more
        return figures


def evaluate_tokens(
    scorer: Scorer,
    tokens: TokenFile,
    documents: "DocumentNats | None" = None,
    on_progress: Progress = ignore_progress,
) -> EvalResult:
    """Return the losses on `tokens`; the state is carried through, and reset where a document begins.

    documents: receives the nats of each.
    """
    nats, count, add = 0.0, 0, report_sum(on_progress, "scoring", tokens.tokens)
    for window in eval_windows(tokens, _EVAL_BATCH, _EVAL_WINDOW):
        scores = scorer.score(window)
        nats += float(scores.sum(dtype=np.float64))
        count += (scored := int(window.loss_mask.sum()))
        add(scored)
        if documents is not None:
            documents.add(window, scores)
    per_token = nats / max(count, 1)
    per_char = (nats + _NATS_PER_BYTE * tokens.unknown_bytes) / max(tokens.characters, 1)
    return EvalResult(
        nats_per_token=per_token,
        nats_per_char=per_char,
        bits_per_char=per_char / math.log(2),
        perplexity=_exp(per_token),
        tokens=count,
        characters=tokens.characters,
        unknown_share=tokens.unknown_share,
    )


class DocumentNats:
    """The nats of each of D documents, float64 [D], and their sizes.

    A document has its end token's nats, and 8 bits per UTF-8 byte of its unknown symbols.
    """

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.nats = _NATS_PER_BYTE * documents.unknown_bytes

    def add(self, window: EvalWindow, scores: Float32) -> None:
        """Add the losses [T, B] of a window."""
        is_target = window.loss_mask > 0
        owners = np.searchsorted(self.documents.starts, window.positions[is_target], "right") - 1
        self.nats += np.bincount(owners, scores[is_target], len(self.nats))

    def figures(self, seed: int) -> dict[str, Any]:
        """Return the figures of an `EvalResult` that need documents."""
        kind, _, characters, words, _ = self.documents
        sums = resampled_sums(np.stack([self.nats, characters, words], axis=1), seed)
        bits_interval = word_interval = None
        if sums is not None:
            nats, resampled_characters, resampled_words = sums.T
            bits_interval = percentile_interval(nats / math.log(2) / np.maximum(resampled_characters, 1))
            low, high = percentile_interval(nats / np.maximum(resampled_words, 1))
            word_interval = _exp(low), _exp(high)
        return {
            "words": int(words.sum()),
            "perplexity_per_word": _exp(float(self.nats.sum()) / max(int(words.sum()), 1)),
            "documents": len(words),
            "document_kind": kind,
            "bits_per_char_interval": bits_interval,
            "perplexity_per_word_interval": word_interval,
        }

    def difference(self, first: Self, names: tuple[str, str], seed: int) -> Difference:
        """Return the difference from the first model; names: of the first model and of this one."""
        characters = self.documents.characters
        more_bits = (self.nats - first.nats) / math.log(2)
        sums = resampled_sums(np.stack([more_bits, characters], axis=1), seed)
        interval = None if sums is None else percentile_interval(sums[:, 0] / np.maximum(sums[:, 1], 1))
        mean = float(more_bits.sum()) / max(int(characters.sum()), 1)
        better, worse = (names[1], names[0]) if mean < 0 else names
        if interval is None:
            verdict = f"too few {self.documents.kind} to tell {names[1]} and {names[0]} apart"
        elif interval[0] <= 0 <= interval[1]:
            verdict = f"no difference beyond noise between {names[1]} and {names[0]}"
        else:
            verdict = f"{better} predicts the text better than {worse}"
        return Difference(mean, interval, verdict)


def evaluate(
    weights: SavedModel,
    tokens: TokenFile,
    threads: int | None = None,
    *,
    documents: DocumentNats | None = None,
    context: bool = False,
    dynamic: bool = False,
    on_progress: Progress = ignore_progress,
) -> EvalResult:
    """Return the losses of a saved model on `tokens`, which must come from its tokenizer.

    documents: receives the nats of each. context, dynamic: also return what it gains from the context of replies, and
    from learning while reading.

    Raises:
        EmptyInputError: with `context`, there are too few replies.
    """
    sample = sample_replies(tokens) if context else None
    parameters = Parameters(weights.sizes)
    parameters.load(weights.arrays)
    scorer = CpuScorer(parameters, ThreadPool(threads))
    result = evaluate_tokens(scorer, tokens, documents, on_progress)
    if sample is not None:
        result = replace(result, context=measure_context_gain(scorer, tokens, sample, on_progress))
    if dynamic:
        result = replace(result, dynamic=measure_dynamic_gain(weights, tokens, on_progress=on_progress))
    return result


def _exp(nats: float) -> float:
    return math.exp(min(nats, 700.0))
