import errno
from pathlib import Path

import pytest

from grucli.read.blocks import RowReport
from grucli.read.rows import Row, read_rows
from grucli.read.schema import ReadOptions
from grucli.text.demo_corpus import CorpusCounts, write_corpus
from tests.fault_injection import failing_disk


def make_message(sender: str, text: object) -> dict[str, object]:
    return {"sender": sender, "text": text, "timestamp": "2018-05-02T19:38:15Z"}


DATASET: dict[str, object] = {
    "first": {
        "messages": [
            [make_message("ann", "Hello, you"), make_message("ann", ' "quoted"\nand more ')],
            [make_message("bob", "hi")],
            [make_message("bob", "😝")],
            [make_message("ann", "")],
            [make_message("bob", "still me"), make_message("ann", "bye")],
        ],
        "ratings": {},
    },
    "empty": {"messages": [[]]},
    "odd": {"messages": [3, [3, make_message("ann", None)], None]},
    "odder": 3,
    "second": {"messages": [[make_message("cid", "alone")]]},
}


def test_a_senders_messages_in_a_row_are_one_turn(tmp_path: Path) -> None:
    path = tmp_path / "new" / "chitchat.csv"
    counts = write_corpus(DATASET, path)
    report = RowReport()
    rows = list(read_rows(str(path), ReadOptions(), report))

    assert rows == [
        Row('Hello, you\n"quoted"\nand more', "first"),
        Row("hi\n😝\nstill me", "first"),
        Row("bye", "first"),
        Row("alone", "second"),
    ]
    assert counts == CorpusCounts(2, 4, sum(len(row.body) for row in rows))
    assert not report.skipped
    assert path.read_text(encoding="utf-8").splitlines()[0] == "thread,turn,body"


def test_a_full_disk_leaves_no_half_corpus(tmp_path: Path) -> None:
    path = tmp_path / "chitchat.csv"
    with failing_disk(1, errno.ENOSPC), pytest.raises(OSError, match="No space"):
        write_corpus(DATASET, path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)  # it leaves a file open
def test_the_real_dataset(tmp_path: Path) -> None:
    dataset = pytest.importorskip("chitchat_dataset", reason="the extra 'demo' is not installed").Dataset()
    counts = write_corpus(dict(list(dataset.items())[:50]), tmp_path / "chitchat.csv")

    assert counts.conversations == 50
    assert counts.turns > 500
