"""The index of what a model learnt from: every copy is found, little else, and no damaged file is believed."""

import dataclasses
import itertools
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import GruError, ModelFileError, UsageError
from grucli.generation import copy_detection
from grucli.generation.copy_detection import (
    MOST_LINES,
    TRIES,
    Examined,
    Filter,
    Index,
    index_beside,
    index_text,
    load_index,
    save_index,
    write_novel,
)
from grucli.generation.sampler import Draw, Sample, Sampler
from grucli.kernels.bloom import LINE, LONG
from grucli.model.store import BEST, NOVELTY, remove_model, rename_model
from grucli.text import tokenizers
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import END, TURN, Tokenizer
from tests.fault_injection import failing_disk
from tests.model.factories import add_model, make_weights

TEXT = "the cat sat on a mat; naïve 🦊 foxes said: 'nothing of it'\n\t (漢字) & 1,000 U+2581 ▁"
WORDS = TEXT.split(" ")
relaxed = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
documents = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join), min_size=1, max_size=6)


def read(reading: Generator[int, None, Filter]) -> Filter:
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return cast(Filter, end.value)


def indexed(folder: Path, texts: list[str], tokenizer: Tokenizer, leads: list[int] | None = None) -> Index:
    path = folder / "a.tokens"
    path.unlink(missing_ok=True)
    with TokenWriter(path, tokenizer, running_text=False) as writer:
        writer.write_texts(texts, leads or [END] * len(texts))
    return Index("corpus", (read(index_text(TokenFile(path), tokenizer)),), whole=True)


def small_index(fingerprint: str = "corpus") -> Index:
    rng = np.random.default_rng(0)
    bits = [rng.integers(0, 1 << 63, LINE * lines).astype(np.uint64) for lines in (3, 1)]
    return Index(fingerprint, (Filter(bits[0], 6), Filter(bits[1], 1)), whole=False)


@pytest.mark.parametrize("kind", ["char", "word", "subword"])
def test_every_copy_is_found_and_its_length_told(tmp_path: Path, kind: str) -> None:
    learnt = tokenizers.learn(kind, iter([TEXT] * 40), None)

    @relaxed
    @given(documents, st.data())
    def check(texts: list[str], data: st.DataObject) -> None:
        index = indexed(tmp_path, texts, learnt)
        text = data.draw(st.sampled_from(texts))
        start = data.draw(st.integers(0, len(text)))
        copy = text[start : data.draw(st.integers(start, len(text)))]
        found = index.longest_copy("#%" * 40 + copy + "#%" * 40)
        if len(copy) >= LONG:
            assert found >= len(copy)
        elif len(copy) < LONG - 10:
            assert found == 0

    check()


def test_unknown_symbols_documents_and_turns_end_a_copy(tmp_path: Path) -> None:
    learnt = tokenizers.learn("char", iter(["abcdefghij klmnop\n" * 20]), None)
    rng = np.random.default_rng(4)
    first, second = ("".join(rng.choice(list("abcdefghij klmnop"), 49)) for _ in range(2))
    for between in ("ÿ", None):
        for lead in (END, TURN):
            texts = [first + between + second] if between else [first, second]
            index = indexed(tmp_path, texts, learnt, [END, lead][: len(texts)])
            assert index.longest_copy(first + (between or "") + second) == 0
            assert index.longest_copy(first + second) == 0
    assert indexed(tmp_path, [first + second], learnt).longest_copy(first + second) == 98


def test_a_text_longer_than_a_chunk_is_read_on_over_its_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_detection, "_CHUNK", 7)
    learnt = tokenizers.learn("char", iter(["".join(WORDS) * 20]), None)
    text = " ".join(itertools.islice(itertools.cycle(WORDS), 60)).replace(" ", "")
    index = indexed(tmp_path, [text], learnt)
    assert index.longest_copy(text) == len(text)
    assert index.false_rate < 1e-6


