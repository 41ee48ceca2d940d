import gzip
import io
import json
import os
import re
import shutil
import stat
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import EmptyInputError, ExitStatus, GruError, UsageError
from grucli.progress import Progress
from grucli.read import blocks
from grucli.read.schema import ReadOptions
from grucli.text import dataset, tokenizers
from grucli.text.dataset import BaseFit, BaseTokenizer, Dataset, prepare_dataset
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import EOS, EOT, KINDS, Tokenizer
from tests.read.compression import COMPRESS

relaxed_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def check_progress(stage: str, done: int, total: int | None) -> None:
    assert stage
    assert total is None or 0 <= done <= total


def prepare_in(
    directory: Path,
    *names: str,
    tokenizer: str | Tokenizer = "char",
    held_out: float = 0.1,
    held_out_file: str | None = None,
    column: str | None = None,
    vocab: int | None = None,
    on_progress: Progress = check_progress,
    base: BaseTokenizer | None = None,
) -> Dataset:
    return prepare_dataset(
        [name if name == "-" else str(directory / name) for name in names],
        read=ReadOptions().with_column(column),
        tokenizer=tokenizer,
        vocab=vocab,
        val_fraction=held_out,
        val_file=held_out_file and str(directory / held_out_file),
        cache_dir=directory / "cache",
        on_progress=on_progress,
        base=base,
    )


def read_documents(tokens: TokenFile | None, tokenizer: Tokenizer) -> list[list[str]]:
    """The documents of a file, each a list of turns."""
    result: list[list[list[int]]] = []
    for token in [] if tokens is None else tokens.ids.tolist():
        if token == EOS:
            result.append([[]])
        elif token == EOT:
            result[-1].append([])
        else:
            result[-1][-1].append(token)
    return [[tokenizer.decode(turn) for turn in document] for document in result]


def read_splits(dataset: Dataset) -> tuple[list[list[str]], list[list[str]]]:
    return read_documents(dataset.train, dataset.tokenizer), read_documents(dataset.val, dataset.tokenizer)


def write_rows(path: Path, bodies: Iterable[str], threads: Iterable[str | None] | None = None) -> None:
    lines = [{"body": body} for body in bodies]
    for line, thread in zip(lines, threads or [], strict=False):
        line["thread"] = thread  # type: ignore[assignment]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_a_document_on_one_side(tmp_path: Path, kind: str) -> None:
    bodies = [f"comment\n number  {number % 700}" for number in range(1000)]
    write_rows(tmp_path / "a.jsonl", bodies)
    made = prepare_in(tmp_path, "a.jsonl", tokenizer=kind, held_out=0.3)
    train, held_out = read_splits(made)

    if kind != "word":
        assert Counter(document[0] for document in train + held_out) == Counter(bodies)
        assert not {document[0] for document in train} & {document[0] for document in held_out}
    assert 150 < len(held_out) < 450
    assert len(train) + len(held_out) == 1000 == made.train.documents + len(held_out)
    assert made.report.read == 1000
    assert (made.running_text, made.conversations) == (False, False)
    assert made.train.vocab == made.tokenizer.vocab_size


def test_rows_keep_their_order(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(500)))
    train, held_out = read_splits(prepare_in(tmp_path, "a.jsonl"))

    for side in (train, held_out):
        assert side == sorted(side, key=lambda document: int(document[0]))


def test_conversations_are_documents_of_turns(tmp_path: Path) -> None:
    threads = ["a", "a", "a", None, None, "b", "c", "c", "b"]
    write_rows(tmp_path / "a.jsonl", map(str, range(9)), threads)
    made = prepare_in(tmp_path, "a.jsonl", held_out=0)

    assert read_splits(made) == ([["0", "1", "2"], ["3"], ["4"], ["5"], ["6", "7"], ["8"]], [])
    assert made.conversations
    assert made.val is None


def test_no_post_is_on_both_sides(tmp_path: Path) -> None:
    posts = [f"t3_{number // 5:x}.{number % 5}" for number in range(400)]
    write_rows(tmp_path / "a.jsonl", [post.split(".")[0] for post in posts], posts)
    train, held_out = read_splits(prepare_in(tmp_path, "a.jsonl", held_out=0.3))

    assert len(train) + len(held_out) == 400
    assert 10 < len({turn for document in held_out for turn in document}) < 40
    assert not {turn for document in train for turn in document} & {turn for document in held_out for turn in document}


