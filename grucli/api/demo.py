"""The demo: what the packaged model replies, and a small one that is trained on the same conversations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from grucli.api.model import Model, load
from grucli.errors import GruError
from grucli.files import make_private_dir
from grucli.generation.decoding import TextStream
from grucli.generation.options import Sample
from grucli.json_record import JsonRecord, to_json
from grucli.model import packaged
from grucli.model.store import NOTHING
from grucli.paths import cache_dir
from grucli.text.demo_corpus import write_corpus
from grucli.training.events import TrainSummary
from grucli.training.options import TrainOptions

NAME = "demo"
PROMPTS = (
    "Hi, how are you?",
    "What do you do for fun?",
    "Have you seen a good movie lately?",
    "Do you like dogs or cats?",
    "What did you eat today?",
)
_PACKAGED_PROMPTS = 3
_MAX_CHARS = 240
_VAL_FRACTION = 0.002  # enough to see progress; of one minute, most should be spent on training


@dataclass(frozen=True, slots=True)
class DemoResult(JsonRecord):
    """The summary of the training, the replies of the trained model, and those of the packaged one."""

    summary: TrainSummary
    replies: tuple[Sample, ...] = ()
    packaged_replies: tuple[Sample, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the summary's object with the replies added."""
        replies = {"replies": to_json(self.replies), "packaged_replies": to_json(self.packaged_replies)}
        return {**self.summary.to_json(), **replies}


def demo_corpus() -> str:
    """Write the conversations of the package chitchat-dataset into the cache, and return the path of the corpus.

    Raises:
        GruError: the package is not installed.
        OSError: the corpus cannot be written.
    """
    try:
        import chitchat_dataset
    except ImportError as error:
        raise GruError(
            "the demo's conversations are not installed", "python -m pip install chitchat-dataset, then: gru demo"
        ) from error
    path = cache_dir() / "demo" / "chitchat.csv"
    for directory in (cache_dir(), path.parent):
        make_private_dir(directory)
    write_corpus(chitchat_dataset.Dataset(), path)
    return str(path)


def demo_options(corpus: str, *, minutes: float = 1.0, seed: int = 1, threads: int | None = None) -> TrainOptions:
    """Return the options to train the model "demo" with `grucli.train`; it replaces an earlier one.

    Raises:
        UsageError: a value is out of range.
    """
    return TrainOptions(
        sources=[corpus],
        name=NAME,
        minutes=minutes,
        seed=seed,
        threads=threads,
        start_from=NOTHING,
        val=_VAL_FRACTION,
        force=True,
    )


def packaged_replies(seed: int = 1, threads: int | None = None) -> Iterator[tuple[str, TextStream]] | None:
    """Yield the first prompts with the replies of the packaged model, as `demo_replies`; None if there is none.

    Raises:
        ModelFileError: its file is corrupt.
        OSError: its file cannot be read.
    """
    path = packaged.path()
    return None if path is None else _replies(load(path, threads=threads), PROMPTS[:_PACKAGED_PROMPTS], seed)


def demo_replies(seed: int = 1, threads: int | None = None) -> Iterator[tuple[str, TextStream]]:
    """Yield each prompt of the demo with the trained model's reply, which the caller reads to its end.

    Raises:
        UsageError: there is no model "demo".
        ModelFileError: its file is corrupt.
    """
    return _replies(load(NAME, threads=threads), PROMPTS, seed)


def _replies(model: Model, prompts: Sequence[str], seed: int) -> Iterator[tuple[str, TextStream]]:
    for index, prompt in enumerate(prompts):
        config = replace(model.default_config([prompt]), max_chars=_MAX_CHARS, seed=seed + index)
        yield prompt, model.sampler.stream(model.read(reply_to=[prompt]), config, prompt)
