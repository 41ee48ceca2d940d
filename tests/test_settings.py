"""config.toml: what it may say, and how it is told that it may not."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.settings import MAX_CONFIG_BYTES, config_defaults, read_config

COMMANDS = {
    ("train",): {"top-k": "top_k", "batch": "batch", "from": "start_from", "json": "json"},
    ("models",): {"json": "json"},
    ("models", "show"): {"json": "json"},
    ("models", "remove"): {"yes": "yes"},
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
        ("batch = 1979-05-27", "invalid value", ""),
        ("batch = [[1]]", "invalid value", ""),
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


def test_it_may_not_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_config(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_bytes(content)
    with suppress(UsageError):
        config_defaults(read_config(path), COMMANDS, path)
