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


def adapted(corpus: Path, **changes: object) -> TrainOptions:
    shape: dict[str, object] = {"hidden": None, "layers": None, "embed": None}
    return small_options(corpus, name="adapted", start_from="small", **(shape | changes))


def test_a_base_model_of_another_alphabet_is_refused(corpus: Path, tmp_path: Path) -> None:
    run_summary(small_options(corpus))
    russian = write_texts(tmp_path / "russian.csv", [f"кот и пёс {n}" for n in range(100)])
    with pytest.raises(UsageError, match=r"of the corpus are not in the vocabulary of 'small'") as caught:
        run_to_finish(adapted(russian))
    assert "without --from" in caught.value.hint
    assert not model_dir("adapted").exists()


def test_what_a_base_model_does_not_know_is_said_and_kept(corpus: Path, tmp_path: Path) -> None:
    run_summary(small_options(corpus))
    mixed = write_texts(tmp_path / "mixed.csv", [f"a cat sat on the кот {n % 10}" for n in range(100)])
    event = started(adapted(mixed))
    assert "(13.64% of the characters unknown)" in event.description
    assert event.notices == (
        "13.6% of the characters are not in the vocabulary: train without --from, or with --tokenizer subword, to "
        "learn them",
    )
    assert run_summary(adapted(mixed)).unknown_share == pytest.approx(3 / 22)
    few = write_texts(tmp_path / "few.csv", [f"a cat sat on the mat and the mat was a 🐺 {n % 10}" for n in range(100)])
    event = started(adapted(few, force=True))
    assert "(2.38% of the characters unknown)" in event.description
    assert event.notices == ()


def test_a_validation_file_of_another_alphabet_is_refused(corpus: Path, tmp_path: Path) -> None:
    russian = write_texts(tmp_path / "russian.csv", ["кот и пёс"] * 100)
    with pytest.raises(UsageError, match=r"russian.csv' are not in the vocabulary of the corpus"):
        run_to_finish(small_options(corpus, val_file=str(russian)))


def test_a_text_of_many_signs_is_trained_in_subwords(tmp_path: Path) -> None:
    signs = [chr(0x4E00 + n) for n in range(3000)]
    text = write_texts(tmp_path / "signs.csv", ["".join(signs[n : n + 30]) for n in range(0, 3000, 10)])
    event = started(small_options(text))
    assert event.vocab <= 1024
    (notice,) = event.notices
    assert "tokens are subwords (--tokenizer char for characters)" in notice
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
