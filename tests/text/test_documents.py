"""Documents of a text: their tokens, characters and words are those of the token file and of the text."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import GruError
from grucli.read.schema import ReadOptions
from grucli.text import tokenizers
from grucli.text.dataset import open_source, prepare_dataset, read_split
from grucli.text.documents import Documents, measure_documents
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import EOS, Tokenizer

TEXT = "the cat sat on the mat\n\nand the dog, too\nsat there. It's late\r\n\r\nnow\n \nso"
TOKENIZERS = {kind: tokenizers.train(kind, [TEXT] * 20, None) for kind in tokenizers.KINDS}

relaxed_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
words = st.sampled_from(
    ["cat", "sat", "dog,", "漢字", "\t", "a" * 2500, "It's", " ", "  ", "\n", "\n\n", "\r\n\r\n", "\n \n"]
)
texts = st.lists(words, min_size=1, max_size=30).map("".join).filter(lambda text: bool(text.strip()))


def ignore(stage: str, done: int, total: int | None) -> None:
    assert stage


def measure(path: Path, tokenizer: Tokenizer, split: str = "all", val: float = 0.0) -> tuple[Documents, TokenFile]:
    with open_source(str(path), path.parent / "cache", ignore) as source:
        dataset = prepare_dataset(
            [source],
            read=ReadOptions(),
            tokenizer=tokenizer,
            vocab=None,
            val_fraction=val,
            val_file=None,
            cache_dir=path.parent / "cache",
            on_progress=ignore,
        )
        tokens = dataset.val if split == "val" else dataset.train
        assert tokens is not None
        return measure_documents(read_split(source, ReadOptions(), val, split, ignore), tokenizer, tokens), tokens


def check(documents: Documents, tokens: TokenFile, expected: Sequence[str]) -> None:
    assert (documents.characters.sum(), documents.unknown_bytes.sum()) == (tokens.characters, tokens.unknown_bytes)
    assert documents.words.sum() == sum(len(text.split()) for text in expected)
    assert documents.starts[0] == 0
    assert (np.diff(documents.starts) > 0).all()
    assert documents.starts[-1] < tokens.tokens


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOKENIZERS)
@relaxed_settings
@given(bodies=st.lists(st.tuples(texts, st.integers(0, 2)), min_size=1, max_size=8))
def test_a_conversation_begins_where_the_token_file_has_its_mark(
    tmp_path: Path, kind: str, bodies: list[tuple[str, int]]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"body": body, "thread": f"t{thread}"}) + "\n" for body, thread in bodies))
    documents, tokens = measure(path, TOKENIZERS[kind])
    check(documents, tokens, [body for body, _ in bodies])
    assert documents.kind == ("conversations" if tokens.conversations else "comments")
    assert documents.starts.tolist() == np.flatnonzero(tokens.ids == EOS).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOKENIZERS)
@relaxed_settings
@given(text=texts)
def test_the_paragraphs_are_the_running_text(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / "text.txt"
    path.write_text(text, newline="")
    documents, tokens = measure(path, TOKENIZERS[kind])
    check(documents, tokens, [text])
    assert documents.kind == "paragraphs"


def test_a_blank_line_begins_a_paragraph(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one two\nthree\n\n\nfour  \n \nfive six\n\n")
    documents, _ = measure(path, TOKENIZERS["char"])
    # After spaces no tokenizer may split, so the next word still belongs to the paragraph.
    assert documents.words.tolist() == [3, 2, 1]
    assert documents.starts.tolist() == [0, 13, 29]
    path.write_text("\n\none\n\ntwo")
    assert measure(path, TOKENIZERS["char"])[0].words.tolist() == [1, 1]


@pytest.mark.slow
def test_a_paragraph_may_be_longer_than_a_slice(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    paragraphs = ["cat sat " * 150_000 + "end", "dog", "sat " * 400_000 + "end"]
    path.write_text("\n\n".join(paragraphs))
    documents, _ = measure(path, TOKENIZERS["char"])
    assert documents.words.tolist() == [300_001, 1, 400_001]


@pytest.mark.parametrize("suffix", ["txt", "csv"])
def test_the_splits_are_the_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text.{suffix}"
    lines = [f"the cat number {number} sat" for number in range(200)]
    path.write_text("\n\n".join(lines) if suffix == "txt" else "body\n" + "".join(f"{line}\n" for line in lines))
    parts = {split: measure(path, TOKENIZERS["word"], split, 0.25)[0] for split in ("train", "val")}
    whole = measure(path, TOKENIZERS["word"])[0]
    assert parts["train"].characters.sum() + parts["val"].characters.sum() == whole.characters.sum()
    assert 0.1 < parts["val"].characters.sum() / whole.characters.sum() < 0.4
    assert len(whole.words) == 200


def test_a_text_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_text("body\nthe cat\n")
    _, tokens = measure(path, TOKENIZERS["char"])
    with pytest.raises(GruError, match="changed"):
        measure_documents([(EOS, "the cats")], TOKENIZERS["char"], tokens)
