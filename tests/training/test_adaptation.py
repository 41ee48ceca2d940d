"""Where a new run starts: from the model that was named, from the packaged one, or from scratch, and why is said."""

import dataclasses
import math
from pathlib import Path

import pytest

from grucli.errors import ModelFileError, UsageError
from grucli.model import packaged
from grucli.model.store import BEST, LAST, model_dir
from grucli.model.weights import ModelOrigin, load_weights, read_model_info
from grucli.training import adaptation
from grucli.training.events import TrainStarted
from grucli.training.options import TrainOptions, given_hparams
from tests.model.factories import flip_last_byte
from tests.training.small_runs import run_events, run_summary, run_to_finish, small_options, write_small_corpus

pytestmark = pytest.mark.usefixtures("home")

BARE: dict[str, object] = {"hidden": None, "layers": None, "embed": None}


def write_texts(path: Path, texts: list[str]) -> Path:
    path.write_text("body\n" + "".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_small_corpus(tmp_path / "small.csv")


@pytest.fixture
def base(corpus: Path) -> Path:
    """The weights file of a model of characters."""
    run_summary(small_options(corpus, name="base", steps=4))
    return model_dir("base") / BEST


@pytest.fixture
def packaged_model(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packaged, "FILE", base)
    return base


def started(options: TrainOptions) -> TrainStarted:
    """What is said before the first step of a run, which is then finished."""
    events = list(run_events(dataclasses.replace(options, steps=2)))
    return next(event for event in events if isinstance(event, TrainStarted))


def test_a_small_corpus_starts_from_the_packaged_model(packaged_model: Path, tmp_path: Path) -> None:
    text = write_texts(tmp_path / "mine.csv", [f"the dog sat on a mat {n} ☕" for n in range(100)])
    event = started(small_options(text, name="mine", batch=None, **BARE))
    decision, described = event.decisions
    assert decision.startswith("starting from 'chitchat', with 1 new token (the corpus is small: ")
    assert described.startswith("recipe: characters, embedding 6, batch ")
    assert decision.endswith(" characters); --from nothing trains from scratch")
    base, mine = load_weights(packaged_model), load_weights(model_dir("mine") / LAST)
    assert mine.tokenizer.pieces == (*base.tokenizer.pieces, "☕".encode())
    assert mine.card.origin == ModelOrigin(
        "chitchat", read_model_info(packaged_model).parameters_sha256, base.card.fingerprint
    )
    assert mine.card.unknown_share == 0


@pytest.mark.parametrize("name", ["chitchat", "nothing", None])
def test_no_run_makes_a_model_with_a_reserved_name(tmp_path: Path, name: str | None) -> None:
    corpus = write_small_corpus(tmp_path / "chitchat.csv")
    with pytest.raises(UsageError, match=f"the name '{name or 'chitchat'}' is reserved for ") as refused:
        run_to_finish(small_options(corpus, name=name))
    assert "--name" in refused.value.hint
    assert not model_dir("emo").parent.exists()


def test_from_nothing_trains_from_scratch(packaged_model: Path, corpus: Path) -> None:
    event = started(small_options(corpus, name="mine", start_from="nothing", embed=None))
    (decision,) = event.decisions
    assert decision.startswith("recipe: characters, embedding 64, batch ")
    assert read_model_info(model_dir("mine") / LAST).card.origin is None
    assert read_model_info(model_dir("mine") / LAST).sizes.E == 64


def test_an_option_that_contradicts_the_packaged_model_means_from_scratch(packaged_model: Path, corpus: Path) -> None:
    event = started(small_options(corpus, name="mine", hidden=16, layers=None, embed=6, tokenizer="word"))
    assert event.decisions[0] == (
        "training from scratch, because 'chitchat' does not match --hidden 16 (it has 12), --tokenizer word "
        "(it has char)"
    )
    same = started(small_options(corpus, name="same", hidden=12, layers=2, embed=6, tokenizer="char"))
    assert same.decisions[0].startswith("starting from 'chitchat'")
    with pytest.raises(UsageError, match=r"model 'base' does not match --hidden 16 \(it has 12\)"):
        run_to_finish(small_options(corpus, name="odd", start_from="base", hidden=16))
    with pytest.raises(UsageError, match=r"does not match --tied \(it has --no-tied\)"):
        run_to_finish(small_options(corpus, name="odd", start_from="base", tied=True))


def test_a_damaged_packaged_model_means_from_scratch(packaged_model: Path, corpus: Path) -> None:
    flip_last_byte(packaged_model)
    decision = started(small_options(corpus, name="mine")).decisions[0]
    assert decision == "training from scratch: the model that comes with gru is damaged; reinstall gru"
    assert read_model_info(model_dir("mine") / LAST).card.origin is None
    with pytest.raises(ModelFileError, match="checksum mismatch"):
        run_to_finish(small_options(corpus, name="given", start_from="base"))


@pytest.mark.parametrize("kind", [None, "char"])
def test_text_in_another_script_trains_from_scratch(packaged_model: Path, tmp_path: Path, kind: str | None) -> None:
    text = write_texts(tmp_path / "russian.csv", [f"кот и пёс {n}" for n in range(100)])
    event = started(small_options(text, name="mine", tokenizer=kind, **BARE))
    assert event.decisions[0] == "training from scratch: 'chitchat' knows only 41% of the characters"


def test_a_long_text_trains_from_scratch(packaged_model: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "MAX_CHARACTERS", 1000)
    decision = started(small_options(corpus, name="mine", **BARE)).decisions[0]
    assert decision.startswith("training from scratch: ")
    assert decision.endswith(" characters are enough; --from chitchat starts from it")
    given = started(small_options(corpus, name="given", start_from="base", **BARE))
    assert given.decisions[0] == "starting from 'base'"


def test_running_text_trains_from_scratch(packaged_model: Path, tmp_path: Path) -> None:
    text = write_texts(tmp_path / "mine.csv", [f"the dog sat on a mat {n}" for n in range(100)])
    running = tmp_path / "mine.txt"
    running.write_text(text.read_text(encoding="utf-8").partition("\n")[2], encoding="utf-8")
    decision = started(small_options(running, name="mine", **BARE)).decisions[0]
    assert decision == "training from scratch, as the text has no comments; --from chitchat starts from that model"
    given = started(small_options(running, name="given", start_from="base", **BARE))
    assert given.decisions[0].startswith("starting from 'base'")


@pytest.mark.slow
def test_a_resumed_run_is_the_run_that_was_started(packaged_model: Path, tmp_path: Path) -> None:
    text = write_texts(tmp_path / "mine.csv", [f"the dog sat on a mat {n} ☕" for n in range(100)])
    options = small_options(text, name="halved", **BARE)
    straight = run_summary(dataclasses.replace(options, name="straight"))
    run_to_finish(options, 7)
    packaged_model.unlink()  # what the run started from is not needed any more
    resumed = run_summary(dataclasses.replace(options, resume=True))
    assert resumed.parameters_sha256 == straight.parameters_sha256
    assert resumed.origin == straight.origin is not None
    assert read_model_info(model_dir("halved") / LAST).card.origin == straight.origin


def test_what_an_adaptation_uses_unless_it_is_given(base: Path, corpus: Path) -> None:
    options = small_options(corpus, name="mine", start_from="base", batch=None, **BARE)
    chosen, _ = adaptation.choose_base(options)
    assert chosen is not None
    hparams = chosen.hparams()
    assert {name: hparams[name] for name in adaptation.DEFAULTS} == adaptation.DEFAULTS
    hparams |= given_hparams(dataclasses.replace(options, lr=0.5, batch=3))
    assert (hparams["lr"], hparams["batch"], hparams["hidden"]) == (0.5, 3, 12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
def test_a_base_of_another_alphabet_learns_it(corpus: Path, tmp_path: Path, kind: str) -> None:
    run_summary(small_options(corpus, name="base", steps=1, tokenizer=kind))
    russian = write_texts(tmp_path / "russian.csv", [f"кот и пёс {n % 9}" for n in range(100)])
    base = load_weights(model_dir("base") / BEST)
    options = small_options(russian, name="mine", start_from="base", steps=60, lr=4e-3, **BARE)
    summary = run_summary(options)
    assert summary.unknown_share == 0
    assert summary.val_nats is not None
    assert summary.val_nats < 0.8 * math.log(summary.vocab)  # that of an untrained one is about the logarithm
    mine = load_weights(model_dir("mine") / LAST)
    assert mine.tokenizer.pieces[: base.sizes.V] == base.tokenizer.pieces
    assert summary.vocab == mine.sizes.V > base.sizes.V
