"""The index of what a model learnt from: every copy is found, little else, and no damaged file is believed."""

import dataclasses
import hashlib
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
    FORMAT,
    MAX_ATTEMPTS_PER_SAMPLE,
    MAX_LINES,
    BloomFilter,
    CheckedSample,
    CopyIndex,
    build_index,
    generate_novel,
    load_index,
    load_index_for,
    save_index,
)
from grucli.generation.options import GenerationConfig, Sample
from grucli.generation.sampler import Sampler
from grucli.kernels.bloom import LONG_WINDOW, WORDS_PER_LINE
from grucli.model.store import BEST, NOVELTY, OPTIMIZER, remove_model, rename_model
from grucli.text import token_file, tokenizers
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import EOS, EOT, Tokenizer
from tests.fault_injection import failing_disk
from tests.model.factories import add_model, make_weights

TEXT = "the cat sat on a mat; naïve 🦊 foxes said: 'nothing of it'\n\t (漢字) & 1,000 U+2581 ▁"
WORDS = TEXT.split(" ")
relaxed_settings = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
documents = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join), min_size=1, max_size=6)


def run_to_end(steps: Generator[int, None, BloomFilter]) -> BloomFilter:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(BloomFilter, end.value)


def make_index(
    directory: Path, texts: list[str], tokenizer: Tokenizer, prefix_tokens: list[int] | None = None
) -> CopyIndex:
    path = directory / "a.tokens"
    path.unlink(missing_ok=True)
    with TokenWriter(path, tokenizer, running_text=False) as writer:
        writer.write_texts(texts, prefix_tokens or [EOS] * len(texts))
    return CopyIndex("corpus", (run_to_end(build_index(TokenFile(path), tokenizer)),), complete=True)


def small_index(fingerprint: str = "corpus") -> CopyIndex:
    rng = np.random.default_rng(0)
    bits = [rng.integers(0, 1 << 63, WORDS_PER_LINE * lines).astype(np.uint64) for lines in (3, 1)]
    return CopyIndex(fingerprint, (BloomFilter(bits[0], 6), BloomFilter(bits[1], 1)), complete=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
def test_every_copy_is_found_and_its_length_told(tmp_path: Path, kind: str) -> None:
    # Each word at the start of a text as well as inside: an unknown one would end the copy.
    learnt = tokenizers.train(kind, iter([f"{TEXT} {TEXT}", *WORDS] * 40), None)

    @relaxed_settings
    @given(documents, st.data())
    def check(texts: list[str], data: st.DataObject) -> None:
        index = make_index(tmp_path, texts, learnt)
        text = data.draw(st.sampled_from(texts))
        start = data.draw(st.integers(0, len(text)))
        copy = text[start : data.draw(st.integers(start, len(text)))]
        result = index.longest_copy("#%" * 40 + copy + "#%" * 40)
        if len(copy) >= LONG_WINDOW:
            assert result >= len(copy)
        elif len(copy) < LONG_WINDOW - 10:
            assert result == 0

    check()


def test_unknown_symbols_documents_and_turns_end_a_copy(tmp_path: Path) -> None:
    learnt = tokenizers.train("char", iter(["abcdefghij klmnop\n" * 20]), None)
    rng = np.random.default_rng(4)
    first, second = ("".join(rng.choice(list("abcdefghij klmnop"), 49)) for _ in range(2))
    for between in ("ÿ", None):
        for prefix_token in (EOS, EOT):
            texts = [first + between + second] if between else [first, second]
            index = make_index(tmp_path, texts, learnt, [EOS, prefix_token][: len(texts)])
            assert index.longest_copy(first + (between or "") + second) == 0
            assert index.longest_copy(first + second) == 0
    assert make_index(tmp_path, [first + second], learnt).longest_copy(first + second) == 98


def test_a_text_longer_than_a_chunk_is_read_on_over_its_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_file, "_CHUNK_TOKENS", 7)
    learnt = tokenizers.train("char", iter(["".join(WORDS) * 20]), None)
    text = " ".join(itertools.islice(itertools.cycle(WORDS), 60)).replace(" ", "")
    index = make_index(tmp_path, [text], learnt)
    assert index.longest_copy(text) == len(text)
    assert index.false_positive_rate < 1e-6


def test_an_array_has_its_bounds() -> None:
    for characters in (0, 1, 100, 10**6, 33_000_000, 10**8, 10**12):
        made = copy_detection._empty_filter(characters)
        assert WORDS_PER_LINE <= made.bits.size <= WORDS_PER_LINE * MAX_LINES
        assert 64 * made.bits.size <= max(16 * characters, 512)
        assert 1 <= made.num_hashes <= 6
    assert copy_detection._empty_filter(10**6).num_hashes == 6
    assert copy_detection._empty_filter(10**12).num_hashes == 1