def test_a_thread_does_not_go_on_in_the_next_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["x"], ["t"])
    write_rows(tmp_path / "b.jsonl", ["y"], ["t"])

    assert read_splits(prepare_in(tmp_path, "a.jsonl", "b.jsonl", held_out=0))[0] == [["x"], ["y"]]


@relaxed_settings
@given(
    # Carriage returns alone would be line ends.
    st.text(st.sampled_from("ab \n\r\té日"), min_size=1, max_size=400).filter(
        lambda text: "\n" in text or "\r" not in text
    ),
    st.floats(0, 0.99),
    st.sampled_from(["char", "subword"]),
)
def test_running_text_is_split_by_characters(tmp_path: Path, text: str, share: float, kind: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode())
    made = prepare_in(tmp_path, "a.txt", held_out=share, tokenizer=tokenizers.train(kind, [text]))
    train, held_out = read_splits(made)
    cut = max(1, int(len(text) * (1 - share)))

    assert train == [[text[:cut]]]
    assert held_out == ([[text[cut:]]] if text[cut:] else [])
    assert made.running_text
    assert made.train.running_text
    assert made.train.characters == cut


@pytest.mark.parametrize("kind", KINDS)
def test_a_running_text_of_many_slices_is_the_text(tmp_path: Path, kind: str) -> None:
    text = "".join(f"word {number % 50}, then  more\n" for number in range(12_000))
    (tmp_path / "a.txt").write_text(text)
    made = prepare_in(tmp_path, "a.txt", held_out=0.25, tokenizer=kind)
    train, held_out = read_splits(made)
    whole = made.tokenizer.encode(text[: int(len(text) * 0.75)])

    assert train[0][0] + held_out[0][0] == text
    assert made.train.ids[1:].tolist() == whole.tolist()


def test_several_running_texts_are_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("aaaaaa")
    (tmp_path / "b.txt").write_text("bbbb")
    known = tokenizers.train("char", ["ab"])

    for fraction, expected in [
        (0.5, ([["aaaaa"]], [["a"], ["bbbb"]])),
        (0.4, ([["aaaaaa"]], [["bbbb"]])),
        (0.1, ([["aaaaaa"], ["bbb"]], [["b"]])),
        (0.0, ([["aaaaaa"], ["bbbb"]], [])),
    ]:
        made = prepare_in(tmp_path, "a.txt", "b.txt", held_out=fraction, tokenizer=known)
        assert read_splits(made) == expected
        assert made.running_text


def test_running_texts_among_rows_are_a_document_each(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a running\ntext " * 10_000)
    write_rows(tmp_path / "b.jsonl", ["one", "two"])
    known = tokenizers.train("char", ["one two a running text\n"])
    made = prepare_in(tmp_path, "b.jsonl", "a.txt", held_out=0, tokenizer=known)

    assert read_splits(made)[0] == [["one"], ["two"], ["a running\ntext " * 10_000]]
    assert not made.running_text


@relaxed_settings
@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_two_different_comments_stand_on_two_sides(tmp_path: Path, bodies: list[str], share: float) -> None:
    write_rows(tmp_path / "a.jsonl", bodies)
    train, held_out = read_splits(
        prepare_in(tmp_path, "a.jsonl", held_out=share, tokenizer=tokenizers.train("char", ["abcdef"]))
    )

    assert train
    assert bool(held_out) == (len(set(bodies)) > 1)
    assert Counter(document[0] for document in train + held_out) == Counter(bodies)


def test_a_held_out_file_is_held_out_whole(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["one", "two", "three"])
    write_rows(tmp_path / "b.jsonl", ["zwei", "one"])
    made = prepare_in(tmp_path, "a.jsonl", held_out_file="b.jsonl")
    train, held_out = read_splits(made)

    assert train == [["one"], ["two"], ["three"]]
    assert held_out == [["we"], ["one"]]  # what was never trained on is unknown
    assert made.val is not None
    assert made.val.unknown_bytes == 2
    assert made.report.read == 5
    assert made.fingerprint == prepare_in(tmp_path, "a.jsonl").fingerprint


def test_the_tokenizer_never_sees_what_is_held_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 90 + "b" * 10)

    made = prepare_in(tmp_path, "a.txt")
    assert made.val is not None
    assert made.val.unknown_bytes == 10


