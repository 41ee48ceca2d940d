"""What of a text a vocabulary knows is said before the first step; a text that it does not know is refused."""

from pathlib import Path

import pytest

from grucli.errors import UsageError
from grucli.model.store import model_dir
from grucli.model.weights import read_model_info
from grucli.training.events import TrainStarted
from grucli.training.options import TrainOptions
from tests.training.small_runs import run_events, run_summary, run_to_finish, small_options, write_small_corpus

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_small_corpus(tmp_path / "small.csv")


def write_texts(path: Path, texts: list[str]) -> Path:
    path.write_text("body\n" + "".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def started(options: TrainOptions) -> TrainStarted:
    events = run_events(options)
    return next(event for event in events if isinstance(event, TrainStarted))


def test_a_validation_file_of_another_alphabet_is_refused(corpus: Path, tmp_path: Path) -> None:
    russian = write_texts(tmp_path / "russian.csv", ["кот и пёс"] * 100)
    with pytest.raises(UsageError, match=r"russian.csv' are not in the vocabulary of the corpus"):
        run_to_finish(small_options(corpus, val_file=str(russian)))


def test_a_text_of_many_signs_is_trained_in_subwords(tmp_path: Path) -> None:
    signs = [chr(0x4E00 + n) for n in range(3000)]
    text = write_texts(tmp_path / "signs.csv", ["".join(signs[n : n + 30]) for n in range(0, 3000, 10)])
    event = started(small_options(text))
    assert event.vocab <= 1024
    assert event.decisions[0].startswith("recipe: subwords, ")
    run_to_finish(small_options(text), 5)
    assert read_model_info(model_dir("small") / "last.safetensors").tokenizer == "subword"
    with pytest.raises(UsageError, match=r"--tokenizer char \(was subword\)"):
        run_to_finish(small_options(text, resume=True, tokenizer="char"))
    assert run_summary(small_options(text, resume=True)).unknown_share == 0
    event = started(small_options(text, tokenizer="char", force=True))
    assert event.vocab > 2048
    assert "to know 99.5% of the text" in event.notices[0]


def test_a_vocabulary_that_was_given_is_kept(tmp_path: Path) -> None:
    signs = [chr(0x4E00 + n) for n in range(3000)]
    text = write_texts(tmp_path / "signs.csv", ["".join(signs[n : n + 30]) for n in range(0, 3000, 10)])
    event = started(small_options(text, vocab=2000))
    assert event.vocab == 2000
    (notice,) = event.notices
    assert "of the characters are not in the vocabulary: train with a larger --vocab" in notice


def test_a_vocabulary_that_knows_next_to_nothing_is_refused(corpus: Path) -> None:
    with pytest.raises(UsageError, match=r"^6\d% of the characters of the corpus are not in the vocabulary") as caught:
        run_to_finish(small_options(corpus, vocab=5))
    assert caught.value.hint == "use a larger --vocab, or --tokenizer subword"


def test_the_document_counts_what_was_dropped(corpus: Path) -> None:
    with corpus.open("a") as file:
        file.write('"cut')
    summary = run_summary(small_options(corpus))
    assert (summary.read, summary.dropped) == (401, {"unfinished row": 1})
