"""Trained models: load one, then generate, stream, score, inspect its gates, or evaluate it on a corpus."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from grucli.chat.inputs import unknown_symbols, unknown_symbols_message
from grucli.errors import EmptyInputError, UsageError
from grucli.generation.options import (
    MAX_SEED,
    GateActivations,
    GenerationConfig,
    Sample,
    State,
    TokenSurprisal,
    default_config,
    later_seed,
)
from grucli.model.store import find_model, model_name
from grucli.model.weights import ModelCard, SavedModel, load_weights
from grucli.progress import Progress, ignore_progress
from grucli.read.schema import ReadOptions
from grucli.read.text_files import read_text_file

if TYPE_CHECKING:
    from grucli.generation.copy_detection import CheckedSample, CopyIndex
    from grucli.generation.decoding import TextStream
    from grucli.generation.evaluation import DocumentNats, EvalResult
    from grucli.generation.sampler import Sampler
    from grucli.read.sources import InputSource

Split = Literal["all", "train", "val"]
"""A side of the split that training makes, or the whole corpus."""

Copies = Literal["ignore", "mark", "replace"]
"""Treatment of samples that copy 50 or more characters of the training text.

"mark": samples are `CheckedSample`, with the length of the copy. "replace": the same, and more samples are generated
until enough of them are not copies.
"""


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples, to be taken once: `checked` if copies are not ignored, else `first`, read to its end, and then `rest`.

    `first` is None if no sample comes as a stream. `notices`: sentences for the user, such as that the prompt has
    symbols which the model does not know.
    """

    first: "TextStream | None"
    rest: Iterator[Sample]
    checked: "Iterator[CheckedSample] | None"
    notices: tuple[str, ...]


