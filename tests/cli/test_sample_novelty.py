"""`gru sample --novelty` and `--no-copies`, with a model that has memorized one of its samples."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.generation.copy_detection import BloomFilter, CopyIndex, build_index, save_index
from grucli.kernels.bloom import WORDS_PER_LINE
from grucli.model.store import BEST, NOVELTY, model_dir
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import EOS
from tests.model.factories import add_model, make_weights
from tests.ui.fake_streams import TtyStream

Output = pytest.CaptureFixture[str]
FIELDS = ["text", "prompt", "seed", "tokens", "bits_per_char", "stopped", "copied", "novel"]
LONG_SAMPLES = ["sample", "-n", "3", "--max-chars", "80", "--min-chars", "60", "--temp", "1", "--seed", "7"]
COPY_WARNING = "50 or more characters of the training text"


@pytest.fixture(autouse=True)
def _model(home: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    add_model("emo")
    index_samples(capsys, [8])


def sampled_texts(capsys: Output) -> dict[int, str]:
    assert main([*LONG_SAMPLES, "-n", "9", "--json"]) == 0
    return {sample["seed"]: sample["text"] for sample in map(json.loads, capsys.readouterr().out.splitlines())}


def index_samples(capsys: Output, seeds: list[int], *, complete: bool = True) -> None:
    """Let the index know the samples of these seeds."""
    samples, tokenizer = sampled_texts(capsys), make_weights().tokenizer
    path = model_dir("emo") / "a.tokens"
    with TokenWriter(path, tokenizer, running_text=False) as writer:
        writer.write_texts([samples[seed] for seed in seeds], [EOS] * len(seeds))
    steps = build_index(TokenFile(path), tokenizer)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            save_index(model_dir("emo") / NOVELTY, CopyIndex("", (end.value,), complete))
            return


def test_a_copy_is_marked_on_stderr_and_shown_all_the_same(capsys: Output) -> None:
    generated = sampled_texts(capsys)
    assert main([*LONG_SAMPLES, "--novelty"]) == 0
    out, err = capsys.readouterr()
    assert out.removesuffix("\n").split("\n--\n") == [generated[seed] for seed in (7, 8, 9)]
    assert err == (
        f"gru: seed 8 copies {len(generated[8])} characters of the training text\n"
        f"1 of 3 samples copies {COPY_WARNING}\n"
    )


def test_json_says_how_much_is_copied(capsys: Output) -> None:
    assert main([*LONG_SAMPLES, "--novelty", "--json"]) == 0
    out, err = capsys.readouterr()
    generated = {each["seed"]: each for each in map(json.loads, out.splitlines())}
    assert [list(each) for each in generated.values()] == [FIELDS] * 3
    assert {seed: each["novel"] for seed, each in generated.items()} == {7: True, 8: False, 9: True}
    assert {seed: each["copied"] for seed, each in generated.items()} == {7: 0, 8: len(generated[8]["text"]), 9: 0}
    assert err == f"1 of 3 samples copies {COPY_WARNING}\n"


def test_a_copy_is_refused_and_the_next_seed_takes_its_place(capsys: Output) -> None:
    generated = sampled_texts(capsys)
    assert main([*LONG_SAMPLES, "--no-copies"]) == 0
    out, err = capsys.readouterr()
    assert out.removesuffix("\n").split("\n--\n") == [generated[seed] for seed in (7, 9, 10)]
    assert err == f"refused 1 of 4 samples: it copies {COPY_WARNING}\n"
    assert main([*LONG_SAMPLES, "--no-copies", "--novelty", "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["seed"] for line in out.splitlines()] == [7, 9, 10]
    assert err == ""


def test_nothing_but_copies_is_a_failure_with_an_end(capsys: Output) -> None:
    everything = BloomFilter(np.full(WORDS_PER_LINE, 2**64 - 1, np.uint64), 6)
    save_index(model_dir("emo") / NOVELTY, CopyIndex("", (everything,), complete=True))
    assert main([*LONG_SAMPLES, "--no-copies"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-2:] == [
        "gru: all 60 samples are copies of the training text",
        "     use a higher --temp, or train on more text",
    ]
    assert "too long for its index: 100% of samples" in err


def test_no_copies_at_all(capsys: Output) -> None:
    assert main([*LONG_SAMPLES, "--novelty", "--seed", "9"]) == 0
    assert capsys.readouterr().err == f"none of 3 samples copies {COPY_WARNING}\n"
    assert main([*LONG_SAMPLES, "--no-copies", "--seed", "9", "-n", "1"]) == 0
    assert capsys.readouterr().err == "refused none of 1 sample\n"
    index_samples(capsys, [7, 8], complete=False)
    assert main([*LONG_SAMPLES, "--novelty"]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "gru: text that the model was trained on before its last training is not checked"
    assert err[-1] == f"2 of 3 samples copy {COPY_WARNING}"


def test_a_terminal_shows_the_first_at_a_pace_and_the_mark_behind_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    generated = sampled_texts(capsys)
    screen = TtyStream()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    # A line has room for 70.
    assert main([*LONG_SAMPLES, "-n", "1", "--seed", "8", "--max-chars", "70", "--novelty", "--pace", "0"]) == 0
    shown = screen.getvalue()
    assert 0 < shown.index(generated[8][:70]) < shown.index("seed 8 copies 70") < shown.index("1 of 1 sample copies")


@pytest.mark.parametrize("option", ["--novelty", "--no-copies"])
def test_a_model_without_an_index_says_how_to_get_one(capsys: Output, tmp_path: Path, option: str) -> None:
    alone = tmp_path / "friend.safetensors"
    alone.write_bytes((model_dir("emo") / BEST).read_bytes())
    assert main(["sample", str(alone), option]) == ExitStatus.USAGE
    err = capsys.readouterr().err
    assert "no copy index" in err
    assert "use a model of your own: gru train CORPUS" in err
    assert len(err.splitlines()) == 2
    assert main(["sample", str(alone), "--max-chars", "5"]) == 0


def test_a_damaged_index_is_told_and_only_looked_at_when_asked_for(capsys: Output) -> None:
    (model_dir("emo") / NOVELTY).write_bytes(b"\0" * 100)
    assert main(["sample", "--max-chars", "5"]) == 0
    capsys.readouterr()
    assert main(["sample", "--novelty"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert "is corrupt" in err
    assert len(err.splitlines()) == 2
