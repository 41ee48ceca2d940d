"""The options that say how files are read, and what the commands say about it."""

import json
from pathlib import Path

import pytest

import grucli
from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.read.schema import ReadOptions
from grucli.text.dataset import prepare_dataset
from grucli.training.options import TrainOptions

Output = pytest.CaptureFixture[str]

TALK = "sep=;\nwho;points;What they said\notter;5;I *like* this; honestly\nkettle;1;[removed]\npigeon;3;Me too.\n"
FLAGS = ["--column", "What they said", "--author-column", "1", "--score-column", "points"]


@pytest.fixture(autouse=True)
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "talk.csv"
    path.write_text(TALK.replace("I *like* this; honestly", '"I *like* this; honestly"'))
    return path


def test_the_decision_is_said_in_one_line_unless_quiet(capsys: Output) -> None:
    assert main(["clean", "talk.csv", "--dry-run", *FLAGS]) == ExitStatus.OK
    line = "reading 'talk.csv': semicolon-separated, text in 'What they said', authors in 'who', scores in 'points'"
    assert capsys.readouterr().err.splitlines() == [line]

    assert main(["clean", "talk.csv", "--dry-run", *FLAGS, "-q"]) == ExitStatus.OK
    assert capsys.readouterr().err == ""


def test_a_plain_file_needs_no_words(capsys: Output) -> None:
    Path("a.csv").write_text("id,author,body\nc1,otter,Well.\n")
    assert main(["clean", "a.csv", "--dry-run"]) == ExitStatus.OK
    assert capsys.readouterr().err == ""


def test_comments_are_shown_as_they_are_read_and_cleaned(capsys: Output) -> None:
    assert main(["clean", "talk.csv", "--dry-run", "--show", "2", *FLAGS]) == ExitStatus.OK
    assert capsys.readouterr().out.splitlines() == [
        "talk.csv, line 3: author otter, score 5",
        "  │ I *like* this; honestly",
        "cleaned:",
        "  │ I like this; honestly",
        "talk.csv, line 4: author kettle, score 1",
        "  │ [removed]",
        "DROPPED: deleted: removed",
        "read       3",
        "kept       2  28 characters",
        "dropped    1",
        "  deleted  1  removed (line 4)",
    ]


def test_the_shown_comments_are_in_the_json_too(capsys: Output) -> None:
    assert main(["clean", "talk.csv", "--dry-run", "--show", "1", *FLAGS, "--json"]) == ExitStatus.OK
    document = json.loads(capsys.readouterr().out)

    (example,) = document["examples"]
    assert (example["source"], example["line"], example["dropped"]) == ("talk.csv", 3, None)
    assert (example["comment"]["author"], example["comment"]["body"]) == ("otter", "I *like* this; honestly")
    assert example["text"] == "I like this; honestly"
    assert document["inputs"] == [
        {
            "file": "talk.csv",
            "format": "csv",
            "encoding": "utf-8",
            "delimiter": ";",
            "header": True,
            "columns": {"body": "What they said", "author": "who", "score": "points"},
        }
    ]


@pytest.mark.parametrize("num_workers", ["1", "2"])
def test_as_many_of_each_file_are_shown(capsys: Output, num_workers: str) -> None:
    Path("b.jsonl").write_text('{"body":"one\\u001b[2J"}\n{"body":"two"}\n{"body":"three"}\n')
    words = ["clean", "b.jsonl", "b.jsonl", "--dry-run", "--show", "2", "--workers", num_workers]
    assert main(words) == ExitStatus.OK
    out = capsys.readouterr().out

    assert out.count("b.jsonl, line ") == 4
    assert "\x1b" not in out


def test_showing_needs_a_dry_run(capsys: Output) -> None:
    assert main(["clean", "talk.csv", "-o", "out.csv", "--show", "3", *FLAGS]) == ExitStatus.USAGE
    assert "--show requires --dry-run" in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_the_columns_can_be_explained(capsys: Output) -> None:
    assert main(["clean", "talk.csv", "--explain-columns", "--author-column", "who"]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "reading 'talk.csv': semicolon-separated, authors in 'who', scores in 'points'"
    assert [" ".join(line.split()) for line in lines[1:5]] == ["body -", "id -", "author who", "subreddit -"]

    assert main(["clean", "--explain-columns"]) == ExitStatus.OK
    table = capsys.readouterr().out
    assert "body" in table
    assert "commentaire" in table
    assert "--author-column" in table
    assert main(["clean", "talk.csv", "--explain-columns", "--json"]) == ExitStatus.OK
    assert json.loads(capsys.readouterr().out)[0]["delimiter"] == ";"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clean", "talk.csv", "--dry-run"], "no column 'body'"),
        (["clean", "talk.csv", "--dry-run", "--delimiter", "ab"], "--delimiter is not one character: 'ab'"),
        (["clean", "talk.csv", "--dry-run", "--encoding", "cp9999"], "cp9999"),
        (["train", "talk.csv", "--column", "4"], "no column '4'"),
        (["purge", "talk.csv", "--author", "otter", "--author-column", "nobody"], "no column 'nobody'"),
    ],
)
def test_what_cannot_be_read_so_is_a_usage_error(words: list[str], said: str, capsys: Output) -> None:
    assert main(words) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.removeprefix("loading...\n").splitlines()) == 2


def test_the_same_options_clean_train_and_explain(tmp_path: Path) -> None:
    read = ReadOptions(columns={"body": "What they said", "author": "who"})
    assert grucli.clean("talk.csv", "out.csv", read=read).kept == 2
    assert grucli.clean("talk.csv", None, column="What they said", dry_run=True).kept == 2
    Path("ids.csv").write_text("nr,words\nc1,well *well*\n")
    explained = grucli.explain("c1", "ids.csv", read=ReadOptions(columns={"body": "words", "id": "nr"}))
    assert explained.to_json()["inputs"] == [explained.inputs[0].to_json()]
    assert explained.steps[-1].after == "well well"


def prepare(path: Path, read: ReadOptions) -> tuple[str, list[str]]:
    dataset = prepare_dataset(
        [str(path)],
        read=read,
        tokenizer="char",
        vocab=None,
        val_fraction=0.0,
        val_file=None,
        cache_dir=path.parent,
        on_progress=lambda *_: None,
    )
    return dataset.fingerprint, [schema.describe() for schema in dataset.report.schemas]


def test_a_corpus_is_another_when_it_is_read_otherwise(talk: Path) -> None:
    talk.write_text("a;text\n1;some words\n2;more words\n")
    made = [
        prepare(talk, read)
        for read in (
            ReadOptions(),
            ReadOptions(columns={"body": "a"}),
            ReadOptions(columns={"body": "text", "thread": "a"}),
            ReadOptions(has_header=False, columns={"body": "2"}),
        )
    ]
    assert len({fingerprint for fingerprint, _ in made}) == 4
    assert made[0] == prepare(talk, ReadOptions())  # the decision is kept with the cached tokens
    assert made[0][1] == [f"reading '{talk}': semicolon-separated, text in 'text' (--column chooses another)"]


def test_options_of_training_take_the_column_alone() -> None:
    options = TrainOptions(sources="a.csv", column="text", read=ReadOptions(delimiter="tab"))
    assert options.read == ReadOptions(columns={"body": "text"}, delimiter="\t")


def test_running_text_has_no_columns(capsys: Output) -> None:
    Path("a.txt").write_text("One running text. " * 20)
    assert main(["train", "a.txt", "--column", "2", "--no-header"]) == ExitStatus.USAGE
    assert "'a.txt' is running text, without columns\n     remove --column 2 --no-header" in capsys.readouterr().err