@pytest.mark.parametrize(("share", "strong", "rate"), [(0.0, 6, 0.0), (1.0, 6, 1.0), (0.5, 1, 451 * 0.5**20)])
def test_the_false_rate_follows_from_the_bits(share: float, strong: int, rate: float) -> None:
    bits = np.zeros(WORDS_PER_LINE * 4, np.uint64)
    bits.view(np.uint8)[: int(share * bits.nbytes)] = 255
    index = CopyIndex("", (BloomFilter(bits, strong),), complete=True)
    assert index.false_positive_rate == pytest.approx(rate, rel=1e-3)
    assert len(index.warnings()) == (rate > 0.01)
    assert len(dataclasses.replace(index, complete=False).warnings()) == (rate > 0.01) + 1


def test_any_of_the_filters_knows_a_copy(tmp_path: Path) -> None:
    learnt = tokenizers.train("char", iter([TEXT] * 9), None)
    texts = [TEXT, " ".join(reversed(WORDS))]
    own, other = (make_index(tmp_path, [text], learnt).filters[0] for text in texts)
    both = CopyIndex("", (own, other), complete=True)
    assert [both.longest_copy(text) for text in texts] == [len(text) for text in texts]
    assert CopyIndex("", (own,), complete=True).longest_copy(texts[1]) == 0


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    assert small_index().longest_copy(text + "\udcff") >= 0


def test_an_index_is_read_back_as_it_was(tmp_path: Path) -> None:
    index = small_index()
    save_index(tmp_path / NOVELTY, index)
    back = load_index(tmp_path / NOVELTY)
    assert (back.fingerprint, back.complete) == (index.fingerprint, index.complete)
    assert [each.num_hashes for each in back.filters] == [6, 1]
    for saved, loaded in zip(index.filters, back.filters, strict=True):
        np.testing.assert_array_equal(saved.bits, loaded.bits)


@pytest.mark.slow
def test_every_cut_and_every_flipped_byte_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / NOVELTY
    save_index(path, small_index())
    whole = path.read_bytes()
    for corrupt in (
        *(whole[:length] for length in range(len(whole))),
        *(whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in range(len(whole))),
        whole + b"\0",
    ):
        path.write_bytes(corrupt)
        with pytest.raises(ModelFileError):
            load_index(path)


def header(filters: str, version: int = FORMAT) -> str:
    content = f'{{"fingerprint":"","complete":true,"sha256":"","filters":{filters}}}'
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return f'{{"format":{version},"sha256":"{sha256}","content":{content}}}'


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (header("[]", FORMAT + 1), f"format {FORMAT + 1}"),
        (header("[]"), "corrupt"),
        (header('[{"lines":0,"num_hashes":1}]'), "corrupt"),
        (header('[{"lines":1048577,"num_hashes":1}]'), "corrupt"),
        (header('[{"lines":1048576,"num_hashes":1}]'), "file size"),
        (header('[{"lines":1,"num_hashes":1}]'), "checksum"),
        (header('[{"lines":1,"num_hashes":7}]'), "corrupt"),
        (header("[" + ",".join(['{"lines":1,"num_hashes":1}'] * 17) + "]"), "corrupt"),
        (header('[{"lines":1,"num_hashes":1}]').replace("true", "false"), "checksum"),
        ("[" * 60_000, "corrupt"),
        ("\xff", "corrupt"),
    ],
)
def test_a_stranger_s_index_is_refused(tmp_path: Path, head: str, said: str) -> None:
    path = tmp_path / NOVELTY
    data = head.encode("latin-1")
    path.write_bytes(b"gru novelty\n" + len(data).to_bytes(4, "little") + data + bytes(64))
    with pytest.raises(ModelFileError, match=said):
        load_index(path)
    path.write_bytes(b"gru novelty\n" + b"\xff" * 4)
    with pytest.raises(ModelFileError, match="too large"):
        load_index(path)


