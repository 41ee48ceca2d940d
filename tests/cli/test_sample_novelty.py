"""`gru sample --novelty` and `--no-copies`, with a model that is known to have learnt one of its samples by heart."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.generation.copy_detection import Filter, Index, index_text, save_index
from grucli.kernels.bloom import LINE
from grucli.model.store import BEST, NOVELTY, model_folder
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import END
from tests.model.factories import add_model, make_weights
from tests.ui.fake_streams import Screen

Output = pytest.CaptureFixture[str]
FIELDS = ["text", "prompt", "seed", "tokens", "bits_per_char", "stopped", "copied", "novel"]
LONG_ONES = ["sample", "-n", "3", "--max-chars", "80", "--min-chars", "60", "--temp", "1", "--seed", "7"]
VERDICT = "50 characters or more of the text that the model learnt from"


@pytest.fixture(autouse=True)
def _model(home: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    add_model("emo")
    learn_by_heart(capsys, [8])


def texts(capsys: Output) -> dict[int, str]:
    assert main([*LONG_ONES, "-n", "9", "--json"]) == 0
    return {each["seed"]: each["text"] for each in map(json.loads, capsys.readouterr().out.splitlines())}


def learn_by_heart(capsys: Output, seeds: list[int], *, whole: bool = True) -> None:
    """Let the index know the samples of these seeds."""
    drawn, tokenizer = texts(capsys), make_weights().tokenizer
    path = model_folder("emo") / "a.tokens"
    with TokenWriter(path, tokenizer, running_text=False) as writer:
        writer.write_texts([drawn[seed] for seed in seeds], [END] * len(seeds))
    reading = index_text(TokenFile(path), tokenizer)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            save_index(model_folder("emo") / NOVELTY, Index("", (end.value,), whole))
            return


def test_a_copy_is_marked_on_stderr_and_shown_all_the_same(capsys: Output) -> None:
    drawn = texts(capsys)
    assert main([*LONG_ONES, "--novelty"]) == 0
    out, err = capsys.readouterr()
    assert out.removesuffix("\n").split("\n--\n") == [drawn[seed] for seed in (7, 8, 9)]
    assert err == (
        f"gru: seed 8 copies {len(drawn[8])} characters of the text that the model learnt from\n"
        f"1 of 3 samples copies {VERDICT}\n"
    )


def test_json_says_how_much_is_copied(capsys: Output) -> None:
    assert main([*LONG_ONES, "--novelty", "--json"]) == 0
    out, err = capsys.readouterr()
    drawn = {each["seed"]: each for each in map(json.loads, out.splitlines())}
    assert [list(each) for each in drawn.values()] == [FIELDS] * 3
    assert {seed: each["novel"] for seed, each in drawn.items()} == {7: True, 8: False, 9: True}
    assert {seed: each["copied"] for seed, each in drawn.items()} == {7: 0, 8: len(drawn[8]["text"]), 9: 0}
    assert err == f"1 of 3 samples copies {VERDICT}\n"


def test_a_copy_is_refused_and_the_next_seed_takes_its_place(capsys: Output) -> None:
    drawn = texts(capsys)
    assert main([*LONG_ONES, "--no-copies"]) == 0
    out, err = capsys.readouterr()
    assert out.removesuffix("\n").split("\n--\n") == [drawn[seed] for seed in (7, 9, 10)]
    assert err == f"refused 1 of 4 samples: it copies {VERDICT}\n"
    assert main([*LONG_ONES, "--no-copies", "--novelty", "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["seed"] for line in out.splitlines()] == [7, 9, 10]
    assert err == ""


def test_nothing_but_copies_is_a_failure_with_an_end(capsys: Output) -> None:
    everything = Filter(np.full(LINE, 2**64 - 1, np.uint64), 6)
    save_index(model_folder("emo") / NOVELTY, Index("", (everything,), whole=True))
    assert main([*LONG_ONES, "--no-copies"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-2:] == [
        "gru: all of 60 samples are copies of the text that the model learnt from",
        "     choose a higher --temp, or train on more text",
    ]
    assert "too long for its index: 100% of samples" in err


def test_no_copies_at_all(capsys: Output) -> None:
    assert main([*LONG_ONES, "--novelty", "--seed", "9"]) == 0
    assert capsys.readouterr().err == f"none of 3 samples copies {VERDICT}\n"
    assert main([*LONG_ONES, "--no-copies", "--seed", "9", "-n", "1"]) == 0
    assert capsys.readouterr().err == "refused none of 1 sample\n"
    learn_by_heart(capsys, [7, 8], whole=False)
    assert main([*LONG_ONES, "--novelty"]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "gru: what the model may have learnt before its last training is not looked at"
    assert err[-1] == f"2 of 3 samples copy {VERDICT}"


def test_a_terminal_shows_the_first_at_a_pace_and_the_mark_behind_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    drawn = texts(capsys)
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    # A line has room for 70.
    assert main([*LONG_ONES, "-n", "1", "--seed", "8", "--max-chars", "70", "--novelty", "--pace", "0"]) == 0
    shown = screen.getvalue()
    assert 0 < shown.index(drawn[8][:70]) < shown.index("seed 8 copies 70") < shown.index("1 of 1 sample copies")


@pytest.mark.parametrize("option", ["--novelty", "--no-copies"])
def test_a_model_without_an_index_says_how_to_get_one(capsys: Output, tmp_path: Path, option: str) -> None:
    alone = tmp_path / "friend.safetensors"
    alone.write_bytes((model_folder("emo") / BEST).read_bytes())
    assert main(["sample", str(alone), option]) == ExitStatus.USAGE
    err = capsys.readouterr().err
    assert "no index of the text it learnt from" in err
    assert "gru train CORPUS --name NAME --resume" in err
    assert len(err.splitlines()) == 2
    assert main(["sample", str(alone), "--max-chars", "5"]) == 0


def test_a_damaged_index_is_told_and_only_looked_at_when_asked_for(capsys: Output) -> None:
    (model_folder("emo") / NOVELTY).write_bytes(b"\0" * 100)
    assert main(["sample", "--max-chars", "5"]) == 0
    capsys.readouterr()
    assert main(["sample", "--novelty"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert "is damaged" in err
    assert len(err.splitlines()) == 2