def test_bad_rows_are_reported_also_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body":"a"}\nno\n{"body":"b"}\n')

    for _ in range(2):
        report = prepare_in(tmp_path, "a.jsonl").report
        assert (report.read, report.skipped, report.lines) == (3, {"not JSON": 1}, {"not JSON": [2]})


def test_remarks_name_the_file_also_from_the_cache(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["a"])
    packed = gzip.compress(b"".join(b'{"body":"%d %s"}\n' % (n, os.urandom(40).hex().encode()) for n in range(3000)))
    (tmp_path / "b.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    notes = prepare_in(tmp_path, "a.jsonl", "b.jsonl.gz").report.messages()
    (tmp_path / "b.jsonl.gz").rename(tmp_path / "c.jsonl.gz")
    again = prepare_in(tmp_path, "a.jsonl", "c.jsonl.gz").report.messages()

    assert len(notes) == 1
    assert re.search(r"b\.jsonl\.gz' is corrupt: everything after line [\d,]+ is missing$", notes[0])
    assert again == [notes[0].replace("b.jsonl.gz", "c.jsonl.gz")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zst"])
def test_a_damaged_file_without_a_text_is_a_failure_and_no_empty_corpus(tmp_path: Path, name: str) -> None:
    truncated = b"body\n" + os.urandom(1_000_000).hex().encode()
    packed = COMPRESS[Path(name).suffix](truncated)
    (tmp_path / name).write_bytes(packed[: len(packed) * 9 // 10])
    with pytest.raises(GruError, match="is corrupt: everything after line 1 is missing") as caught:
        prepare_in(tmp_path, name)

    assert caught.value.status == ExitStatus.FAILED


def test_what_was_made_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(50)))
    first = prepare_in(tmp_path, "a.jsonl", tokenizer="subword", vocab=300)
    shutil.copy(tmp_path / "a.jsonl", tmp_path / "copy.jsonl")
    monkeypatch.setattr(dataset, "_build", lambda *_: pytest.fail("made again"))
    again = prepare_in(tmp_path, "copy.jsonl", tokenizer="subword", vocab=300)

    assert again.train.path == first.train.path
    assert again.fingerprint == first.fingerprint
    assert again.tokenizer.to_json() == first.tokenizer.to_json()
    assert read_splits(again) == read_splits(first)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_the_cache_is_private(tmp_path: Path) -> None:
    (tmp_path / "cache" / "tokens").mkdir(parents=True)
    write_rows(tmp_path / "a.jsonl", ["one", "two", "three"])
    prepare_in(tmp_path, "a.jsonl")
    paths = [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}


def test_other_choices_make_other_files(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(50)))
    write_rows(tmp_path / "b.jsonl", map(str, range(51)))
    (tmp_path / "a.tsv").write_text("1\t2\n3\t4\n")
    known = tokenizers.train("char", ["12"])
    made = [
        prepare_in(tmp_path, "a.jsonl"),
        prepare_in(tmp_path, "a.jsonl", held_out=0.2),
        prepare_in(tmp_path, "a.jsonl", tokenizer="word"),
        prepare_in(tmp_path, "a.jsonl", vocab=5),
        prepare_in(tmp_path, "a.jsonl", tokenizer=known),
        prepare_in(tmp_path, "a.jsonl", held_out_file="b.jsonl"),
        prepare_in(tmp_path, "b.jsonl"),
        prepare_in(tmp_path, "a.tsv"),
    ]

    assert len({one.train.path for one in made}) == len(made)
    assert len({one.fingerprint for one in made}) == 3
    assert prepare_in(tmp_path, "a.tsv", column="2").fingerprint != made[-1].fingerprint
    assert made[4].tokenizer.to_json() == known.to_json()


@pytest.mark.parametrize("name", ["train.tokens", "held_out.tokens", "corpus.json"])
@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: b"", lambda data: b"{}" + data[2:]])
def test_a_damaged_cache_is_made_again(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(50)))
    first = prepare_in(tmp_path, "a.jsonl")
    expected = read_splits(first)
    broken = first.train.path.parent / name
    data = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(damage(data))
    again = prepare_in(tmp_path, "a.jsonl")

    assert read_splits(again) == expected
    assert broken.read_bytes() == data
    (message,) = again.report.messages()
    assert message.endswith("/a.jsonl' had a corrupt token cache, which was rebuilt")


