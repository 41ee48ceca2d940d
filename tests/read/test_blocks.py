"""Blocks of lines: whatever the cuts, the lines are the file's own, with their own numbers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.read import blocks
from grucli.read.blocks import Block, RowReport, read_blocks
from grucli.read.sources import InputSource
from tests.read.compression import COMPRESS

SOURCE = InputSource("x", None, "jsonl")


def split_blocks(
    monkeypatch: pytest.MonkeyPatch, chunks: list[bytes], size: int, max_line_bytes: int = 50
) -> list[Block]:
    monkeypatch.setattr(blocks, "read_bytes", lambda *_: iter(chunks))
    monkeypatch.setattr(blocks, "TARGET_BLOCK_BYTES", size)
    return list(read_blocks(SOURCE, RowReport(), None, max_line_bytes))


def block_lines(parsed: list[Block]) -> Iterator[tuple[int, bytes | None]]:
    return (line for block in parsed for line in block.lines())


@given(
    st.lists(st.one_of(st.binary(max_size=6), st.just(b"\n"), st.just(b"\n\n"), st.just(b"x" * 30)), max_size=30),
    st.integers(1, 40),
)
def test_any_cut_gives_the_same_lines(pieces: list[bytes], size: int) -> None:
    text = b"".join(pieces)
    expected = text.split(b"\n")[: None if text and not text.endswith(b"\n") else -1]
    with pytest.MonkeyPatch.context() as patch:
        result = split_blocks(patch, [piece for piece in pieces if piece], size)

    assert list(block_lines(result)) == [
        (number, line if len(line) <= 50 else None) for number, line in enumerate(expected, 1)
    ]
    assert all(block.data is None or len(block.data) <= size + 36 + 50 for block in result)


def test_a_block_is_as_long_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    result = split_blocks(monkeypatch, [b"one\ntwo\nth", b"ree\nfour\nfi", b"ve"], 10)

    assert result == [Block(1, b"one\ntwo\nthree"), Block(4, b"four\nfive")]


def test_a_long_line_is_not_kept_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a\nb"
        for _ in range(1000):
            yield b"b" * 50
            assert sum(map(len, cutter._partial)) <= 50
        yield b"\nc"

    cutter = blocks._LineSplitter(50)
    result = [block for piece in pieces() for block in cutter.feed(piece)] + list(cutter.close())

    assert result == [Block(1, b"a"), Block(2, None), Block(3, b"c")]


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_progress_is_told_by_whoever_asks(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"a.jsonl{packing}"
    path.write_bytes(COMPRESS[packing](b"x\n" * 100_000))
    reported: list[int] = []

    def on_bytes(count: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        reported.append(count)

    result = list(read_blocks(InputSource("a", path, "jsonl", packing), RowReport(), on_bytes, use_prefetch=True))
    assert len(list(block_lines(result))) == 100_000
    assert sum(reported) == path.stat().st_size


def test_a_file_that_is_given_up_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](b"x" * 99 + b"\n") * 100_000)
    before = threading.active_count()
    result = read_blocks(InputSource("a", path, "jsonl", ".gz"), RowReport(), use_prefetch=True)
    next(result)
    assert threading.active_count() == before + 1
    del result

    assert threading.active_count() == before
