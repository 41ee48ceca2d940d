"""`gru eval`: figures of a file or of its held-out part, for people and for scripts."""

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.generation.dynamic_evaluation import DynamicGain
from grucli.generation.evaluation import EvalResult
from grucli.model.weights import ModelCard
from grucli.ui.views.eval_view import show_scores
from tests.model.factories import add_model, make_weights
from tests.ui.fake_streams import CapturedTerminal, PipeStream

Output = pytest.CaptureFixture[str]
FIELDS = ["nats_per_token", "nats_per_char", "bits_per_char", "perplexity", "tokens", "characters"]
FIELDS += ["unknown_share", "read", "dropped", "placeholders", "inputs", "model", "words", "perplexity_per_word"]
FIELDS += ["documents", "document_kind", "bits_per_char_interval", "perplexity_per_word_interval"]
CONTEXT_FIELDS = ["context_gain_bits", "context_gain_interval", "right_context_share", "context_replies"]


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    add_model("emo")
    path = tmp_path / "corpus.csv"
    path.write_text("id,body\n" + "".join(f"{i},{'hello' * (1 + i % 3)} {i}\n" for i in range(60)))
    return path


def run_eval(capsys: Output, *options: str) -> dict[str, Any]:
    assert main(["eval", "emo", *options, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_json_has_the_figures_of_the_whole_file(capsys: Output, corpus: Path) -> None:
    result = run_eval(capsys, str(corpus))
    assert list(result) == FIELDS
    assert result["characters"] == sum(len(line.split(",")[1]) for line in corpus.read_text().splitlines()[1:])
    assert result["bits_per_char"] == pytest.approx(result["nats_per_char"] / math.log(2))
    assert result["perplexity"] == pytest.approx(math.exp(result["nats_per_token"]))
    assert (result["model"], result["words"], result["documents"], result["document_kind"]) == (
        "emo",
        120,
        60,
        "comments",
    )
    nats = result["nats_per_char"] * result["characters"]
    assert result["perplexity_per_word"] == pytest.approx(math.exp(nats / 120))
    for name in ("bits_per_char", "perplexity_per_word"):
        low, high = result[f"{name}_interval"]
        assert low < result[name] < high
    assert run_eval(capsys, str(corpus), "--seed", "0") == result
    assert run_eval(capsys, str(corpus), "--seed", "1")["bits_per_char_interval"] != result["bits_per_char_interval"]


def test_the_held_out_part_is_a_part(capsys: Output, corpus: Path) -> None:
    whole, tenth = run_eval(capsys, str(corpus)), run_eval(capsys, str(corpus), "--split", "val")
    half = run_eval(capsys, str(corpus), "--split", "val", "--val", "0.5")
    assert 0 < tenth["characters"] < half["characters"] < whole["characters"]
    rest = run_eval(capsys, str(corpus), "--split", "train", "--val", "0.5")
    for name in ("characters", "words", "documents"):
        assert half[name] + rest[name] == whole[name]


def test_people_get_a_line_a_figure(capsys: Output, corpus: Path) -> None:
    result = run_eval(capsys, str(corpus))
    assert main(["eval", "emo", str(corpus)]) == 0
    out, err = capsys.readouterr()
    low, high = result["bits_per_char_interval"]
    assert out.splitlines()[0] == f"bits per character  {result['bits_per_char']:.4f} (95%: {low:.4f} to {high:.4f})"
    assert out.splitlines()[4].startswith(f"perplexity per word {result['perplexity_per_word']:.1e} (95%: ")
    assert out.splitlines()[-4:] == [
        f"characters          {result['characters']:,}",
        "words               120",
        "comments            60",
        f"unknown characters  {result['unknown_share']:.2%}",
    ]
    assert err == "gru: 14.3% of the characters are not in the vocabulary\n"


def test_rows_that_could_not_be_read_are_counted(capsys: Output, corpus: Path) -> None:
    corpus.write_bytes(corpus.read_bytes() + b"61,hell\xff\n")
    assert main(["eval", "emo", str(corpus), "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert list(result) == FIELDS
    assert (result["read"], sum(result["dropped"].values())) == (61, 1)
    assert "gru: 1 row skipped: " in err


def test_several_models_are_compared_with_the_first(capsys: Output, corpus: Path) -> None:
    add_model("ann", weights=make_weights(seed=2))
    single = run_eval(capsys, str(corpus))
    assert main(["eval", "emo", "ann", "emo", str(corpus), "--json"]) == 0
    results: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert results[0] == single
    more = ["difference_bits_per_char", "difference_interval", "verdict"]
    assert [list(each) for each in results[1:]] == [FIELDS + more] * 2
    assert [each["model"] for each in results] == ["emo", "ann", "emo"]
    difference = results[1]["bits_per_char"] - results[0]["bits_per_char"]
    assert results[1]["difference_bits_per_char"] == pytest.approx(difference)
    assert results[2]["difference_interval"] == [0, 0]
    assert main(["eval", "emo", "ann", "emo", str(corpus)]) == 0
    out, err = capsys.readouterr()
    header, *rows, text, verdict, same = out.splitlines()
    assert header.split()[0] == "MODEL"
    assert [row.split()[:2] for row in rows] == [[each["model"], f"{each['bits_per_char']:.4f}"] for each in results]
    assert text.endswith(" characters, 120 words, 60 comments")
    assert verdict == results[1]["verdict"]
    assert same == "no difference beyond noise between emo and emo"
    assert "in the vocabulary of 'ann'" in err


def test_several_models_read_standard_input_once(capsys: Output, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run_eval(capsys, str(corpus))
    with corpus.open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read())))
    assert main(["eval", "emo", "emo", "-", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["bits_per_char"] == second["bits_per_char"] == expected["bits_per_char"]


def test_tokenizers_are_compared_on_the_same_documents(capsys: Output, corpus: Path) -> None:
    add_model("words", weights=make_weights(text=corpus.read_text(), kind="word"))
    assert main(["eval", "emo", "words", str(corpus), "--json"]) == 0
    chars, words = json.loads(capsys.readouterr().out)
    assert (chars["documents"], chars["words"]) == (words["documents"], words["words"])
    assert words["tokens"] < chars["tokens"]
    low, high = words["difference_interval"]
    assert low < words["bits_per_char"] - chars["bits_per_char"] < high


def write_conversations(path: Path, turns: int, count: int = 30) -> Path:
    rows = [
        f"t3_{thread}.1,hello {'there' * (turn + thread % 3)}\n" for thread in range(count) for turn in range(turns)
    ]
    path.write_text("thread,body\n" + "".join(rows))
    return path


def test_what_replies_gain_from_their_context(capsys: Output, tmp_path: Path) -> None:
    add_model("emo", card=ModelCard(conversations=True))
    corpus = str(write_conversations(tmp_path / "talk.csv", turns=4))
    result = run_eval(capsys, corpus, "--context")
    plain = run_eval(capsys, corpus)
    assert list(plain) == FIELDS
    assert list(result) == FIELDS + CONTEXT_FIELDS
    assert {name: result[name] for name in FIELDS} == plain
    low, high = result["context_gain_interval"]
    assert low < result["context_gain_bits"] < high
    assert 0 <= result["right_context_share"] <= 1
    assert result["context_replies"] == 90
    assert run_eval(capsys, corpus, "--context") == result
    both = run_eval(capsys, corpus, "--context", "--dynamic")
    assert list(both)[: len(result) + 1] == [*result, "dynamic_gain_bits"]
    part = run_eval(capsys, corpus, "--context", "--split", "val", "--val", "0.5")
    assert 0 < part["context_replies"] < 90
    assert main(["eval", "emo", corpus, "--context"]) == 0
    gain, share = capsys.readouterr().out.splitlines()[-2:]
    assert gain.startswith(f"context gain        {result['context_gain_bits']:.2f} bits per reply (95%: ")
    assert share == f"right context       better than another in {result['right_context_share']:.0%} of 90 replies"


@pytest.mark.parametrize(
    ("trained_on_conversations", "turns", "count", "status", "said"),
    [
        (False, 4, 30, ExitStatus.USAGE, "'emo' was not trained on conversations"),
        (True, 1, 30, ExitStatus.USAGE, "talk.csv' has no conversations"),
        (True, 9, 1, ExitStatus.NO_DATA, "too few replies"),
    ],
)
def test_a_context_that_cannot_be_measured(
    capsys: Output, tmp_path: Path, trained_on_conversations: bool, turns: int, count: int, status: int, said: str
) -> None:
    add_model("emo", card=ModelCard(conversations=trained_on_conversations))
    corpus = write_conversations(tmp_path / "talk.csv", turns, count)
    assert main(["eval", "emo", str(corpus), "--context", "--json"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert ("--thread-column" in err) == (turns == 1)
    assert len(err.splitlines()) == 2


def test_a_text_that_is_mostly_unknown_is_refused(capsys: Output, corpus: Path) -> None:
    corpus.write_text("body\n" + "приветик hello\n" * 20)
    assert main(["eval", "emo", str(corpus), "--json"]) == ExitStatus.USAGE
    assert capsys.readouterr().err.startswith("gru: 57%")
    corpus.write_text("body\n" + "привет hello hello\n" * 20)
    assert main(["eval", "emo", str(corpus), "--json"]) == ExitStatus.OK
    out, err = capsys.readouterr()
    assert json.loads(out)["unknown_share"] == pytest.approx(6 / 18)
    assert err == "gru: 33.3% of the characters are not in the vocabulary\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["{corpus}", "--column", "text"], ExitStatus.USAGE, "body"),
        (["{corpus}", "--split", "test"], ExitStatus.USAGE, "--split"),
        (["{corpus}", "--split", "val", "--val", "1"], ExitStatus.USAGE, "--val"),
        (["{corpus}.csv"], ExitStatus.USAGE, "corpus.csv.csv"),
        (["{corpus}", "--seed", "-1"], ExitStatus.USAGE, "--seed"),
        (["{corpus}", "--seed", str(1 << 63)], ExitStatus.USAGE, "seed is 9223372036854775808"),
        (["nothing", "{corpus}"], ExitStatus.USAGE, "there is no model 'nothing'"),
        ([], ExitStatus.USAGE, "CORPUS"),
        (["{empty}"], ExitStatus.NO_DATA, "empty.txt"),
        (["{one}", "--split", "val"], ExitStatus.NO_DATA, "no validation split"),
    ],
)
def test_what_cannot_be_scored(
    capsys: Output, corpus: Path, tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    empty, one = tmp_path / "empty.txt", tmp_path / "one.csv"
    empty.write_text("")
    one.write_text("body\nhello\n")
    assert main(["eval", "emo", *(word.format(corpus=corpus, empty=empty, one=one) for word in words)]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 2


def test_dynamic_adds_what_learning_gains(capsys: Output, corpus: Path) -> None:
    corpus.write_text("id,body\n" + "".join(f"{i},hello there {i % 5}\n" for i in range(400)))
    result: dict[str, Any] = dict(run_eval(capsys, str(corpus), "--dynamic"))
    assert list(result)[: len(FIELDS)] == FIELDS
    assert (result["dynamic_streams"], result["dynamic_turns"]) == (2, 200)
    low, high = result["dynamic_gain_interval"]
    assert 0 < low <= result["dynamic_gain_bits"] <= high
    assert result["dynamic_bits_per_char"] < result["static_bits_per_char"]
    assert result["static_bits_per_char"] == pytest.approx(result["bits_per_char"], rel=1e-4)
    curve: list[dict[str, float]] = result["dynamic_curve"]
    assert [(each["first_turn"], each["last_turn"]) for each in curve] == [(1, 10), (11, 50), (51, 100), (101, 200)]
    total = sum(each["gain_bits"] * (each["last_turn"] - each["first_turn"] + 1) for each in curve)
    assert total == pytest.approx(result["dynamic_gain_bits"])
    assert result["dynamic_ms_per_turn"] > 0


def test_dynamic_takes_one_comment_and_running_text(capsys: Output, corpus: Path) -> None:
    corpus.write_text("id,body\n1,hello\n")
    result: dict[str, Any] = dict(run_eval(capsys, str(corpus), "--dynamic"))
    assert (result["dynamic_turns"], result["dynamic_gain_bits"], result["dynamic_gain_interval"]) == (1, 0, None)
    assert [each["last_turn"] for each in result["dynamic_curve"]] == [1]
    text = corpus.with_suffix(".txt")
    text.write_text("hello there\n" * 40)
    assert run_eval(capsys, str(text), "--dynamic")["dynamic_turns"] == -(-(12 * 40 - 1) // 64)


def test_dynamic_for_people(capsys: Output, corpus: Path) -> None:
    assert main(["eval", "emo", str(corpus), "--dynamic"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines[10:]] == [
        "gain of learning", "turns 1 to 10", "turns 11 to 50", "turns 51 to 60", "with learning", "without", "cost",
    ]  # fmt: skip
    assert lines[10].endswith(" bits in 60 turns (not enough text for an interval)")
    assert all(line[20:].startswith("gain of ") for line in lines[11:14])


def test_a_large_gain_has_separators() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    gain = DynamicGain(8468.5, (7001.25, 10000.0), (), 2.0, 2.1, 5.0, 9, 1200)
    show_scores(captured.terminal, [EvalResult(1.3975, 1.3968, 2.0152, 4.045, 268_123, 267_890, dynamic=gain)])
    assert "8,468.5 bits in 1,200 turns (95%: 7,001.2 to 10,000.0)" in captured.out