def describe_dataset(made: Dataset) -> object:
    """Everything that a run takes from a dataset."""
    headers = made.train.header, made.val and made.val.header
    return read_splits(made), headers, made.tokenizer.to_json(), made.report.read, made.report.skipped


_CACHE_FILES = st.sampled_from(["train.tokens", "held_out.tokens", "corpus.json"])


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(_CACHE_FILES, st.integers(0, 1 << 16), st.binary(max_size=4), st.integers(0, 4))
def test_any_mutation_of_the_cache_gives_the_result_without_a_cache(
    tmp_path: Path, name: str, place: int, inserted: bytes, removed: int
) -> None:
    if not (tmp_path / "a.jsonl").exists():
        write_rows(tmp_path / "a.jsonl", [f"row {n} é" for n in range(50)])
    expected = prepare_in(tmp_path, "a.jsonl")
    path = expected.train.path.parent / name
    data = path.read_bytes()
    place %= len(data)
    mutated = data[:place] + inserted + data[place + removed :]
    path.unlink()
    path.write_bytes(mutated)

    again = prepare_in(tmp_path, "a.jsonl")
    assert describe_dataset(again) == describe_dataset(expected)
    assert path.read_bytes() == data
    assert len(again.report.messages()) == (mutated != data)


def _swap(entry: Path) -> None:
    (entry / "train.tokens").rename(entry / "swapped")
    (entry / "held_out.tokens").rename(entry / "train.tokens")
    (entry / "swapped").rename(entry / "held_out.tokens")


def _replace_by_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("not a directory")


@pytest.mark.parametrize(
    "damage",
    [
        _swap,
        _replace_by_file,
        lambda entry: (entry / "held_out.tokens").unlink(),
        lambda entry: (entry / "train.tokens").unlink(),
        lambda entry: (entry / "corpus.json").unlink(),
    ],
)
def test_files_missing_from_the_cache_or_swapped_are_made_again(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(50)))
    first = prepare_in(tmp_path, "a.jsonl")
    damage(first.train.path.parent)
    again = prepare_in(tmp_path, "a.jsonl")

    assert describe_dataset(again) == describe_dataset(first)
    assert len(again.report.messages()) == 1


def test_the_cache_entry_of_another_corpus_is_not_used(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_rows(tmp_path / f"{name}.jsonl", (f"{name} {n}" for n in range(50)))
    one, other = prepare_in(tmp_path, "a.jsonl"), prepare_in(tmp_path, "b.jsonl")
    shutil.rmtree(one.train.path.parent)
    shutil.copytree(other.train.path.parent, one.train.path.parent)

    assert describe_dataset(prepare_in(tmp_path, "a.jsonl")) == describe_dataset(one)


def test_the_cache_is_bounded_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(50)))
    cache = tmp_path / "cache" / "tokens"
    left = cache / ".making-killed"
    fresh = cache / ".making-busy"
    left.mkdir(parents=True)
    fresh.mkdir()
    os.utime(left, (0, 0))
    made = []
    for number in range(12):
        made.append(prepare_in(tmp_path, "a.jsonl", vocab=10 + number).train.path.parent)
        os.utime(made[-1], (number, number))
    kept = {path.name for path in cache.iterdir()}

    assert kept == {path.name for path in made[-8:]} | {fresh.name}


def test_standard_input_is_read_as_often_as_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id,body\n1,one\n2,two\n")))
        made = prepare_in(tmp_path, "-", held_out=0)
        assert read_splits(made)[0] == [["one"], ["two"]]
        assert made.report.messages() == []
    assert [path.name for path in (tmp_path / "cache" / "tokens").iterdir()] == [made.train.path.parent.name]


def test_plain_text_on_standard_input_is_remarked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one, two\nthree\n")))
    made = prepare_in(tmp_path, "-", held_out=0)

    assert read_splits(made)[0] == [["one, two"], ["three"]]
    assert made.report.messages() == [
        "'standard input' is neither JSON lines nor a table: each line is read as one comment"
    ]


def test_a_standard_input_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="closed"):
        prepare_in(tmp_path, "-")


