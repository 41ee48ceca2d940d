"""From a dump to a model that answers: clean --replies, train, sample --reply-to, chat; and somebody taken out."""

import csv
import io
import json
from pathlib import Path

import pytest

from grucli.__main__ import main
from tests.read.compression import COMPRESS

pytestmark = pytest.mark.slow

Output = pytest.CaptureFixture[str]

QUESTIONS_AND_ANSWERS = {
    "Where is the cat?": "On the mat, asleep.",
    "Is it raining again?": "It never stopped!",
    "Who let the dogs out?": "Nobody knows that.",
}
NUM_POSTS = 90


def write_dump(path: Path) -> Path:
    """A forum: each post has a question, a good reply to it, and one that is worth less; the replies come first."""
    comments = []
    for n in range(NUM_POSTS):
        question, answer = list(QUESTIONS_AND_ANSWERS.items())[n % len(QUESTIONS_AND_ANSWERS)]
        thread_comments = [
            {"id": f"b{n}", "parent_id": f"t1_a{n}", "author": "helpful", "score": 9, "body": f"{answer}"},
            {"id": f"c{n}", "parent_id": f"t1_a{n}", "author": "loud", "score": -2, "body": f"First &amp; {n}!"},
            {"id": f"a{n}", "parent_id": f"t3_p{n}", "author": f"asks{n}", "score": 3, "body": f"**{question}**"},
        ]
        comments += [{**one, "subreddit": "cats", "created_utc": n, "link_id": f"t3_p{n}"} for one in thread_comments]
    path.write_bytes(COMPRESS[".zst"]("".join(json.dumps(comment) + "\n" for comment in comments).encode()))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the forum; a model `forum` has learnt from it."""
    directory = tmp_path_factory.mktemp("forum")
    corpus = directory / "talk.csv"
    assert main(["clean", str(write_dump(directory / "RC.zst")), "-o", str(corpus), "--replies"]) == 0
    size = ["--hidden", "48", "--layers", "1", "--embed", "16", "--batch", "8", "--seq", "32", "--lr", "0.01"]
    budget = ["--dropout", "0.1", "--steps", "150", "--val", "0"]
    assert main(["train", str(corpus), "--name", "forum", *size, *budget]) == 0
    return corpus


def test_the_corpus_has_the_conversations(model: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(model.read_text("utf-8"))))
    assert len(rows) == 3 * NUM_POSTS
    assert list(rows[0]) == ["thread", "turn", "id", "author", "subreddit", "score", "created_utc", "body"]
    by_thread: dict[str, list[str]] = {}
    for row in rows:
        by_thread.setdefault(row["thread"], []).append(row["body"])
    for n in range(NUM_POSTS):
        question, answer = list(QUESTIONS_AND_ANSWERS.items())[n % len(QUESTIONS_AND_ANSWERS)]
        assert by_thread[f"t3_p{n}.1"] == [question, answer]
        assert by_thread[f"t3_p{n}.2"] == [f"First & {n}!"]
    assert "helpful" not in {row["author"] for row in rows}


@pytest.mark.parametrize("question", QUESTIONS_AND_ANSWERS)
def test_the_model_answers(model: Path, capsys: Output, question: str) -> None:
    assert main(["sample", "forum", "--reply-to", question, "--temp", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == QUESTIONS_AND_ANSWERS[question]


def test_and_it_does_in_a_chat(model: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n/reset\n".join(QUESTIONS_AND_ANSWERS).encode())))
    assert main(["chat", "forum", "--temp", "0", "--commands"]) == 0
    assert capsys.readouterr().out.splitlines() == list(QUESTIONS_AND_ANSWERS.values())


def test_somebody_is_taken_out_and_the_model_is_named(model: Path, tmp_path: Path, capsys: Output) -> None:
    corpus = tmp_path / "talk.csv"
    corpus.write_bytes(model.read_bytes())
    assert main(["purge", str(corpus), "--author", "u/Loud", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["removed"], said["kept"], said["cut"], said["models"]) == (NUM_POSTS, 2 * NUM_POSTS, 0, ["forum"])
    assert "First" not in corpus.read_text("utf-8")
