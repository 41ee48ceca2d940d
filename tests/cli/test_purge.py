"""`gru purge`: what people and scripts are told, and what goes besides the comments."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.model.store import PURGED, models_trained_on, remove_model, rename_model
from grucli.model.weights import ModelCard
from grucli.paths import cache_dir
from grucli.read.schema import ReadOptions
from grucli.reddit.corpus.pseudonyms import AuthorHasher, author_key
from grucli.reddit.fetch.comment_source import Target
from grucli.reddit.fetch.state import digest, new_state, save_state
from grucli.text.dataset import prepare_dataset
from grucli.training.staging import create_staging, publish
from tests.model.factories import add_model

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def corpus(home: Path, tmp_path: Path) -> Path:
    hashed = AuthorHasher(author_key())
    path = tmp_path / "corpus.csv"
    rows = [f"t3_{n // 4}.1,{n % 4 + 1},c{n},{hashed('ann' if n % 4 == 1 else 'bob')},word {n}\n" for n in range(40)]
    path.write_text("thread,turn,id,author,body\n" + "".join(rows))
    return path


def prepare_corpus(path: Path) -> str:
    """Prepare a corpus as training does; its fingerprint."""
    return prepare_dataset(
        [str(path)],
        read=ReadOptions(),
        tokenizer="char",
        vocab=None,
        val_fraction=0.1,
        val_file=None,
        cache_dir=cache_dir(),
        on_progress=lambda *_: None,
    ).fingerprint


def test_scripts_get_one_document(capsys: Output, corpus: Path) -> None:
    assert main(["purge", str(corpus), "--author", "Ann", "--author", "zoe", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    (schema,) = result.pop("inputs")
    assert schema["columns"] == {name: name for name in ("body", "id", "author", "thread", "turn")}
    assert result == {
        "removed": 10,
        "kept": 30,
        "characters": sum(len(f"word {n}") for n in range(40) if n % 4 != 1),
        "removed_characters": sum(len(f"word {n}") for n in range(40) if n % 4 == 1),
        "cut": 10,
        "unreadable": 0,
        "not_found": 1,
        "models": [],
    }
    assert "no comments found by zoe" in err
    assert len(corpus.read_text().splitlines()) == 31


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_ids_come_out_of_a_pipe(corpus: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ids")
    writer = threading.Thread(target=(tmp_path / "ids").write_text, args=("t1_c3\nc5\n",))
    writer.start()
    assert main(["purge", str(corpus), "--ids", str(tmp_path / "ids")]) == 0
    writer.join()
    assert len(corpus.read_text().splitlines()) == 39


def test_who_purges_what_was_fetched_is_told_not_to_fetch_it_again(capsys: Output, tmp_path: Path) -> None:
    fetched = tmp_path / "a.jsonl"
    fetched.write_text('{"id":"c1","body":"one"}\n{"id":"c2","body":"two"}\n')
    page = fetched.read_bytes()
    record = new_state("arctic-shift", 0, 9, [Target("r", "a")])
    save_state(fetched, replace(record, bytes=len(page), page_bytes=len(page), page_digest=digest(page)))
    (tmp_path / "ids").write_text("c1")
    words = ["purge", str(fetched), "--ids", str(tmp_path / "ids")]
    assert main([*words, "--dry-run"]) == 0
    assert "gru fetch" not in capsys.readouterr().err
    assert main(words) == 0
    assert "cannot be resumed now" in capsys.readouterr().err
    assert main(["fetch", "-o", str(fetched), "--resume"]) == ExitStatus.FAILED
    assert "if gru purge changed it, --force would fetch the removed comments again" in capsys.readouterr().err


def test_people_get_sentences(capsys: Output, corpus: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    ids.write_text("t1_c1\nt1_nobody\n")
    content = corpus.read_bytes()
    assert main(["purge", str(corpus), "--ids", str(ids), "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"would remove 1 comment (6 characters) from '{corpus}'; 39 left",
        "1 conversation would be split at a removed comment",
        "not found: 1 id",
    ]
    assert corpus.read_bytes() == content
    assert main(["purge", str(corpus), "--ids", str(ids)]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines()[0] == f"removed 1 comment (6 characters) from '{corpus}'; 39 left"
    assert err.splitlines()[-1] == "models trained on the removed comments must be retrained"
    assert main(["purge", str(corpus), "--ids", str(ids)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"no matching comments in '{corpus}' (39 comments)",
        "not found: 2 ids",
    ]


def test_ids_may_be_piped_in(capsys: Output, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ids").write_text("c2\nc3\n")
    with (tmp_path / "ids").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["purge", str(corpus), "--ids", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 2


def test_cached_text_goes_and_models_that_remember_are_named(capsys: Output, corpus: Path) -> None:
    fingerprint = prepare_corpus(corpus)
    add_model("reddit", card=ModelCard(fingerprint=fingerprint))
    add_model("other", card=ModelCard(fingerprint="something else"))
    kept = list((cache_dir() / "tokens").iterdir())
    assert kept
    assert main(["purge", str(corpus), "--author", "ann", "--dry-run"]) == 0
    assert list((cache_dir() / "tokens").iterdir()) == kept
    capsys.readouterr()
    assert main(["purge", str(corpus), "--author", "ann", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["models"] == ["reddit"]
    assert "models trained on the removed comments: reddit\n" in err
    assert "--name reddit --force" in err
    assert list((cache_dir() / "tokens").iterdir()) == []
    assert prepare_corpus(corpus) != fingerprint


def test_a_model_that_remembers_is_named_at_every_purge(capsys: Output, corpus: Path) -> None:
    directory = add_model("talk", card=ModelCard(fingerprint=prepare_corpus(corpus)))
    add_model("other", card=ModelCard(fingerprint="something else"))
    named = []
    for numbers in ("c1", "c2", "c2", "c3"):
        corpus.with_name("ids").write_text(numbers)
        assert main(["purge", str(corpus), "--ids", str(corpus.with_name("ids")), "--json"]) == 0
        named.append(json.loads(capsys.readouterr().out)["models"])
    assert named == [["talk"], ["talk"], [], ["talk"]]
    rename_model("talk", "chatter")
    (directory.with_name("other") / PURGED).write_text("{torn")
    words = ["purge", str(corpus), "--author", "bob", "--json"]
    assert main([*words, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == ["chatter"]
    remove_model("chatter")
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["models"] == []


def test_a_model_that_is_trained_anew_has_forgotten(corpus: Path) -> None:
    directory = add_model("talk", card=ModelCard(fingerprint=prepare_corpus(corpus)))
    assert main(["purge", str(corpus), "--author", "ann"]) == 0
    fingerprint = prepare_corpus(corpus)
    assert [entry.name for entry in models_trained_on(fingerprint)] == ["talk"]
    create_staging(directory)
    publish(directory)
    add_model("talk", card=ModelCard(fingerprint="of another corpus"))
    assert models_trained_on(fingerprint) == []


def test_what_is_marked_read_only_stays_as_it_is(capsys: Output, corpus: Path) -> None:
    content = corpus.read_bytes()
    corpus.chmod(0o444)
    words = ["purge", str(corpus), "--author", "ann"]
    assert main(words) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert (out, corpus.read_bytes()) == ("", content)
    assert err.splitlines() == [f"gru: '{corpus}' is read-only", "     chmod u+w it first, or purge a copy"]
    assert main([*words, "--dry-run"]) == 0
    corpus.chmod(0o644)
    assert main(words) == 0
    assert corpus.read_bytes() != content


def test_rows_that_cannot_be_read_are_told_of(capsys: Output, corpus: Path) -> None:
    corpus.write_bytes(corpus.read_bytes() + b"t3_z.1,1,c99,,a,too,many\n")
    assert main(["purge", str(corpus), "--author", "ann", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["unreadable"] == 1
    assert "gru: 1 row skipped: too many fields" in err


def test_where_nothing_goes_the_cache_stays(corpus: Path) -> None:
    prepare_corpus(corpus)
    kept = list((cache_dir() / "tokens").iterdir())
    assert main(["purge", str(corpus), "--author", "zoe"]) == 0
    assert list((cache_dir() / "tokens").iterdir()) == kept


def test_token_files_that_cannot_be_removed_are_named(
    capsys: Output, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_corpus(corpus)
    [directory] = (cache_dir() / "tokens").iterdir()
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # as on Windows, where a run has it open
    assert main(["purge", str(corpus), "--author", "ann"]) == 0
    assert f"delete by hand: {directory}" in capsys.readouterr().err


def test_nothing_is_shown_of_a_hostile_name_but_its_letters(capsys: Output, corpus: Path) -> None:
    assert main(["purge", str(corpus), "--author", "evil\x1b[31m\u202e"]) == 0
    assert "\x1b" not in (err := capsys.readouterr().err)
    assert "no comments found by evil[31m" in err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["{corpus}"], ExitStatus.USAGE, "--author NAME"),
        ([], ExitStatus.USAGE, "CORPUS"),
        (["{folder}/none.csv", "--author", "ann"], ExitStatus.USAGE, "no such file"),
        (["{corpus}", "--ids", "{folder}/none"], ExitStatus.USAGE, "no such file"),
        (["{corpus}", "--ids", "{corpus}"], ExitStatus.USAGE, "line 1"),
        (["{folder}/a.txt", "--author", "ann"], ExitStatus.USAGE, "--not-author"),
        (["{folder}/plain.csv", "--author", "ann"], ExitStatus.USAGE, "it has: id, body"),
        (["{folder}/empty.csv", "--author", "ann"], ExitStatus.NO_DATA, "no comments"),
        (["{corpus}", "--ids", "{folder}/empty.csv"], ExitStatus.NO_DATA, "no ids"),
    ],
)
def test_what_cannot_be_purged(
    capsys: Output, corpus: Path, tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    (tmp_path / "a.txt").write_text("hello\n")
    (tmp_path / "plain.csv").write_text("id,body\nc1,x\n")
    (tmp_path / "empty.csv").write_text("")
    assert main(["purge", *(word.format(corpus=corpus, folder=tmp_path) for word in words)]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 2