def test_standard_input_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="twice"):
        prepare_in(tmp_path, "-", "-")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", ""),
        ("a.csv", ""),
        ("a.csv", "body\n"),
        ("a.jsonl", "\n\n"),
        ("a.jsonl", '{"body":""}\nno\nno\n'),
        ("a.tsv", "\n"),
    ],
)
def test_an_empty_corpus(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(EmptyInputError) as caught:
        prepare_in(tmp_path, name)

    assert name in caught.value.message
    assert ("(2 rows skipped: not JSON; 1 row skipped: empty)" in caught.value.message) == ("no" in content)
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []


def test_an_empty_held_out_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["x"])
    write_rows(tmp_path / "b.jsonl", [])
    with pytest.raises(EmptyInputError, match=r"b\.jsonl"):
        prepare_in(tmp_path, "a.jsonl", held_out_file="b.jsonl")


def test_a_corpus_of_one_character(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    write_rows(tmp_path / "a.jsonl", ["x"])

    for name in ("a.txt", "a.jsonl"):
        assert read_splits(prepare_in(tmp_path, name)) == ([["x"]], [])


@pytest.mark.parametrize("share", [-0.1, 1.0, 7, float("nan")])
def test_a_share_out_of_range(tmp_path: Path, share: float) -> None:
    write_rows(tmp_path / "a.jsonl", ["x"])
    with pytest.raises(UsageError) as caught:
        prepare_in(tmp_path, "a.jsonl", held_out=share)

    assert "--val" in caught.value.hint


def test_no_such_file_kind_or_column(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["x", "y"])
    with pytest.raises(UsageError):
        prepare_in(tmp_path, "b.jsonl")
    with pytest.raises(UsageError):
        prepare_in(tmp_path, "a.jsonl", held_out_file="b.jsonl")
    with pytest.raises(UsageError):
        prepare_in(tmp_path, "a.jsonl", tokenizer="syllable")
    with pytest.raises(UsageError):
        prepare_in(tmp_path, "a.jsonl", column="text")


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["x", "y"])
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(GruError) as caught:
        prepare_in(tmp_path, "a.jsonl")

    assert "GRU_HOME" in caught.value.hint


