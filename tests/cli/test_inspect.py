"""`gru inspect`: what it prints, writes and refuses."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from tests.inspection.factories import TEXT, make_model
from tests.model.factories import add_model

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name, cell in (("net", "gru"), ("plain", "rnn"), ("long", "lstm")):
        add_model(name, weights=make_model(cell, conversations=False))
    add_model("talk", weights=make_model(conversations=True))
    Path("text.txt").write_text(TEXT * 200)
    Path("rows.csv").write_text("body,thread\nthe cat,1\nsat,1\non a mat,2\n")


def inspect(capsys: Output, *words: str) -> dict[str, Any]:
    assert main(["inspect", *words, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.slow
def test_json_has_everything(capsys: Output) -> None:
    result = inspect(capsys, "net", "text.txt", "--unit", "2:5", "--find", "c.t", "--why", "-1", "--reach")
    assert "".join(token["text"] for token in result["tokens"]) == (TEXT * 200)[:2000]
    assert result["truncated"]
    assert list(result["tokens"][0]) == ["text", "end", "unknown", "bits", "likeliest", "gates"]
    assert len(result["tokens"][0]["likeliest"]) == 5
    assert result["tokens"][0]["gates"].keys() == {"update", "reset"} == result["gate_labels"].keys()
    assert len(result["unit"]["values"]) == 2000
    assert {each["label"] for each in result["found"]} == {"c.t"}
    assert len(result["why"]["influences"]) == 200
    assert [(each["layer"], each["gate"]) for each in result["saturation"]] == [
        (1, "update"),
        (1, "reset"),
        (2, "update"),
        (2, "reset"),
    ]
    assert len(result["reach"][0]["layers"][1]["median"]) == 100


def test_people_get_a_summary(capsys: Output) -> None:
    assert main(["inspect", "net", "text.txt", "--chars", "400"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("net: gru, 2 layers of 6 units; 400 characters of 'text.txt'\n")
    assert "layer 2, update gate: 0 replaces the state" in out
    assert "bits/char" in out
    assert "inside quotes" in out
    assert "2:reset" in out
    assert "its first 400 characters are used" in err


@pytest.mark.slow
def test_without_a_text_the_model_writes_one(capsys: Output) -> None:
    assert inspect(capsys, "net")["source"] == "a text by 'net'"
    assert inspect(capsys, "talk")["tokens"]


def test_a_file_of_rows_is_documents_or_dialogues(capsys: Output) -> None:
    for model, ends in (("net", 2), ("talk", 2)):
        tokens = inspect(capsys, model, "rows.csv")["tokens"]
        assert "".join(token["text"] for token in tokens) == "the catsaton a mat"
        assert sum(token["end"] for token in tokens) == ends


def test_a_cell_without_gates(capsys: Output) -> None:
    assert main(["inspect", "plain", "the cat"]) == 0
    assert "bits/char" in capsys.readouterr().out


@pytest.mark.slow
def test_several_models_reach_in_one_table(capsys: Output) -> None:
    assert main(["inspect", "net", "long", "plain", "text.txt", "--reach"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:3] for line in out.splitlines()[2:]] == [
        [name, cell, layer] for name, cell in (("net", "gru"), ("long", "lstm"), ("plain", "rnn")) for layer in "12"
    ]


@pytest.mark.slow
def test_files_are_written(capsys: Output, tmp_path: Path) -> None:
    assert main(["inspect", "net", "the cat", "--html", "new/page.html", "--svg", "picture.svg"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["Written: new/page.html", "Written: picture.svg"]
    assert Path("new/page.html").read_text().startswith("<!doctype html>")
    assert main(["inspect", "net", "long", "text.txt", "--reach", "--svg", "reach.svg"]) == 0
    for name in ("picture.svg", "reach.svg"):
        assert ElementTree.fromstring(Path(name).read_text()).tag.endswith("svg")


@pytest.mark.slow
def test_similar_places(capsys: Output) -> None:
    result = inspect(capsys, "net", "a cat", "--match", "3:5", "--corpus", "text.txt")
    assert len(result["similar"]) == 10
    assert main(["inspect", "net", "a cat", "--match", "3:5", "--corpus", "text.txt"]) == 0
    assert "|" in capsys.readouterr().out


def test_unknown_symbols_are_counted_and_marked(capsys: Output) -> None:
    assert main(["inspect", "net", "the cat ☃", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["unknown"] == 1
    assert result["tokens"][-1]["unknown"]
    assert "1 symbol is not in the model's vocabulary: '☃'" in err


@pytest.mark.parametrize(
    ("words", "message", "status"),
    [
        (["net", ""], "the text is empty", ExitStatus.NO_DATA),
        (["net", "missing.txt"], "no such file: 'missing.txt'", ExitStatus.USAGE),
        (["net", "☃☃☃"], "100% of the symbols of the text are not in the vocabulary of 'net'", ExitStatus.USAGE),
        (["none", "the"], "there is no model 'none'", ExitStatus.USAGE),
        (["net", "the", "cat"], "unexpected argument 'cat'", ExitStatus.USAGE),
        (["net", "the", "--unit", "3:0"], "layer not found: 3", ExitStatus.USAGE),
        (["net", "the", "--unit", "1:6"], "unit not found: 1:6", ExitStatus.USAGE),
        (["net", "the", "--unit", "1:-1"], "unit not found: 1:-1", ExitStatus.USAGE),
        (["net", "the", "--unit", "7"], "--unit is '7'", ExitStatus.USAGE),
        (["net", "the", "--gate", "1:forget"], "gate not found: 'forget'", ExitStatus.USAGE),
        (["net", "the", "--gate", "9:update"], "layer not found: 9", ExitStatus.USAGE),
        (["net", "the", "--gate", "update"], "--gate is 'update'", ExitStatus.USAGE),
        (["plain", "the", "--gate", "1:update"], "gate not found: 'update'", ExitStatus.USAGE),
        (["net", "the", "--find", "("], "'(' is not a regular expression", ExitStatus.USAGE),
        (["net", "the", "--why", "4"], "character not found: 4", ExitStatus.USAGE),
        (["net", "the", "--why", "0"], "character not found: 0", ExitStatus.USAGE),
        (["net", "the", "--why", "-4"], "character not found: -4", ExitStatus.USAGE),
        (["net", "the", "--match", "1:2"], "--match and --corpus need each other", ExitStatus.USAGE),
        (["net", "the", "--match", "1", "--corpus", "text.txt"], "--match is '1'", ExitStatus.USAGE),
        (["net", "the", "--match", "2:1", "--corpus", "text.txt"], "--match 2:1 ends before", ExitStatus.USAGE),
        (["net", "the", "--match", "1:9", "--corpus", "text.txt"], "character not found: 9", ExitStatus.USAGE),
        (["net", "the", "--html", "."], "is a directory: '.'", ExitStatus.USAGE),
        (["net", "the", "--html", "text.txt/page.html"], "text.txt", ExitStatus.FAILED),
        (["net", "the", "--chars", "0"], "--chars is 0", ExitStatus.USAGE),
    ],
)
def test_what_is_wrong_is_said(capsys: Output, words: list[str], message: str, status: ExitStatus) -> None:
    assert main(["inspect", *words]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[0]
    assert len(err.splitlines()) == 2


@pytest.mark.slow
def test_a_word_is_a_file_or_a_text(capsys: Output) -> None:
    assert inspect(capsys, "net", "text.txt")["source"] == "'text.txt'"
    assert inspect(capsys, "net", "the cat")["source"] == "the text"
    assert inspect(capsys, "net", "the cat " * 999)["truncated"]
