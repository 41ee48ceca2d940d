"""Blocks of lines: whatever the cuts, the lines are the file's own, with their own numbers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.read import blocks
from grucli.read.blocks import Block, read_blocks
from grucli.read.row_report import RowReport
from grucli.read.sources import Source
from tests.read.compression import PACK

SOURCE = Source("x", None, "jsonl")


def cut(monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], size: int, longest: int = 50) -> list[Block]:
    monkeypatch.setattr(blocks, "read_bytes", lambda source, on_bytes: iter(pieces))
    monkeypatch.setattr(blocks, "BLOCK", size)
    return list(read_blocks(SOURCE, RowReport(), None, longest))


def lines(found: list[Block]) -> Iterator[tuple[int, bytes | None]]:
    return (line for block in found for line in block.lines())


@given(
    st.lists(st.one_of(st.binary(max_size=6), st.just(b"\n"), st.just(b"\n\n"), st.just(b"x" * 30)), max_size=30),
    st.integers(1, 40),
)
def test_any_cut_gives_the_same_lines(pieces: list[bytes], size: int) -> None:
    text = b"".join(pieces)
    expected = text.split(b"\n")[: None if text and not text.endswith(b"\n") else -1]
    with pytest.MonkeyPatch.context() as patch:
        found = cut(patch, [piece for piece in pieces if piece], size)

    assert list(lines(found)) == [
        (number, line if len(line) <= 50 else None) for number, line in enumerate(expected, 1)
    ]
    assert all(block.data is None or len(block.data) <= size + 36 + 50 for block in found)


def test_a_block_is_as_long_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cut(monkeypatch, [b"one\ntwo\nth", b"ree\nfour\nfi", b"ve"], 10)

    assert found == [Block(1, b"one\ntwo\nthree"), Block(4, b"four\nfive")]


def test_a_long_line_is_not_kept_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a\nb"
        for _ in range(1000):
            yield b"b" * 50
            assert sum(map(len, cutter._begun)) <= 50
        yield b"\nc"

    cutter = blocks._Cutter(50)
    found = [block for piece in pieces() for block in cutter.push(piece)] + list(cutter.end())

    assert found == [Block(1, b"a"), Block(2, None), Block(3, b"c")]


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_progress_is_told_by_whoever_asks(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"a.jsonl{packing}"
    path.write_bytes(PACK[packing](b"x\n" * 100_000))
    told: list[int] = []

    def on_bytes(count: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        told.append(count)

    found = list(read_blocks(Source("a", path, "jsonl", packing), RowReport(), on_bytes, reads_ahead=True))
    assert len(list(lines(found))) == 100_000
    assert sum(told) == path.stat().st_size


def test_a_file_that_is_given_up_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(PACK[".gz"](b"x" * 99 + b"\n") * 100_000)
    before = threading.active_count()
    found = read_blocks(Source("a", path, "jsonl", ".gz"), RowReport(), reads_ahead=True)
    next(found)
    assert threading.active_count() == before + 1
    del found

    assert threading.active_count() == before