@pytest.mark.parametrize("fatal", ["fsync", "rename"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: str) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_rows(tmp_path / "a.jsonl", ["x", "y"])
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync" if fatal == "fsync" else "pathlib.Path.rename", full)
        with pytest.raises(GruError, match="No space left"):
            prepare_in(tmp_path, "a.jsonl")
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []

    assert len(read_splits(prepare_in(tmp_path, "a.jsonl"))[0]) == 1


def test_a_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        if stage == "writing tokens":
            raise KeyboardInterrupt

    write_rows(tmp_path / "a.jsonl", ["x", "y"])
    with pytest.raises(KeyboardInterrupt):
        prepare_in(tmp_path, "a.jsonl", on_progress=stop)
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []


def test_a_lost_reader_of_the_progress_is_no_full_disk(tmp_path: Path) -> None:
    def gone(stage: str, done: int, total: int | None) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    write_rows(tmp_path / "a.jsonl", ["x", "y"])
    with pytest.raises(BrokenPipeError):
        prepare_in(tmp_path, "a.jsonl", on_progress=gone)


def test_another_process_may_be_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(50)))
    build = dataset._build

    def build_twice(directory: Path, *rest: object) -> None:
        monkeypatch.setattr(dataset, "_build", build)
        prepare_in(tmp_path, "a.jsonl")
        build(directory, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(dataset, "_build", build_twice)
    assert len(read_splits(prepare_in(tmp_path, "a.jsonl"))[0]) > 30
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 1


def test_progress_names_stages_and_ends_at_the_total(tmp_path: Path) -> None:
    reported: dict[str, tuple[int, int | None]] = {}

    def note(stage: str, done: int, total: int | None) -> None:
        reported[stage] = (done, total)

    (tmp_path / "a.txt").write_text("some text " * 20_000)
    prepare_in(tmp_path, "a.txt", on_progress=note)

    assert list(reported) == ["reading the corpus", "measuring the corpus", "learning tokens", "writing tokens"]
    assert set(reported.values()) == {(200_000, 200_000)}


def test_nothing_held_out_is_the_whole_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", map(str, range(50)))
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write("no\n")
    known = tokenizers.train("char", ["01234567"])
    made = prepare_in(tmp_path, "a.jsonl", tokenizer=known, held_out=0)

    assert made.train.documents == 50
    assert made.train.unknown_bytes == 10
    assert made.report.skipped == {"not JSON": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_follow_the_corpus(
    tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "TARGET_BLOCK_BYTES", 1 << 17)
    monkeypatch.setattr(dataset, "_BATCH_CHARS", 1 << 16)
    monkeypatch.setattr(tokenizers.subword, "_TRAIN_CHARS", 1 << 16)
    line = "it was the best of times, it was the worst of times "
    known = tokenizers.train(kind, [line])
    peaks = []
    for size in (6_000, 30_000):
        with (tmp_path / name).open("w") as file:
            file.writelines(
                f"{line}{number % 97}\n" if name == "a.txt" else f'{{"body":"{line}{number % 97}"}}\n'
                for number in range(size)
            )
        tracemalloc.start()
        prepare_in(tmp_path, name, tokenizer=known)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0] + (1 << 20)


@pytest.mark.skipif("GRU_TEST_DATA" not in os.environ, reason="GRU_TEST_DATA does not name the folder of real text")
def test_the_usual_split_of_tinyshakespeare(tmp_path: Path) -> None:
    source = Path(os.environ.get("GRU_TEST_DATA", "")) / "tinyshakespeare.txt"
    shutil.copyfile(source, tmp_path / "a.txt")
    made = prepare_in(tmp_path, "a.txt")

    assert made.train.characters == 1_003_854
    assert made.val is not None
    assert made.val.characters == 111_540
    assert made.val.unknown_bytes == 0


def test_rows_that_say_only_that_their_text_is_gone_are_told_of_from_the_cache_too(tmp_path: Path) -> None:
    write_rows(tmp_path / "x.csv", ["Well, yes.", "[removed]", "nan", "It is so.", "[removed]"])
    for _ in range(2):
        figures = prepare_in(tmp_path, "x.csv")
        assert figures.text_figures()["placeholders"] == 3
        assert figures.report.messages() == [
            f"'{tmp_path / 'x.csv'}' has 3 rows that are '[removed]' or 'nan': gru clean drops them"
        ]


def test_the_tokenizer_of_a_base_is_extended_if_the_text_fits_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body\n" + '"a cat, a кот"\n' * 20, encoding="utf-8")
    base = tokenizers.train("char", ["a cat"])
    given = prepare_in(tmp_path, "a.csv", held_out=0, base=BaseTokenizer(base))
    assert given.base_fit == BaseFit(characters=240, known_share=160 / 240, fits=True)
    assert given.tokenizer.pieces[: base.vocab_size] == base.pieces
    assert {piece.decode() for piece in given.tokenizer.pieces[base.vocab_size :]} == set(",кот")
    assert given.train.unknown_bytes == 0

    # Each limit is a part of the key of the cache, and so is the base.
    for limited in (BaseTokenizer(base, max_characters=239), BaseTokenizer(base, min_known_share=0.7)):
        other = prepare_in(tmp_path, "a.csv", held_out=0, base=limited)
        assert other.base_fit == BaseFit(characters=240, known_share=160 / 240, fits=False)
        assert other.tokenizer.pieces[: base.vocab_size] != base.pieces
    within = BaseTokenizer(base, max_characters=240, min_known_share=0.6)
    assert prepare_in(tmp_path, "a.csv", held_out=0, base=within).train.ids.tolist() == given.train.ids.tolist()
    assert prepare_in(tmp_path, "a.csv", held_out=0, tokenizer=base).tokenizer.pieces == base.pieces
    assert prepare_in(tmp_path, "a.csv", held_out=0).base_fit is None


def test_how_a_text_fits_a_base_is_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("body\n" + '"a cat, a кот"\n' * 20, encoding="utf-8")
    base = BaseTokenizer(tokenizers.train("subword", ["a cat a cat"], 300))
    first = prepare_in(tmp_path, "a.csv", base=base)
    monkeypatch.setattr(dataset, "_build", None)
    second = prepare_in(tmp_path, "a.csv", base=base)
    assert second.base_fit == first.base_fit
    assert second.tokenizer.pieces == first.tokenizer.pieces