def test_an_array_has_its_bounds() -> None:
    for characters in (0, 1, 100, 10**6, 33_000_000, 10**8, 10**12):
        made = copy_detection._filter_for(characters)
        assert LINE <= made.bits.size <= LINE * MOST_LINES
        assert 64 * made.bits.size <= max(16 * characters, 512)
        assert 1 <= made.strong <= 6
    assert copy_detection._filter_for(10**6).strong == 6
    assert copy_detection._filter_for(10**12).strong == 1


@pytest.mark.parametrize(("share", "strong", "rate"), [(0.0, 6, 0.0), (1.0, 6, 1.0), (0.5, 1, 451 * 0.5**20)])
def test_the_false_rate_follows_from_the_bits(share: float, strong: int, rate: float) -> None:
    bits = np.zeros(LINE * 4, np.uint64)
    bits.view(np.uint8)[: int(share * bits.nbytes)] = 255
    index = Index("", (Filter(bits, strong),), whole=True)
    assert index.false_rate == pytest.approx(rate, rel=1e-3)
    assert len(index.remarks()) == (rate > 0.01)
    assert len(dataclasses.replace(index, whole=False).remarks()) == (rate > 0.01) + 1


def test_any_of_the_filters_knows_a_copy(tmp_path: Path) -> None:
    learnt = tokenizers.learn("char", iter([TEXT] * 9), None)
    texts = [TEXT, " ".join(reversed(WORDS))]
    own, other = (indexed(tmp_path, [text], learnt).filters[0] for text in texts)
    both = Index("", (own, other), whole=True)
    assert [both.longest_copy(text) for text in texts] == [len(text) for text in texts]
    assert Index("", (own,), whole=True).longest_copy(texts[1]) == 0


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    assert small_index().longest_copy(text + "\udcff") >= 0


def test_an_index_is_read_back_as_it_was(tmp_path: Path) -> None:
    index = small_index()
    save_index(tmp_path / NOVELTY, index)
    back = load_index(tmp_path / NOVELTY)
    assert (back.fingerprint, back.whole) == (index.fingerprint, index.whole)
    assert [each.strong for each in back.filters] == [6, 1]
    for saved, loaded in zip(index.filters, back.filters, strict=True):
        np.testing.assert_array_equal(saved.bits, loaded.bits)


def test_every_cut_and_every_flipped_byte_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / NOVELTY
    save_index(path, small_index())
    whole = path.read_bytes()
    for damaged in (
        *(whole[:length] for length in range(len(whole))),
        *(whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in range(len(whole))),
        whole + b"\0",
    ):
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            load_index(path)


HEAD = '{"format":%s,"digest":"","content":{"fingerprint":"","whole":true,"filters":%s}}'


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (HEAD % (2, "[]"), "format 2"),
        (HEAD % (1, "[]"), "damaged"),
        (HEAD % (1, '[{"lines":0,"strong":1}]'), "damaged"),
        (HEAD % (1, '[{"lines":1048577,"strong":1}]'), "damaged"),
        (HEAD % (1, '[{"lines":1048576,"strong":1}]'), "its length"),
        (HEAD % (1, '[{"lines":1,"strong":7}]'), "damaged"),
        (HEAD % (1, "[" + ",".join(['{"lines":1,"strong":1}'] * 17) + "]"), "damaged"),
        ("[" * 60_000, "damaged"),
        ("\xff", "damaged"),
    ],
)
def test_a_stranger_s_index_is_refused(tmp_path: Path, head: str, said: str) -> None:
    path = tmp_path / NOVELTY
    data = head.encode("latin-1")
    path.write_bytes(b"gru novelty\n" + len(data).to_bytes(4, "little") + data + bytes(64))
    with pytest.raises(ModelFileError, match=said):
        load_index(path)
    path.write_bytes(b"gru novelty\n" + b"\xff" * 4)
    with pytest.raises(ModelFileError, match="larger than any"):
        load_index(path)


