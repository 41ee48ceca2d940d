"""Look into a model while it reads a text: its gates, units and gradients, and how far back they reach."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from grucli.api.model import Model, ModelRef, load
from grucli.chat.inputs import unknown_symbols_message
from grucli.errors import EmptyInputError, UsageError, pluralize, quote
from grucli.inspection.reach import ModelReach, measure_reach
from grucli.inspection.report import Inspection, inspect_trace
from grucli.inspection.similar_places import SimilarPlace, similar_places
from grucli.inspection.trace import Trace, read_trace
from grucli.json_record import JsonRecord, to_json
from grucli.model.store import find_model
from grucli.paths import cache_dir
from grucli.progress import Progress
from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows, read_running_text
from grucli.read.schema import ReadOptions, Schema
from grucli.read.sources import FORMATS, STDIN, resolve_source, split_suffixes
from grucli.read.text_files import read_text_file
from grucli.text.dataset import prepare_dataset
from grucli.text.tokenizers.base import replace_surrogates

CHARACTERS = 2_000
"""Characters of a text that are read unless another number is given."""

MAX_CHARACTERS = 100_000
"""Every state of every layer is kept: 400 MB for this many characters and 1,024 units."""

_Text = TypeVar("_Text", str, list[str])
_MAX_UNKNOWN_SHARE = 0.5
_GENERATED_CHARACTERS, _GENERATED_TURNS = 500, 8


@dataclass(frozen=True)
class InspectedText:
    """Documents of turns, what they are, what was decided about their file, and whether more of it was left out."""

    documents: Sequence[Sequence[str]]
    source: str
    inputs: tuple[Schema, ...] = ()
    is_truncated: bool = False

    def notices(self, trace: Trace) -> tuple[str, ...]:
        """Return sentences for the user about the text."""
        unknown = [text for text, is_unknown in zip(trace.texts, trace.is_unknown.tolist(), strict=True) if is_unknown]
        sentences = []
        if self.is_truncated:
            read = pluralize(sum(map(len, trace.texts)), "character")
            sentences.append(f"{self.source} is longer: its first {read} are used (--chars)")
        if unknown:
            sentences.append(unknown_symbols_message(len(unknown), list(dict.fromkeys(unknown))))
        return tuple(sentences)


@dataclass(frozen=True)
class InspectResult(JsonRecord):
    """An inspection, and the text it is of. reach: of the model, then of others, if asked for; notices: sentences."""

    inspection: Inspection
    text: InspectedText
    reach: tuple[ModelReach, ...]
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the object of the inspection, with what was read and the reach."""
        about = {"source": self.text.source, "truncated": self.text.is_truncated}
        return {**about, **self.inspection.to_json(), "reach": to_json(self.reach)}


def inspect(
    model: ModelRef = None,
    text: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    characters: int = CHARACTERS,
    unit: tuple[int, int] | None = None,
    find: str | None = None,
    why: int | None = None,
    similar_to: tuple[int, int] | None = None,
    corpus: str | os.PathLike[str] | None = None,
    reach: bool = False,
    others: Sequence[ModelRef] = (),
    seed: int = 0,
    read: ReadOptions | None = None,
    on_progress: Progress | None = None,
) -> InspectResult:
    """Return what a model does while it reads a text, a file, or without both a text of its own.

    Args:
        model: a name, a path or a loaded model; None for the newest.
        text: to a model of conversations each line is a turn.
        file: any file that training takes.
        characters: how much of it is read.
        unit: a layer, from 1, and a unit of it, from 0, whose values are given.
        find: a regular expression; the units that tell best where it matches.
        why: the number of a character, from 1: on which earlier tokens its prediction depends; negative from the end.
        similar_to: the first and last character of a span; the places of `corpus` with the most similar states.
        corpus: a file that training takes.
        reach: also measure how far each layer reaches back.
        others: models whose reach is measured too, in the same text.
        seed: of the text that the model writes itself.
        read: how to read the file and the corpus.
        on_progress: called with a stage, and with the bytes done and in all.

    Raises:
        UsageError: there is no such model, file, character or unit, the pattern is not a regular expression, or most
            of the text is unknown.
        EmptyInputError: there is no text.
        ModelFileError: a model's file is corrupt.
    """
    if (similar_to is None) != (corpus is None):
        raise UsageError("--match and --corpus need each other", "give the span, as in --match 10:20, and the corpus")
    chosen, options = _load(model), read or ReadOptions()
    source = _find_text(chosen, text, file, options, characters, seed)
    trace = _read(chosen, source)
    similar = None
    if similar_to is not None and corpus is not None:
        similar = _find_similar(trace, similar_to, os.fspath(corpus), options, on_progress or _ignore)
    inspection = inspect_trace(chosen.name, trace, pattern=find, unit=unit, why=why, similar=similar)
    reaches, notices = [_reach(chosen, trace)] if reach or others else [], list(source.notices(trace))
    for other in map(_load, others):
        trace = _read(other, source)
        reaches.append(_reach(other, trace))
        notices += source.notices(trace)
    return InspectResult(inspection, source, tuple(reaches), tuple(dict.fromkeys(notices)))


