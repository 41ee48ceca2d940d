"""Rows that only say that their text is missing or gone are read as they are, counted, and told of."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.read.blocks import RowReport
from grucli.read.missing import MISSING_TEXTS, MISSING_VALUES, is_missing, is_placeholder
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions


def test_they_are_counted_and_told(tmp_path: Path) -> None:
    texts = [
        "Well, yes.",
        "[removed]",
        "nan",
        "[removed]",
        "[deleted by user]",
        "None of them",
        "[citation needed]",
        "N/A",
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    report = RowReport()
    assert [row.body for row in read_rows(str(path), ReadOptions(), report)] == texts
    assert report.placeholders == 5
    assert report.messages() == [f"'{path}' has 5 rows that are '[removed]' or 'nan': gru clean drops them"]


def test_nothing_is_said_where_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("body\nWell.\nNone taken.\n")
    report = RowReport()
    assert len(list(read_rows(str(path), ReadOptions(), report))) == 2
    assert (report.placeholders, report.messages()) == (0, [])


@pytest.mark.parametrize("word", sorted(MISSING_TEXTS))
def test_a_word_for_no_value_is_one_alone(word: str) -> None:
    assert is_placeholder(f" {word} ")
    assert is_missing(word)
    assert not is_placeholder(f"{word}!")


@given(st.sampled_from(sorted(MISSING_VALUES)), st.text(max_size=3))
def test_only_white_space_makes_no_difference(word: str, more: str) -> None:
    assert is_missing(word + more) == ((word + more).strip() in MISSING_VALUES)
