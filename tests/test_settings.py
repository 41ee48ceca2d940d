"""config.toml: what it may say, and how it is told that it may not."""

import codecs
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.settings import FLAG, INTEGER, MAX_CONFIG_BYTES, NUMBER, OptionType, config_defaults, read_config

JSON = {"json": OptionType("json", FLAG)}
COMMANDS = {
    ("train",): {
        "top-k": OptionType("top_k", INTEGER),
        "batch": OptionType("batch", INTEGER),
        "lr": OptionType("lr", NUMBER),
        "from": OptionType("start_from"),
        "block": OptionType("block", is_multiple=True),
        **JSON,
    },
    ("models",): JSON,
    ("models", "show"): JSON,
    ("models", "remove"): {"yes": OptionType("yes", FLAG)},
}


def read_defaults(text: str, tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return config_defaults(read_config(path), COMMANDS, path)


def test_a_key_at_the_top_is_for_every_command_and_a_table_wins(tmp_path: Path) -> None:
    result = read_defaults(
        'json = true\nbatch = 1\n[train]\nbatch = 64\nfrom = "emo"\ntop_k = 3\n[models]\nyes = true', tmp_path
    )
    assert result == {
        "train": {"json": "True", "batch": "64", "start_from": "emo", "top_k": "3"},
        "models": {"json": "True", "show": {"json": "True"}, "remove": {"yes": "True"}},
    }


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none" / "config.toml") == {}


@pytest.mark.parametrize(
    ("text", "says", "todo"),
    [
        ("batsh = 1", "unknown setting: 'batsh'", "did you mean 'batch'"),
        ("[trian]", "unknown table: 'trian'", "did you mean 'train'"),
        ("[models]\nbatch = 1", r"unknown setting in \[models\]: 'batch'", "remove it"),
        ("[train.deep]\nbatch = 1", r"unknown setting in \[train\]: 'deep'", ""),
        ("batch = 1979-05-27", "invalid value of the setting 'batch' in .*: a date$", "use a whole number"),
        ("batch = 1979-05-27T07:32:00Z", "'batch' in .*: a date$", "use a whole number"),
        ("batch = 07:32:00", "'batch' in .*: a time$", "use a whole number"),
        ("batch = []", "'batch' in .*: a list$", "use a whole number"),
        ("batch = [[1]]", "'batch' in .*: a list$", "use a whole number"),
        ("lr = true", "'lr' in .*: true or false$", "use a number"),
        ("json = []", "'json' in .*: a list$", "use true or false"),
        ("[train]\njson = 0.5", "'json' in .*: a number$", "use true or false"),
        ("from = false", "'from' in .*: true or false$", "use a text"),
        ("[train.batch]\nn = 1", "'batch' in .*: a table$", "use a whole number"),
        ("block = [1, {}]", "'block' in .*: a table$", "use a text, or a list of them"),
        ("block = [[]]", "'block' in .*: a list$", "use a text, or a list of them"),
        (f"batch = 0x{'f' * 5000}", "'batch' in .*: a number with too many digits", "use a whole number"),
        (f"lr = 1\nbatch = {'9' * 5000}", "the number 'batch' has too many digits", "correct"),
        (f"{'b' * 100_000} = 1", "unknown setting: 'bbb[b]*…' in", ""),
        ("batch = ", "not valid TOML", "remove"),
        ("batch = 1\nbatch = 2", "not valid TOML", ""),
        ("x = " + "[" * 5000, "not valid TOML", ""),
        ("#" * (MAX_CONFIG_BYTES + 1), "too large", ""),
    ],
)
def test_what_it_may_not_say(tmp_path: Path, text: str, says: str, todo: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_defaults(text, tmp_path)
    assert todo in caught.value.hint


def test_what_may_be_repeated_is_a_list_always(tmp_path: Path) -> None:
    assert read_defaults('block = "one"', tmp_path)["train"] == {"block": ["one"]}
    assert read_defaults('block = ["one", 2]', tmp_path)["train"] == {"block": ["one", "2"]}


def write_bytes(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    return path


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read_config(write_bytes(tmp_path, codecs.BOM_UTF8 + b"seed = 1")) == {"seed": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UsageError, match="is not UTF-8: it is UTF-16") as caught:
        read_config(write_bytes(tmp_path, "seed = 1\n".encode(encoding)))
    assert caught.value.hint == "save it as UTF-8"


def test_a_byte_that_is_no_text_is_found(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not UTF-8: line 2 has the byte 0xe9"):
        read_config(write_bytes(tmp_path, b"seed = 1\nname = 'caf\xe9'"))


def test_it_may_not_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_config(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_bytes(content)
    with suppress(UsageError):
        config_defaults(read_config(path), COMMANDS, path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.toml")
    with pytest.raises(UsageError, match="not a regular file"):
        read_config(tmp_path / "config.toml")