class Model:
    """A model in memory, independent of its file from then on. `load` makes one.

    >>> import grucli
    >>> model = grucli.load("emo")  # doctest: +SKIP
    >>> for sample in model.generate("I never", n=3):  # doctest: +SKIP
    ...     print(sample.text)
    """

    def __init__(self, path: Path, weights: SavedModel, threads: int | None = None) -> None:
        """Keep the weights; `threads`: number of threads to use, None for all cores."""
        self.path = path
        self.name = model_name(path)
        self._weights = weights
        self._threads = threads

    def __repr__(self) -> str:
        return f"<Model {self.name!r}: {self._weights.sizes.cell}, {self._weights.sizes.H} units>"

    @property
    def weights(self) -> SavedModel:
        """The parameters, sizes and tokenizer."""
        return self._weights

    @property
    def card(self) -> ModelCard:
        """Facts about the training: steps, losses, the corpus."""
        return self._weights.card

    @property
    def conversations(self) -> bool:
        """Return True if the model was trained on conversations, and takes `reply_to`."""
        return self.card.conversations

    @cached_property
    def sampler(self) -> "Sampler":
        """The compiled network: states in, text out."""
        from grucli.generation.sampler import Sampler

        return Sampler(self._weights, self._threads)

    @cached_property
    def copy_index(self) -> "CopyIndex":
        """The index of the training text.

        Raises:
            UsageError: the model has no index.
            ModelFileError: the index is corrupt.
        """
        from grucli.generation.copy_detection import load_index_for

        return load_index_for(self.path, self.card.fingerprint)

    def read(self, prompt: str = "", *, reply_to: Sequence[str] = ()) -> State:
        """Return the state after the turns of a dialogue, the oldest first, and the text that begins the next one.

        Raises:
            UsageError: `reply_to` is given and the model was not trained on conversations.
        """
        state = self.sampler.initial_state()
        if reply_to and not self.conversations:
            raise UsageError("the model was not trained on conversations", "use --prompt: it continues a text")
        for turn in reply_to:
            state = self.sampler.end_turn(self.sampler.read(state, turn))
        return self.sampler.read(state, prompt)

    def default_config(self, reply_to: Sequence[str] = ()) -> GenerationConfig:
        """Return how text is generated unless a config is given; replies have defaults of their own."""
        kind = self._weights.tokenizer.kind
        return default_config(conversations=self.conversations and bool(reply_to), tokenizer=kind)

    def stream(
        self, prompt: str = "", config: GenerationConfig | None = None, *, reply_to: Sequence[str] = ()
    ) -> "TextStream":
        """Return one sample as an iterable of `TextChunk`; its attribute `sample` is what has been generated so far.

        >>> for chunk in model.stream("Once"):  # doctest: +SKIP
        ...     print(chunk.text, end="")

        Raises:
            UsageError: `reply_to` is given and the model was not trained on conversations.
        """
        return self.sampler.stream(
            self.read(prompt, reply_to=reply_to), config or self.default_config(reply_to), prompt
        )

    def generate(
        self,
        prompt: str = "",
        n: int = 1,
        config: GenerationConfig | None = None,
        *,
        reply_to: Sequence[str] = (),
        copies: Copies = "ignore",
    ) -> Iterator[Sample]:
        """Yield `n` samples, generated as one batch, in the order of their seeds: `config.seed` and those after it.

        The same seed gives the same text on the same machine. With a beam they are the `n` best, the best first.

        Raises:
            UsageError: `reply_to` is given and the model was not trained on conversations; or more than a beam finds.
            UsageError: `copies` is not "ignore" and the model has no index.
            GruError: too few samples are not copies.
        """
        batch = self.sample(prompt, n, config, reply_to=reply_to, copies=copies)
        return batch.rest if batch.checked is None else batch.checked

    def sample(
        self,
        prompt: str = "",
        n: int = 1,
        config: GenerationConfig | None = None,
        *,
        reply_to: Sequence[str] = (),
        copies: Copies = "ignore",
        live: bool = False,
    ) -> SampleBatch:
        """Like `generate`, but with `live` the first sample is a stream, unless copies are checked or a beam is used.

        The other samples then come as they finish, not in the order of their seeds.

        Raises:
            UsageError: as `generate`.
        """
        if n < 1:
            raise UsageError(f"n is {n}", "n takes a whole number, at least 1")
        config = config or self.default_config(reply_to)
        index = None if copies == "ignore" else self.copy_index
        state = self.read(prompt, reply_to=reply_to)
        unknown = sum(len(unknown_symbols(self.sampler.tokenizer, text)) for text in (*reply_to, prompt))
        notices = [unknown_symbols_message(unknown)] if unknown else []
        self.sampler.warm_up()
        if index is not None:
            from grucli.generation.copy_detection import generate_novel

            checked = (
                generate_novel(self.sampler, index, state, prompt, n, config, in_order=not live)
                if copies == "replace"
                else map(index.check, self.sampler.generate(state, prompt, n, config, in_order=not live))
            )
            return SampleBatch(None, iter(()), iter(checked), (*notices, *index.warnings()))
        first = None
        if live and not config.beam:
            first = self.sampler.stream(state, config, prompt)
            n, config = n - 1, dataclasses.replace(config, seed=later_seed(config.seed, 1))
        rest = self.sampler.generate(state, prompt, n, config, in_order=not live)
        return SampleBatch(first, rest, None, tuple(notices))

    def score(self, text: str, *, prompt: str = "", reply_to: Sequence[str] = ()) -> list[TokenSurprisal]:
        """Return how surprising each token of `text` is, in bits, after what precedes it.

        >>> sum(token.bits for token in model.score("Hello!")) / 6  # doctest: +SKIP

        Raises:
            UsageError: `reply_to` is given and the model was not trained on conversations.
        """
        return self.sampler.surprisals(self.read(prompt, reply_to=reply_to), text) if text else []

    def gates(self, text: str, *, prompt: str = "", reply_to: Sequence[str] = ()) -> list[GateActivations]:
        """Return the mean of each layer's gates at each token of `text`, computed in float64.

        Raises:
            UsageError: `reply_to` is given and the model was not trained on conversations.
        """
        return self.sampler.gate_activations(self.read(prompt, reply_to=reply_to), text)

    def evaluate(
        self,
        corpus: str | os.PathLike[str],
        *,
        split: Split = "all",
        val: float = 0.1,
        context: bool = False,
        dynamic: bool = False,
        column: str | None = None,
        read: ReadOptions | None = None,
        seed: int = 0,
        on_progress: Progress | None = None,
    ) -> "EvalResult":
        """Return the losses over a corpus, or over a split of it as made by training with `val`; see `evaluate_models`.

        Raises:
            UsageError: as `evaluate_models`.
            EmptyInputError: as `evaluate_models`.
            GruError: as `evaluate_models`.
        """
        return evaluate_models(
            [self],
            corpus,
            split=split,
            val=val,
            context=context,
            dynamic=dynamic,
            column=column,
            read=read,
            seed=seed,
            on_progress=on_progress,
        )[0]

    def _evaluate(
        self, source: "InputSource", options: "_EvalOptions", notify: "Progress"
    ) -> "tuple[EvalResult, DocumentNats]":
        from grucli.generation.evaluation import DocumentNats, evaluate
        from grucli.paths import cache_dir
        from grucli.text.dataset import prepare_dataset, read_split
        from grucli.text.documents import measure_documents
        from grucli.text.unknown_characters import check_unknown_share, unknown_share_warning

        if options.context and not self.conversations:
            raise UsageError(f"'{self.name}' was not trained on conversations", "use a model that was, or no --context")
        whose = f" of '{self.name}'" if options.several_models else ""
        corpus, tokenizer, fraction = f"'{source.display_name}'", self._weights.tokenizer, options.val_fraction
        dataset = prepare_dataset(
            [source],
            read=options.read,
            tokenizer=tokenizer,
            vocab=None,
            val_fraction=fraction,
            val_file=None,
            cache_dir=cache_dir(),
            on_progress=notify,
        )
        tokens = dataset.val if options.split == "val" else dataset.train
        if tokens is None:
            raise EmptyInputError(f"{corpus} has no validation split", "drop --split val, or use more text")
        if options.context and not (dataset.conversations or tokens.conversations):
            raise UsageError(
                f"{corpus} has no conversations",
                "name the column of conversations with --thread-column, or drop --context",
            )
        hint = "use a model that was trained on such text, or with --tokenizer subword"
        check_unknown_share(tokens, corpus, f"'{self.name}'", hint)
        pieces = read_split(source, options.read, fraction, options.split, notify)
        documents = DocumentNats(measure_documents(pieces, tokenizer, tokens))
        warning, report = unknown_share_warning(tokens), dataset.report
        result = evaluate(
            self._weights,
            tokens,
            self._threads,
            documents=documents,
            context=options.context,
            dynamic=options.dynamic,
            on_progress=notify,
        )
        result = dataclasses.replace(
            result,
            read=report.read,
            dropped=dict(report.skipped),
            placeholders=report.placeholders,
            notices=(*report.messages(), *([f"{warning}{whose}"] if warning is not None else [])),
            inputs=tuple(report.schemas),
            model=self.name,
            **documents.figures(options.seed),
        )
        return result, documents