def split_models(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the models among the words of a command line, and a text or file after them, if there is one."""
    is_text = len(words) > 1 and (is_file(words[-1]) or " " in words[-1]) and not _is_model(words[-1])
    return (words[:-1], words[-1:]) if is_text else (words, ())


def _is_model(word: str) -> bool:
    try:
        find_model(word)
    except (UsageError, OSError, ValueError):
        return False
    return True


def is_file(word: str) -> bool:
    """Return True if a word of the command line is or looks like the name of a file, or is "-"; else it is a text."""
    try:
        is_name = " " not in word and split_suffixes(Path(word))[0] in FORMATS
        return bool(word) and (is_name or word == STDIN or Path(word).exists())
    except (OSError, ValueError):  # too long for a name, or with a NUL character
        return False


def _load(model: ModelRef) -> Model:
    return model if isinstance(model, Model) else load(model)


def _reach(model: Model, trace: Trace) -> ModelReach:
    sizes = model.weights.sizes
    layers = tuple(measure_reach(trace, layer) for layer in range(sizes.L))
    return ModelReach(model.name, sizes.cell, sizes.H, layers)


def _ignore(stage: str, done: int, total: int | None) -> None:
    """Take progress that nobody wants."""


def _find_text(
    model: Model, text: str | None, file: str | os.PathLike[str] | None, read: ReadOptions, characters: int, seed: int
) -> InspectedText:
    if not 0 < characters <= MAX_CHARACTERS:
        raise UsageError(f"--chars is {characters:,}", f"use 1 to {MAX_CHARACTERS:,}: every state is kept in memory")
    if file is not None:
        found = _read_file(model, os.fspath(file), read, characters)
    elif text is not None:
        found = InspectedText(_turns(model, replace_surrogates(text)), "the text")
    else:
        return InspectedText(_generate(model, seed), f"a text by '{model.name}'")
    documents, is_truncated = _shorten(found.documents, characters)
    return replace(found, documents=documents, is_truncated=is_truncated)


def _turns(model: Model, text: str) -> list[list[str]]:
    if not model.conversations:
        return [[text]] if text else []
    turns = [line for line in text.splitlines() if line]
    return [turns] if turns else []


def _read_file(model: Model, name: str, read: ReadOptions, characters: int) -> InspectedText:
    """Read a little more than `characters` of a file."""
    if name == STDIN:
        return InspectedText(_turns(model, read_text_file(name)), "standard input")
    source, report = resolve_source(name), RowReport()
    if source.file_format == "txt":
        text = "".join(_take(read_running_text(source, read, report), characters))
        documents = _turns(model, text)
    else:
        rows = read_rows(source, read, report)
        groups = groupby(enumerate(rows), lambda each: each[1].thread or each[0])
        threads = ([row.body for _, row in group] for _, group in groups)
        flat = threads if model.conversations else ([body] for thread in threads for body in thread)
        documents = list(_take(flat, characters))
    return InspectedText(documents, quote(Path(source.display_name).name), tuple(report.schemas))


def _take(texts: Iterator[_Text], characters: int) -> Iterator[_Text]:
    """Yield texts, or lists of them, until there are more than `characters`."""
    taken = 0
    for text in texts:
        yield text
        taken += sum(map(len, text))
        if taken > characters:
            return


def _shorten(documents: Sequence[Sequence[str]], characters: int) -> tuple[list[list[str]], bool]:
    """Return the first `characters` of documents, and whether there are more."""
    kept, left = list[list[str]](), characters
    for document in documents:
        turns = list[str]()
        for turn in document:
            if left <= 0:
                return [*kept, turns] if turns else kept, True
            turns.append(turn[:left])
            left -= len(turn)
        kept.append(turns)
    return kept, left < 0


def _generate(model: Model, seed: int) -> list[list[str]]:
    """Return a dialogue, or comments, that the model writes."""
    texts = list[str]()
    for number in range(_GENERATED_TURNS):
        replies_to = texts if model.conversations else ()
        config = replace(model.default_config(replies_to), seed=seed + number, min_chars=1)
        texts += [sample.text for sample in model.generate("", 1, config, reply_to=replies_to)]
        if sum(map(len, texts)) >= _GENERATED_CHARACTERS:
            break
    texts = [text for text in texts if text]
    return [texts] if model.conversations and texts else [[text] for text in texts]


def _read(model: Model, source: InspectedText) -> Trace:
    weights = model.weights
    trace = read_trace(weights, source.documents)
    if not any(trace.texts):
        raise EmptyInputError(f"{source.source} is empty", "give a text or a file with text")
    share = float(trace.is_unknown[[bool(text) for text in trace.texts]].mean())
    if share > _MAX_UNKNOWN_SHARE:
        message = f"{share:.0%} of the symbols of {source.source} are not in the vocabulary of '{model.name}'"
        raise UsageError(message, "use a model that was trained on such text")
    return trace


def _find_similar(
    trace: Trace, span: tuple[int, int], corpus: str, read: ReadOptions, on_progress: Progress
) -> tuple[SimilarPlace, ...]:
    start, end = (trace.token_at(character) for character in span)
    if start > end:
        raise UsageError(f"--match {span[0]}:{span[1]} ends before it begins", "give the first and the last character")
    dataset = prepare_dataset(
        [corpus],
        read=read,
        tokenizer=trace.weights.tokenizer,
        vocab=None,
        val_fraction=0.0,
        val_file=None,
        cache_dir=cache_dir(),
        on_progress=on_progress,
    )
    on_progress("comparing", 0, None)
    return tuple(similar_places(trace, start, end + 1, dataset.train))
