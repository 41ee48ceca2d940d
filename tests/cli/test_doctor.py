"""`gru doctor`: the machine for people and for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest

from grucli.__main__ import main
from grucli.engine import system_info
from grucli.errors import ExitStatus
from grucli.kernels import jit
from grucli.ui.terminal.formatting import format_si
from tests.model.factories import add_packaged_model, flip_last_byte

Output = pytest.CaptureFixture[str]
SECTIONS = ["versions", "processor", "kernel_cache", "speed", "directories", "packaged_model", "settings"]
ROW_LABELS = ["processor", "cores", "vectors", "int8 products", "one core", "all cores", "memory", "kernel cache"]
ROW_LABELS += ["data", "models", "packaged model", "cache", "config", "versions", "setting"]


@pytest.fixture(autouse=True)
def fast_benchmarks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_info, "_SECONDS_PER_ROUND", 0.001)
    monkeypatch.setattr(system_info, "_MEMORY_TEST_BYTES", 1 << 20)
    monkeypatch.delenv("GRU_TEST_DATA", raising=False)


def read_json(capsys: Output) -> dict[str, Any]:
    assert main(["doctor", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    result: dict[str, Any] = json.loads(out)
    return result


def read_rows(capsys: Output) -> list[tuple[str, str]]:
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return [(line[:18].strip(), line[18:]) for line in out.splitlines()]


def test_json_is_one_document_with_every_fact(capsys: Output, home: Path) -> None:
    result = read_json(capsys)
    assert list(result) == SECTIONS
    assert result["directories"] == {
        "data": str(home),
        "models": str(home / "models"),
        "cache": str(home / "cache"),
        "config": str(home / "config.toml"),
        "config_exists": False,
    }
    assert result["settings"] == [{"name": "GRU_HOME", "value": str(home), "source": "environment", "note": None}]


def test_people_get_a_line_a_fact(capsys: Output, home: Path) -> None:
    result = read_rows(capsys)
    assert [name for name, _ in result] == ROW_LABELS
    shown, facts = dict(result), read_json(capsys)
    assert facts["processor"]["name"] in shown["processor"]
    assert shown["vectors"] == f"{facts['processor']['simd_bits']} bits"
    assert shown["models"] == str(home / "models")
    assert shown["config"] == f"{home / 'config.toml'} (not found)"
    assert f"numba {facts['versions']['numba']}" in shown["versions"]
    assert shown["setting"] == f"GRU_HOME = {home} (environment)"


def test_settings_are_listed_with_their_source(capsys: Output, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "config.toml").write_text('temp = 0.5\n[train]\nbatch = 64\nname = "\\u001b[31m"\n')
    monkeypatch.setenv("GRU_TEMP", "0.7")
    monkeypatch.setenv("GRU_TEPM", "0.9")
    result = read_rows(capsys)
    assert ("config", str(home / "config.toml")) in result
    assert [fact for name, fact in result if name == "setting"][1:] == [
        "GRU_TEMP = 0.7 (environment)",
        "GRU_TEPM (environment; no effect: no option has this name)",
        "temp = 0.5 (config.toml; no effect: overridden by GRU_TEMP)",
        "train.batch = 64 (config.toml)",
        "train.name = [31m (config.toml)",
    ]


def test_the_packaged_model_is_shown(capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = add_packaged_model(monkeypatch, tmp_path)
    size = path.stat().st_size
    assert read_json(capsys)["packaged_model"] == {
        "name": "chitchat",
        "path": str(path),
        "bytes": size,
        "problem": None,
    }
    assert dict(read_rows(capsys))["packaged model"] == f"chitchat, {format_si(size)}B"
    path.unlink()
    assert read_json(capsys)["packaged_model"] is None
    assert dict(read_rows(capsys))["packaged model"] == "not in this installation"


def test_a_damaged_packaged_model_is_shown(capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = add_packaged_model(monkeypatch, tmp_path)
    flip_last_byte(path)
    assert read_json(capsys)["packaged_model"]["problem"] == f"cannot read the model '{path}': checksum mismatch"
    shown = dict(read_rows(capsys))["packaged model"]
    assert shown == f"chitchat, {format_si(path.stat().st_size)}B, damaged; reinstall gru"


def test_nothing_set(capsys: Output, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRU_HOME")
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *_, **__: str(tmp_path / "none"))
    assert read_rows(capsys)[-1] == ("settings", "defaults")


def test_a_broken_cache_is_shown(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "CACHE", jit.KernelCache(None, "others may write to it"))
    shown = dict(read_rows(capsys))["kernel cache"]
    assert shown == "disabled, kernels are recompiled on every run: others may write to it"
    assert read_json(capsys)["kernel_cache"] == {
        "directory": None,
        "problem": "others may write to it",
        "is_warm": False,
    }


@pytest.mark.parametrize(("words", "said"), [(["extra"], "extra"), (["--jsn"], "did you mean '--json'?")])
def test_mistakes(capsys: Output, words: list[str], said: str) -> None:
    assert main(["doctor", *words]) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 2