@dataclass(frozen=True, slots=True)
class _EvalOptions:
    """Options of an evaluation; see `evaluate_models`."""

    split: Split
    val: float
    read: ReadOptions
    context: bool
    dynamic: bool
    seed: int
    several_models: bool

    @property
    def val_fraction(self) -> float:
        """The fraction of the corpus to hold out."""
        return 0.0 if self.split == "all" else self.val


def load(name_or_path: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> Model:
    """Load a model by its name or by the path of its file or directory; None is the newest.

    >>> import grucli
    >>> grucli.load()  # doctest: +SKIP
    <Model 'emo': gru, 512 units>

    Raises:
        UsageError: there is no such model.
        ModelFileError: its file is corrupt.
        OSError: the file cannot be read.
    """
    path = find_model(None if name_or_path is None else os.fspath(name_or_path))
    return Model(path, load_weights(path), threads)


ModelRef = Model | str | os.PathLike[str] | None
"""A loaded model, or the name or path of one; None is the newest."""


def _resolve(model: ModelRef) -> Model:
    return model if isinstance(model, Model) else load(model)


def generate(
    prompt: str = "",
    n: int = 1,
    config: GenerationConfig | None = None,
    *,
    model: ModelRef = None,
    reply_to: Sequence[str] = (),
    copies: Copies = "ignore",
) -> Iterator[Sample]:
    """Yield `n` samples of a model; see `Model.generate`. Load the model once if you call this often.

    >>> import grucli
    >>> [sample.text for sample in grucli.generate("I never", n=3, model="emo")]  # doctest: +SKIP

    Raises:
        UsageError: there is no such model; or as `Model.generate`.
        ModelFileError: the model's file is corrupt.
    """
    return _resolve(model).generate(prompt, n, config, reply_to=reply_to, copies=copies)


def stream(
    prompt: str = "",
    config: GenerationConfig | None = None,
    *,
    model: ModelRef = None,
    reply_to: Sequence[str] = (),
) -> "TextStream":
    """Return one sample of a model as an iterable of `TextChunk`; see `Model.stream`.

    Raises:
        UsageError: there is no such model; or as `Model.stream`.
        ModelFileError: the model's file is corrupt.
    """
    return _resolve(model).stream(prompt, config, reply_to=reply_to)


def score(text: str, *, model: ModelRef = None, prompt: str = "", reply_to: Sequence[str] = ()) -> list[TokenSurprisal]:
    """Return how surprising each token of `text` is to a model, in bits; see `Model.score`.

    Raises:
        UsageError: there is no such model; or as `Model.score`.
        ModelFileError: the model's file is corrupt.
    """
    return _resolve(model).score(text, prompt=prompt, reply_to=reply_to)


def gates(
    text: str, *, model: ModelRef = None, prompt: str = "", reply_to: Sequence[str] = ()
) -> list[GateActivations]:
    """Return the mean of each layer's gates at each token of `text`; see `Model.gates`.

    Raises:
        UsageError: there is no such model; or as `Model.gates`.
        ModelFileError: the model's file is corrupt.
    """
    return _resolve(model).gates(text, prompt=prompt, reply_to=reply_to)


def evaluate(
    model: ModelRef,
    corpus: str | os.PathLike[str],
    *,
    split: Split = "all",
    val: float = 0.1,
    context: bool = False,
    dynamic: bool = False,
    column: str | None = None,
    read: ReadOptions | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> "EvalResult":
    """Return the losses of a model over a corpus; see `evaluate_models`.

    >>> import grucli
    >>> grucli.evaluate("emo", "test.csv").bits_per_char  # doctest: +SKIP

    Raises:
        UsageError: there is no such model; or as `evaluate_models`.
        ModelFileError: the model's file is corrupt.
        EmptyInputError: as `evaluate_models`.
        GruError: as `evaluate_models`.
    """
    return evaluate_models(
        [model],
        corpus,
        split=split,
        val=val,
        context=context,
        dynamic=dynamic,
        column=column,
        read=read,
        seed=seed,
        on_progress=on_progress,
    )[0]


def evaluate_models(
    models: Sequence[ModelRef],
    corpus: str | os.PathLike[str],
    *,
    split: Split = "all",
    val: float = 0.1,
    context: bool = False,
    dynamic: bool = False,
    column: str | None = None,
    read: ReadOptions | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> "list[EvalResult]":
    """Return the losses of models over a corpus, each but the first with its difference from the first.

    >>> import grucli
    >>> grucli.evaluate_models(["emo", "mine"], "test.csv")[1].difference  # doctest: +SKIP

    Args:
        models: loaded models, names or paths.
        corpus: a file that training takes, or "-" for standard input.
        split: "all", or "train" or "val" for one side of the split that training makes.
        val: the validation fraction of that split, 0 to 1.
        context: also measure what up to 1,000 replies gain from the turns before them, with models and a corpus of
            conversations.
        dynamic: also measure what learning while reading gains.
        column: the column of the text, None for the usual names.
        read: how to read the file.
        seed: of the intervals, 0 or more.
        on_progress: called with a stage, and with what is done and in all: bytes, tokens, replies or turns.

    Raises:
        UsageError: there is no such model, the file cannot be read, has no such column, or most of its characters are
            unknown; or with `context`, a model was not trained on conversations, or the corpus has none.
        ModelFileError: a model's file is corrupt.
        EmptyInputError: there is no text, or no validation split, or with `context` too few replies.
        GruError: the file is corrupt, or the disk is full.
    """
    from grucli.paths import cache_dir
    from grucli.text.dataset import open_source

    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed is {seed}", f"seed takes a whole number from 0 to {MAX_SEED}")
    loaded = list(map(_resolve, models))
    read = (read or ReadOptions()).with_column(column)
    options = _EvalOptions(split, val, read, context, dynamic, seed, len(loaded) > 1)
    notify = on_progress or ignore_progress
    with open_source(os.fspath(corpus), cache_dir(), notify) as source:
        evaluated = [model._evaluate(source, options, notify) for model in loaded]
    results = [result for result, _ in evaluated[:1]]
    for result, documents in evaluated[1:]:
        names = (results[0].model, result.model)
        results.append(dataclasses.replace(result, difference=documents.difference(evaluated[0][1], names, seed)))
    return results


def read_prompt(path: str) -> str:
    """Read a prompt from a text file, or from standard input ("-"), without the newline at its end.

    Raises:
        UsageError: standard input is closed, or there is no such file, or it is too large or not text.
        GruError: the disk failed, or the file is corrupt.
    """
    return read_text_file(path).removesuffix("\n")