@given(data=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_no_index(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / NOVELTY
    path.write_bytes(b"gru novelty\n" + data)
    with pytest.raises(ModelFileError):
        load_index(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not a file"):
        load_index(tmp_path)


@pytest.mark.parametrize("code", [28, 5])
def test_a_disk_that_fails_leaves_the_old_index(tmp_path: Path, code: int) -> None:
    path = tmp_path / NOVELTY
    save_index(path, small_index("old"))
    for fatal in itertools.count(1):
        with failing_disk(fatal, code) as faults, suppress(OSError):
            save_index(path, small_index("new"))
        if not faults.happened:
            break
        # The name is taken before the folder is forced to the disk, which is the last that can fail.
        assert load_index(path).fingerprint in ("old", "new")
        assert [file.name for file in tmp_path.iterdir()] == [NOVELTY]
    assert fatal > 3
    assert load_index(path).fingerprint == "new"


def test_an_index_belongs_to_the_text_of_its_model(home: Path) -> None:
    folder = add_model("emo")
    with pytest.raises(UsageError, match="no index") as caught:
        index_beside(folder / BEST, "corpus")
    assert "--resume" in caught.value.todo
    save_index(folder / NOVELTY, small_index())
    assert index_beside(folder / BEST, "corpus").fingerprint == "corpus"
    with pytest.raises(UsageError, match="of another text"):
        index_beside(folder / BEST, "another")


def test_it_is_renamed_and_removed_with_its_model(home: Path) -> None:
    save_index(add_model("emo") / NOVELTY, small_index())
    folder = rename_model("emo", "sad")
    assert index_beside(folder / BEST, "corpus")
    remove_model("sad")
    assert not list(home.rglob(NOVELTY))


class Parrot(Sampler):
    """Says what it is told to, by seed."""

    def __init__(self, texts: dict[int, str]) -> None:
        super().__init__(make_weights(), threads=1)
        self.texts = texts
        self.asked: list[tuple[int, int]] = []

    def write(self, state: object, prompt: str, n: int, draw: Draw, *, in_order: bool = False):  # type: ignore[no-untyped-def]
        self.asked.append((draw.seed, n))
        for seed in range(draw.seed, draw.seed + n):
            yield Sample(self.texts.get(seed, "new"), prompt, seed, 3, 1.0, "end")


@pytest.fixture
def knowing(tmp_path: Path) -> Index:
    return indexed(tmp_path, ["hello " * 20], tokenizers.learn("char", iter(["hello there " * 9]), None))


def test_others_are_drawn_in_the_place_of_copies(knowing: Index) -> None:
    copy = "hello " * 9
    parrot = Parrot({5: copy, 7: copy, 8: "x" + copy})
    drawn = list(write_novel(parrot, knowing, parrot.begin(), "", 3, Draw(seed=5)))
    assert parrot.asked == [(5, 3), (8, 2), (10, 1)]
    assert [(each.seed, each.novel) for each in drawn] == [
        (5, False), (6, True), (7, False), (8, False), (9, True), (10, True)
    ]  # fmt: skip
    assert [each.copied for each in drawn] == [54, 0, 54, 54, 0, 0]


@pytest.mark.parametrize(("novel", "said"), [(set(), "all of 40"), ({7}, "of 40 samples only 1")])
def test_drawing_has_an_end(knowing: Index, novel: set[int], said: str) -> None:
    parrot = Parrot({seed: "hello " * 9 for seed in range(10**4) if seed not in novel})
    drawn: list[Examined] = []
    with pytest.raises(GruError, match=said):
        drawn.extend(write_novel(parrot, knowing, parrot.begin(), "", 2, Draw()))
    assert sum(n for _, n in parrot.asked) == 2 * TRIES


def test_the_beginning_is_not_what_was_drawn(knowing: Index) -> None:
    sample = Sample("hello " * 8, "hello " * 9, 1, 3, 1.0, "end")
    assert knowing.examine(sample) == Examined("hello " * 8, "hello " * 9, 1, 3, 1.0, "end", copied=0, novel=True)
    longer = dataclasses.replace(sample, text="hello " * 9)
    assert knowing.examine(longer).copied == 54
