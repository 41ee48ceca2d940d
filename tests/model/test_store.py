"""The store: which model is meant, and renaming and removing without harm."""

import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import LockedError, UsageError
from grucli.files import DirectoryLock
from grucli.model import store
from grucli.model.store import (
    BEST,
    LAST,
    METRICS,
    NOVELTY,
    Metrics,
    create_model,
    find_entry,
    find_model,
    find_own_directory,
    list_models,
    model_dir,
    model_name,
    model_names,
    models_trained_on,
    read_metrics,
    record_purge,
    remove_model,
    rename_model,
    validate_name,
)
from grucli.model.weights import ModelCard, ModelInfo, read_model_info
from grucli.paths import models_dir
from tests.model.factories import add_model, add_packaged_model, make_weights


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_models_are_listed_newest_first() -> None:
    assert list_models() == []
    add_model("old", 1e9)
    add_model("new", 2e9)
    directory = add_model("begun", 1.5e9, LAST)
    (models_dir() / "empty").mkdir()
    (models_dir() / "stray.safetensors").write_bytes(b"")
    add_model(".hidden")
    entries = list_models()
    assert [entry.name for entry in entries] == model_names() == ["new", "begun", "old"]
    assert entries[1].path == directory
    assert entries[1].modified == 1.5e9
    assert entries[1].bytes == (directory / LAST).stat().st_size
    assert all(entry.problem is None and entry.info is not None for entry in entries)


def test_a_damaged_model_is_listed_with_its_problem() -> None:
    directory = add_model("torn")
    (directory / BEST).write_bytes(b"torn")
    (entry,) = list_models()
    assert entry.info is None
    assert entry.problem is not None
    assert "truncated" in entry.problem


def test_the_best_weights_speak_for_a_model() -> None:
    directory = add_model("emo", file=LAST)
    assert find_model("emo") == directory / LAST
    add_model("emo")
    assert find_model("emo") == directory / BEST


def test_a_model_is_found_by_name_path_folder_or_as_the_newest(tmp_path: Path) -> None:
    directory = add_model("emo", 2e9)
    add_model("other", 1e9)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes((directory / BEST).read_bytes())
    assert find_model(None) == directory / BEST
    assert find_entry(None).name == "emo"
    assert find_model(str(directory)) == directory / BEST
    assert find_model(str(directory / BEST)) == directory / BEST
    assert find_model("copy.safetensors") == Path("copy.safetensors")
    # The store goes before a folder that happens to lie here.
    (tmp_path / "other").mkdir()
    assert find_model("other") == models_dir() / "other" / BEST


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="no model yet") as caught:
        find_model(None)
    assert "gru demo" in caught.value.hint
    with pytest.raises(UsageError, match="nor any other"):
        find_model("emo")
    add_model("emotions")
    for find in (find_model, find_entry, remove_model):
        with pytest.raises(UsageError, match="no model 'emotion'") as caught:
            find("emotion")
        assert "'emotions'" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        find_model("zzz")
    assert "gru models" in caught.value.hint


def test_the_model_of_the_package_answers_until_there_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = add_packaged_model(monkeypatch, tmp_path)
    assert find_model(None) == find_model("chitchat") == weights
    entry = find_entry(None)
    assert (entry.name, entry.path, entry.is_packaged, entry.metrics) == ("chitchat", weights, True, [])
    assert entry.bytes == weights.stat().st_size
    assert model_name(weights) == "chitchat"
    directory = add_model("emo", 1.0)
    assert model_names() == ["emo", "chitchat"]
    assert find_model(None) == directory / BEST
    assert find_model("chitchat") == weights
    with pytest.raises(UsageError) as caught:
        find_model("chitcaht")
    assert "'chitchat'" in caught.value.hint


def test_a_model_of_the_user_goes_before_that_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_packaged_model(monkeypatch, tmp_path)
    directory = add_model("chitchat")
    assert find_model("chitchat") == directory / BEST
    (entry,) = list_models()
    assert not entry.is_packaged
    remove_model("chitchat")
    assert find_entry("chitchat").is_packaged


