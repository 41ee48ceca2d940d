"""Evaluation: cross-entropy of a model on a text, for the validation loss of training and `gru eval`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from grucli.engine.cpu import CpuScorer
from grucli.engine.protocol import Scorer
from grucli.engine.thread_pool import ThreadPool
from grucli.generation.context_gain import measure_context_gain, sample_replies
from grucli.generation.dynamic_evaluation import DynamicGain, measure_dynamic_gain
from grucli.json_record import JsonRecord
from grucli.model.figures import ContextGain
from grucli.model.parameters import Parameters
from grucli.model.weights import SavedModel
from grucli.read.schema import Schema
from grucli.text.loader import eval_windows
from grucli.text.token_file import TokenFile

_EVAL_BATCH, _EVAL_WINDOW = 64, 64
_NATS_PER_BYTE = 8 * math.log(2)


@dataclass(frozen=True, slots=True)
class EvalResult(JsonRecord):
    """Losses on a whole text. `nats_per_token` and `perplexity` include end tokens.

    Per character means per character of text: the nats of end tokens count too, and each UTF-8 byte of an unknown
    symbol adds 8 bits to those of the unknown token, so that tokenizers can be compared. unknown_share: the fraction of
    the characters that are unknown. read, dropped: rows, those dropped by reason. placeholders:
    rows that say only that their text is missing or gone. notices: sentences for the user.
    inputs: what was decided about the file. context, dynamic: what it gains from the context of replies, and from
    learning while reading, None where not measured.
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
    context: ContextGain | None = None
    dynamic: DynamicGain | None = None

    def to_json(self) -> dict[str, object]:
        """Return the figures, without the notices; those of the gains that were measured follow as if its own."""
        figures = JsonRecord.to_json(self)
        del figures["notices"]
        for gain in (figures.pop("context"), figures.pop("dynamic")):
            if isinstance(gain, dict):
                figures |= gain
        return figures


def evaluate_tokens(scorer: Scorer, tokens: TokenFile) -> EvalResult:
    """Return the losses on `tokens`; the state is carried through, and reset where a document begins."""
    nats, count = 0.0, 0
    for batch in eval_windows(tokens, _EVAL_BATCH, _EVAL_WINDOW):
        nats += float(scorer.score(batch).sum(dtype=np.float64))
        count += int(batch.loss_mask.sum())
    per_token = nats / max(count, 1)
    per_char = (nats + _NATS_PER_BYTE * tokens.unknown_bytes) / max(tokens.characters, 1)
    return EvalResult(
        nats_per_token=per_token,
        nats_per_char=per_char,
        bits_per_char=per_char / math.log(2),
        perplexity=math.exp(min(per_token, 700.0)),
        tokens=count,
        characters=tokens.characters,
        unknown_share=tokens.unknown_share,
    )


def evaluate(
    weights: SavedModel,
    tokens: TokenFile,
    threads: int | None = None,
    *,
    context: bool = False,
    dynamic: bool = False,
) -> EvalResult:
    """Return the losses of a saved model on `tokens`, which must come from its tokenizer.

    context, dynamic: also return what it gains from the context of replies, and from learning while reading.

    Raises:
        EmptyInputError: with `context`, there are too few replies.
    """
    sample = sample_replies(tokens) if context else None
    parameters = Parameters(weights.sizes)
    parameters.load(weights.arrays)
    scorer = CpuScorer(parameters, ThreadPool(threads))
    result = evaluate_tokens(scorer, tokens)
    if sample is not None:
        result = replace(result, context=measure_context_gain(scorer, tokens, sample))
    return replace(result, dynamic=measure_dynamic_gain(weights, tokens)) if dynamic else result