@given(data=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_no_index(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / NOVELTY
    path.write_bytes(b"gru novelty\n" + data)
    with pytest.raises(ModelFileError):
        load_index(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not a regular file"):
        load_index(tmp_path)


@pytest.mark.parametrize("code", [28, 5])
def test_a_disk_that_fails_leaves_the_old_index(tmp_path: Path, code: int) -> None:
    path = tmp_path / NOVELTY
    save_index(path, small_index("old"))
    for fail_at in itertools.count(1):
        with failing_disk(fail_at, code) as injector, suppress(OSError):
            save_index(path, small_index("new"))
        if not injector.triggered:
            break
        # The name is taken before the folder is forced to the disk, which is the last that can fail.
        assert load_index(path).fingerprint in ("old", "new")
        assert [file.name for file in tmp_path.iterdir()] == [NOVELTY]
    assert fail_at > 3
    assert load_index(path).fingerprint == "new"


def test_an_index_belongs_to_the_text_of_its_model(home: Path) -> None:
    directory = add_model("emo")
    with pytest.raises(UsageError, match="no copy index"):
        load_index_for(directory / BEST, "corpus")
    save_index(directory / NOVELTY, small_index())
    assert load_index_for(directory / BEST, "corpus").fingerprint == "corpus"
    with pytest.raises(UsageError, match="not the copy index of"):
        load_index_for(directory / BEST, "another")


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ([], "use a model of your own: gru train CORPUS"),
        ([OPTIMIZER], "build it where the corpus is: gru train CORPUS --name emo --resume"),
    ],
)
def test_an_index_is_built_again_only_with_a_checkpoint(home: Path, files: list[str], hint: str) -> None:
    directory = add_model("emo")
    for file in files:
        (directory / file).touch()
    with pytest.raises(UsageError, match="no copy index") as missing:
        load_index_for(directory / BEST, "corpus")
    (directory / NOVELTY).touch()
    with pytest.raises(ModelFileError, match="is corrupt") as corrupt:
        load_index_for(directory / BEST, "corpus")
    assert (missing.value.hint, corrupt.value.hint) == (hint, hint)


def test_the_hint_names_a_model_that_is_given_from_its_own_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = add_model("emo")
    (directory / OPTIMIZER).touch()
    monkeypatch.chdir(directory)
    with pytest.raises(UsageError) as caught:
        load_index_for(Path(BEST), "corpus")
    assert "--name emo --resume" in caught.value.hint


def test_it_is_renamed_and_removed_with_its_model(home: Path) -> None:
    save_index(add_model("emo") / NOVELTY, small_index())
    directory = rename_model("emo", "sad")
    assert load_index_for(directory / BEST, "corpus")
    remove_model("sad")
    assert not list(home.rglob(NOVELTY))


class ScriptedSampler(Sampler):
    """Says what it is told to, by seed."""

    def __init__(self, texts: dict[int, str]) -> None:
        super().__init__(make_weights(), threads=1)
        self.texts = texts
        self.requests: list[tuple[int, int]] = []

    def generate(self, state: object, prompt: str, n: int, config: GenerationConfig, *, in_order: bool = False):  # type: ignore[no-untyped-def]
        self.requests.append((config.seed, n))
        for seed in range(config.seed, config.seed + n):
            yield Sample(self.texts.get(seed, "new"), prompt, seed, 3, 1.0, "end")


@pytest.fixture
def greeting_index(tmp_path: Path) -> CopyIndex:
    return make_index(tmp_path, ["hello " * 20], tokenizers.train("char", iter(["hello there " * 9]), None))


def test_others_are_drawn_in_the_place_of_copies(greeting_index: CopyIndex) -> None:
    copy = "hello " * 9
    sampler = ScriptedSampler({5: copy, 7: copy, 8: "x" + copy})
    generated = list(generate_novel(sampler, greeting_index, sampler.initial_state(), "", 3, GenerationConfig(seed=5)))
    assert sampler.requests == [(5, 3), (8, 2), (10, 1)]
    assert [(each.seed, each.novel) for each in generated] == [
        (5, False), (6, True), (7, False), (8, False), (9, True), (10, True)
    ]  # fmt: skip
    assert [each.copied for each in generated] == [54, 0, 54, 54, 0, 0]


@pytest.mark.parametrize(("novel", "said"), [(set(), "all 40 samples"), ({7}, "only 1 of 40 samples")])
def test_drawing_has_an_end(greeting_index: CopyIndex, novel: set[int], said: str) -> None:
    sampler = ScriptedSampler({seed: "hello " * 9 for seed in range(10**4) if seed not in novel})
    generated: list[CheckedSample] = []
    with pytest.raises(GruError, match=said):
        generated.extend(generate_novel(sampler, greeting_index, sampler.initial_state(), "", 2, GenerationConfig()))
    assert sum(n for _, n in sampler.requests) == 2 * MAX_ATTEMPTS_PER_SAMPLE


def test_the_beginning_is_not_what_was_drawn(greeting_index: CopyIndex) -> None:
    sample = Sample("hello " * 8, "hello " * 9, 1, 3, 1.0, "end")
    assert greeting_index.check(sample) == CheckedSample(
        "hello " * 8, "hello " * 9, 1, 3, 1.0, "end", copied=0, novel=True
    )
    longer = dataclasses.replace(sample, text="hello " * 9)
    assert greeting_index.check(longer).copied == 54