def test_the_model_of_the_package_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = add_packaged_model(monkeypatch, tmp_path, ModelCard(fingerprint="f" * 64))
    before = weights.read_bytes()
    for change in (remove_model, find_own_directory, lambda name: rename_model(name, "mine")):
        with pytest.raises(UsageError, match="part of gru"):
            change("chitchat")
    record_purge(models_trained_on("f" * 64), "e" * 64)
    assert weights.read_bytes() == before
    assert list(weights.parent.iterdir()) == [weights]


def test_a_damaged_model_of_the_package_is_listed_with_its_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packaged_model(monkeypatch, tmp_path).write_bytes(b"torn")
    (entry,) = list_models()
    assert entry.is_packaged
    assert "truncated" in str(entry.problem)


@pytest.mark.parametrize("name", ["", ".", "..", "../emo", "none/none.safetensors", "a\0b", "x" * 5000, "\ud800"])
def test_what_names_no_model(name: str) -> None:
    add_model("emo")
    with pytest.raises(UsageError, match="no model"):
        find_model(name)


def test_a_file_that_is_no_weights_file_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "corpus.csv").write_text("body")
    with pytest.raises(UsageError, match="not a weights file"):
        find_model("corpus.csv")


VALID_NAMES = ["emo", "a", "7", "r_soccer-2.1", "Ünï", "x" * 64, "best", "console", "com10"]
INVALID_NAMES = [
    "", ".", "..", ".hidden", "-n", "_x", "a/b", "a\\b", "a b", "a\nb", "a\0b", "a:b", "a*", "emo.", "x" * 65, "$(rm)",
    "\u202eemo", "CON", "nul", "com1", "lpt9.txt", "aux.x", "emo.safetensors",
    "emo.SafeTensors", "a'b", "ü" * 65, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", VALID_NAMES)
def test_good_names(name: str) -> None:
    assert validate_name(name) == name
    assert model_dir(name) == models_dir() / name


@pytest.mark.parametrize("name", INVALID_NAMES)
def test_bad_names(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate_name(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["nothing", "Nothing", "chitchat", "ChitChat"])
def test_no_model_gets_a_reserved_name(name: str) -> None:
    source = add_model("emo")
    with pytest.raises(UsageError, match=f"the name '{name}' is reserved for "):
        create_model(name, make_weights(), source / BEST)
    with pytest.raises(UsageError, match=f"the name '{name}' is reserved for "):
        rename_model("emo", name)
    assert model_names() == ["emo"]
    assert validate_name(name) == name  # of a session


@given(st.text())
def test_a_good_name_is_one_part_of_a_path(name: str) -> None:
    try:
        directory = model_dir(name)
    except UsageError:
        return
    assert directory.parent == models_dir()
    assert directory.name == name
    assert name.isprintable()


def test_renaming() -> None:
    add_model("emo")
    add_model("other")
    with pytest.raises(UsageError, match="model 'other' already exists"):
        rename_model("emo", "other")
    with pytest.raises(UsageError, match="cannot be the name"):
        rename_model("emo", "../emo")
    with pytest.raises(UsageError, match="model 'emo' already exists"):
        rename_model("emo", "emo")
    assert rename_model("emo", "feelings") == models_dir() / "feelings"
    assert sorted(model_names()) == ["feelings", "other"]
    assert find_entry("feelings").problem is None


def test_removing() -> None:
    add_model("emo")
    add_model("other")
    remove_model("emo")
    assert model_names() == ["other"]
    assert os.listdir(models_dir()) == ["other"]  # noqa: PTH208


def test_a_model_in_training_is_left_alone() -> None:
    directory = add_model("emo")
    with DirectoryLock(directory):
        for change in (lambda: remove_model("emo"), lambda: rename_model("emo", "other")):
            with pytest.raises(LockedError, match="in use by process"):
                change()
    assert model_names() == ["emo"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
@pytest.mark.parametrize("vanish", ["directory", "weights"])
def test_a_model_that_vanishes_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch, vanish: str) -> None:
    """Another process may remove a model between any two looks at it."""
    for name in ("old", "gone", "new"):
        add_model(name)
    gone = models_dir() / "gone"

    def remove_first(path: Path) -> ModelInfo:
        if path.parent == gone:
            shutil.rmtree(gone) if vanish == "directory" else path.unlink()
        return read_model_info(path)

    monkeypatch.setattr(store, "read_model_info", remove_first)
    with pytest.raises(UsageError, match="there is no model 'gone'"):
        find_entry("gone")
    add_model("gone")
    assert {entry.name for entry in list_models()} == {"old", "new"}
    assert all(entry.problem is None for entry in list_models())
    assert read_metrics(gone) == []


def test_models_can_be_listed_while_they_come_and_go() -> None:
    """Files are removed before any call that looks at one."""
    add_model("stays")
    model = b"".join(path.read_bytes() for path in (models_dir() / "stays").glob("*.safetensors"))
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            directory = models_dir() / "passing"
            directory.mkdir()
            (directory / "best.safetensors").write_bytes(model)
            (directory / ".best.safetensors.1-00000000.tmp").write_bytes(model)
            shutil.rmtree(directory)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(60):
            entries = list_models()
            assert "stays" in {entry.name for entry in entries}
            assert all(entry.metrics == [] for entry in entries)
            assert find_entry("stays").problem is None
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_a_dangling_link_is_called_so(tmp_path: Path) -> None:
    add_model("emo")
    (models_dir() / "feelings").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="model 'feelings' is a dangling symbolic link"):
        rename_model("emo", "feelings")
    with pytest.raises(UsageError, match="model 'feelings' is a dangling symbolic link"):
        find_model("feelings")
    assert [entry.name for entry in list_models()] == ["emo"]


def test_removing_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    directory = add_model("emo")
    elsewhere = tmp_path / "elsewhere"
    directory.rename(elsewhere)
    directory.symlink_to(elsewhere)
    assert model_names() == ["emo"]
    remove_model("emo")
    assert model_names() == []
    assert (elsewhere / BEST).is_file()


def test_metrics_are_read_and_torn_lines_left_out(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    lines = [
        b'{"step": 5, "train_nats": 2.5, "val_nats": null, "lr": 0.1, "later": 1}',
        b"",
        b'{"step": "x"}',
        b"[" * 5000,
        b"\xff",
        b"x" * 200_000,
        b'{"step": 10, "tokens": 64, "seconds": 1.5}',
        b'{"step": 15, "tr',
    ]
    (tmp_path / METRICS).write_bytes(b"\n".join(lines))
    assert read_metrics(tmp_path) == [
        Metrics(step=5, train_nats=2.5, lr=0.1),
        Metrics(step=10, tokens=64, seconds=1.5),
    ]


def test_a_model_is_made_of_another_one(home: Path) -> None:
    source = add_model("emo")
    (source / NOVELTY).write_bytes(b"index")
    directory = create_model("mine", make_weights(seed=1), source / BEST)
    assert sorted(path.name for path in directory.iterdir()) == [BEST, NOVELTY]
    assert model_names()[0] == "mine"
    for name in ("emo", "mine", "../emo", ""):
        with pytest.raises(UsageError):
            create_model(name, make_weights(seed=2), source / BEST)
    assert sorted(path.name for path in directory.parent.iterdir()) == ["emo", "mine"]


def test_a_model_that_cannot_be_written_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = add_model("emo")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "save_weights", fail)
    with pytest.raises(OSError, match="space"):
        create_model("mine", make_weights(), source / BEST)
    assert [path.name for path in source.parent.iterdir()] == ["emo"]
