"""`gru models`: what it prints, and what it does to the store."""

import errno
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.comparison.plan import PLAN, CellPlan, Plan, comparison_dir, save_plan, saved_at
from grucli.files import DirectoryLock
from grucli.model.figures import ContextGain
from grucli.model.store import BEST, LAST, model_dir, model_names
from grucli.model.weights import ModelCard, read_model_info
from grucli.training.options import Budget
from tests.fault_injection import failing_disk
from tests.model.factories import add_model, add_packaged_model
from tests.ui.fake_streams import PipeStream

Output = pytest.CaptureFixture[str]


class Keyboard(io.StringIO):
    """What a user types."""

    def isatty(self) -> bool:
        return True


CARD = ModelCard(
    steps=50, tokens=6400, seconds=61.5, tokens_per_second=104.0, train_nats=1.5, val_nats=1.6, val_nats_per_char=1.1,
    val_bits_per_char=1.587, note="\x1b[31mred \u202e[bold]",
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("words", [["models"], ["models", "list"]], ids=" ".join)
def test_listing(capsys: Output, words: list[str]) -> None:
    add_model("old", 1e9)
    truncated = add_model("torn", 1.5e9)
    (truncated / BEST).write_bytes(b"torn")
    add_model("new", 1.2e9, card=CARD)
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err.startswith("gru: 'torn' is corrupt: ")
    assert "truncated" in err
    assert len(err.splitlines()) == 1
    head, *rows = out.splitlines()
    assert head.startswith("MODEL")
    assert [row.split()[0] for row in rows] == ["torn", "new", "old"]
    assert rows[0].split()[1] == "corrupt"
    assert all(len(row) < 80 for row in rows)
    assert "1.587" in rows[1]
    assert main([*words, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["model"] for entry in entries] == ["torn", "new", "old"]
    assert "truncated" in entries[0]["problem"]
    assert entries[0]["cell"] is None
    assert entries[1]["val_bits_per_char"] == 1.587
    assert entries[1]["problem"] is None


def test_no_models(capsys: Output) -> None:
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "gru demo" in err


def test_showing_in_full_and_guarded(capsys: Output) -> None:
    directory = add_model("emo", card=CARD)
    (directory / "metrics.jsonl").write_text('{"step": 25}\n{"step": 50}\n')
    for words in (["models", "show", "emo"], ["models", "show"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        parts = ("50 steps", "6,400 tokens", "1:02", "1.587", "after 2 evaluations", "[31mred [bold]")
        for part in ("emo", str(directory), *parts):
            assert part in out
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_showing_as_json_is_the_summary_of_the_last_weights(capsys: Output) -> None:
    add_model("emo", card=ModelCard(steps=1))
    directory = add_model("emo", file=LAST, card=CARD)
    assert main(["models", "show", "emo", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    about = read_model_info(directory / LAST)
    assert list(summary) == [
        "model", "path", "cell", "parameters", "vocab", "steps", "tokens", "seconds", "tokens_per_second", "train_nats",
        "val_nats", "val_nats_per_char", "val_bits_per_char", "context_gain_bits", "context_gain_interval",
        "right_context_share", "context_replies", "parameters_sha256", "read", "dropped", "placeholders",
        "unknown_share", "diverged", "origin",
    ]  # fmt: skip
    assert summary["model"] == "emo"
    assert summary["path"] == str(directory)
    assert (summary["steps"], summary["val_bits_per_char"]) == (50, 1.587)
    assert (summary["vocab"], summary["parameters"]) == (about.sizes.V, about.parameters)
    assert summary["parameters_sha256"] == about.parameters_sha256


def test_showing_tells_the_training_that_json_tells_and_which_weights_were_best(capsys: Output) -> None:
    best = ModelCard(steps=40, tokens=5120, seconds=50.0, val_bits_per_char=1.25)
    directory = add_model("emo", card=best)
    assert main(["models", "show", "emo"]) == 0
    assert "best" not in capsys.readouterr().out
    add_model("emo", file=LAST, card=CARD)
    assert main(["models", "show", "emo"]) == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert facts["training"] == "50 steps, 6,400 tokens, 1:02"
    assert facts["validation"] == "1.587 bits per character"
    assert facts["best"] == "1.250 at step 40, used by sample and chat"
    assert facts["sha256"] == read_model_info(directory / LAST).parameters_sha256


@pytest.mark.slow
@pytest.mark.parametrize("words", [["models"], ["models", "show"], ["models", "show", "--json"], ["doctor"]])
def test_a_reader_that_has_had_enough_is_no_failure(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(PipeStream):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            raise OSError

    err = PipeStream()
    add_model("emo")
    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", err)
    assert main(words) == 0
    assert err.getvalue() == ""


def test_a_damaged_model(capsys: Output) -> None:
    directory = add_model("emo")
    (directory / BEST).write_bytes(b"torn")
    assert main(["models", "show", "emo", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "truncated" in err
    assert main(["models", "show", "emo"]) == 1
    out, err = capsys.readouterr()
    assert str(directory) in out
    assert "truncated" in err.splitlines()[0]
    assert "gru models remove emo" in err.splitlines()[1]


def test_showing_a_model_by_its_path(capsys: Output, tmp_path: Path) -> None:
    directory = add_model("emo", card=CARD)
    alone = tmp_path / "a-friends.safetensors"
    alone.write_bytes((directory / BEST).read_bytes())
    for path, name in ((alone, "a-friends"), (directory, "emo"), (directory / BEST, "emo")):
        assert main(["models", "show", str(path)]) == 0
        out = capsys.readouterr().out
        assert out.splitlines()[0].split() == ["model", name]
        assert "50 steps" in out
        assert main(["models", "show", str(path), "--json"]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert (summary["model"], summary["steps"]) == (name, 50)
    alone.write_bytes(b"torn")
    assert main(["models", "show", str(alone)]) == 1
    assert main(["models", "show", str(tmp_path / "none.safetensors")]) == 2


def test_what_is_done_to_models_as_json(capsys: Output, home: Path) -> None:
    directory = add_model("emo")
    assert main(["models", "path", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(directory / BEST)}
    assert main(["models", "rename", "emo", "feelings", "--json"]) == 0
    renamed = {"model": "feelings", "path": str(directory.with_name("feelings")), "was": "emo"}
    assert json.loads(capsys.readouterr().out) == renamed
    assert main(["models", "remove", "feelings", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": ["feelings"]}


def test_the_packaged_model(capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = ModelCard(steps=9, description={"license": "MIT", "limits": "It \x1b[31mrepeats itself."})
    weights = add_packaged_model(monkeypatch, tmp_path, card)
    assert main(["models"]) == 0
    _, row = capsys.readouterr().out.splitlines()
    assert row.startswith("chitchat ")
    assert row.endswith(" packaged")
    assert main(["models", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["model"], entry["path"], entry["packaged"]) == ("chitchat", str(weights), True)
    assert main(["models", "path"]) == 0
    assert capsys.readouterr().out == f"{weights}\n"
    for words in (["models", "show"], ["models", "show", "chitchat"]):
        assert main(words) == 0
        facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
        assert facts["packaged"].startswith("part of gru")
        assert facts["size"].endswith(", int8")
        assert facts["description"] == "license: MIT"
        assert facts["limits:"] == "It [31mrepeats itself."
    assert main(["models", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["description"] == card.description
    for words in (["rename", "chitchat", "mine"], ["remove", "chitchat", "--yes"], ["remove", "chitchat"]):
        assert main(["models", *words]) == 2
        assert "'chitchat' is part of gru" in capsys.readouterr().err
    assert weights.exists()


def test_a_card_does_not_pass_for_what_was_measured(capsys: Output) -> None:
    huge = dict.fromkeys(("train_nats", "val_nats", "val_bits_per_char", "context_gain_bits"), 1e300)
    context = ContextGain(context_gain_interval=(-1e300, 1e300), right_context_share=1.0, context_replies=9)
    claims = {"validation": "0.001 bits per character", "sha256": "0" * 64}
    add_model("emo", card=ModelCard(steps=9, description=claims, **context.gain_figures() | huge))
    assert main(["models", "show", "emo"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert max(len(row) for row in rows if not row.startswith("path")) < 120
    for label in claims:
        (row,) = (row for row in rows if row.startswith(label))
        assert claims[label] not in row
    assert "description validation: 0.001 bits per character" in rows


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_tells_of_an_existing_file_only_if_there_is_one(
    capsys: Output, tmp_path: Path, exists: bool
) -> None:
    add_model("emo")
    path = tmp_path / "small.safetensors"
    if exists:
        path.write_bytes(b"old")
    with failing_disk(1, errno.ENOSPC):
        assert main(["models", "quantize", "emo", "-o", str(path), "--force"]) == 1
    hint = capsys.readouterr().err.splitlines()[1].strip()
    assert hint == "free up space and try again" + "; the existing file was not changed" * exists


def test_quantizing(capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = add_model("emo", card=CARD)
    assert main(["models", "quantize"]) == 0
    assert capsys.readouterr().err.startswith("wrote emo.safetensors: ")
    about = read_model_info(Path("emo.safetensors"))
    assert about.quantized
    assert about.card == read_model_info(directory / BEST).card
    assert main(["models", "quantize", "emo"]) == 2
    assert "already exists" in capsys.readouterr().err
    assert main(["models", "quantize", "emo.safetensors", "--force", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written == {"path": "emo.safetensors", "bytes": about.bytes, "was_bytes": about.bytes}
    assert main(["models", "quantize", "emo", "-o", "corpus.csv"]) == 2
    assert "corpus.csv" in capsys.readouterr().err
    assert main(["models", "quantize", "nobody"]) == 2
    weights = directory / BEST
    was_bytes = weights.stat().st_size
    assert main(["models", "quantize", "emo", "-o", str(weights), "--force", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written == {"path": str(weights), "bytes": weights.stat().st_size, "was_bytes": was_bytes}
    assert written["bytes"] != was_bytes  # so small a model gets larger


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_quantized_private_model_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (add_model("emo", card=CARD) / BEST).chmod(0o600)
    assert main(["models", "quantize", "emo"]) == 0
    assert Path("emo.safetensors").stat().st_mode & 0o777 == 0o600


def test_path_is_a_line_for_scripts(capsys: Output) -> None:
    directory = add_model("emo")
    assert main(["models", "path"]) == 0
    assert capsys.readouterr().out == f"{directory / BEST}\n"


def test_renaming(capsys: Output) -> None:
    add_model("emo")
    assert main(["models", "rename", "emo", "a/b"]) == 2
    assert main(["models", "rename", "emo", "feelings"]) == 0
    assert capsys.readouterr().out == ""
    assert model_names() == ["feelings"]


def test_removing_asks_first(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        add_model(name)
    monkeypatch.setattr(sys, "stdin", Keyboard("n\n\n"))
    for _ in range(3):
        assert main(["models", "remove", "a"]) == 0
        assert "nothing deleted" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Keyboard("Y\n"))
    assert main(["models", "remove", "a", "a"]) == 0
    assert sorted(model_names()) == ["b", "c"]
    assert main(["models", "remove", "b", "zzz", "--yes"]) == 2
    assert sorted(model_names()) == ["b", "c"]
    assert main(["models", "remove", "b", "c", "-y"]) == 0
    assert model_names() == []


def test_removing_without_anybody_to_ask(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    add_model("emo")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["models", "remove", "emo"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert model_names() == ["emo"]


def test_a_model_in_training(capsys: Output) -> None:
    directory = add_model("emo")
    with DirectoryLock(directory):
        assert main(["models", "remove", "emo", "-y"]) == 1
        assert "in use by process" in capsys.readouterr().err
    assert model_names() == ["emo"]


def add_comparison(name: str, seeds: int = 2, replaces: tuple[str, ...] = ()) -> Path:
    """Keep a comparison of a gru and a lstm, as one that was interrupted before the last model was trained."""
    cells = [CellPlan(cell=cell, hidden=2, parameters=9, memory=9, lr=0.1) for cell in ("gru", "lstm")]
    runs = [f"{name}-{cell}-{seed}" for seed in range(seeds) for cell in ("gru", "lstm")]
    for run in runs[:-1]:
        add_model(run, file=LAST)
    plan = Plan(
        cells=cells, seeds=seeds, tune=False, budget=Budget(steps=3), options={}, dataset_id=("x", 1, 1),
        replaces={run: saved_at(model_dir(run)) for run in replaces},
    )  # fmt: skip
    directory = comparison_dir(name)
    directory.mkdir(parents=True)
    save_plan(directory, plan)
    return directory


def test_the_list_names_the_comparisons(capsys: Output) -> None:
    add_comparison("emo", seeds=1)
    (add_comparison("torn") / PLAN).write_bytes(b"torn")
    assert main(["models"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "comparison 'emo': models emo-gru-0"
    assert said[1].startswith("gru: comparison 'torn' cannot be read: ")


def test_removing_a_comparison_leaves_all_models_that_are_not_its_own(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("emo", "emo-gru-7", "emo-gru-x", "emo-lstm-0"):
        add_model(name, file=LAST)
    monkeypatch.setattr(sys, "stdin", Keyboard("n\ny\n"))
    directory = add_comparison("emo", replaces=("emo-gru-1",))
    assert main(["models", "remove", "--comparison", "emo", "emo"]) == 0
    assert directory.exists()
    assert "Delete comparison 'emo': models emo-gru-0, emo-lstm-0? [y/N]" in capsys.readouterr().err
    assert main(["models", "remove", "--comparison", "emo", "--json"]) == 0
    assert not directory.exists()
    assert sorted(model_names()) == ["emo", "emo-gru-1", "emo-gru-7", "emo-gru-x"]
    out, err = capsys.readouterr()
    assert json.loads(out) == {"removed": ["emo"]}
    assert "deleted 'emo-lstm-0'" in err
    assert "deleted comparison 'emo'" in err


def test_a_comparison_that_cannot_be_removed(capsys: Output) -> None:
    add_model("shakespear")
    directory = add_comparison("shakespeare")
    before = model_names()
    assert main(["models", "remove", "--comparison", "shakespear", "-y"]) == 2
    assert "did you mean 'shakespeare'?" in capsys.readouterr().err
    assert main(["models", "remove", "--comparison", "shakespeare", "../models", "-y"]) == 2
    with DirectoryLock(directory):
        assert main(["models", "remove", "--comparison", "shakespeare", "-y"]) == 1
    assert "in use by process" in capsys.readouterr().err
    assert model_names() == before
    with DirectoryLock(directory.parent.parent / "models" / "shakespeare-lstm-0"):
        assert main(["models", "remove", "--comparison", "shakespeare", "-y"]) == 1
    assert main(["models", "remove", "--comparison", "shakespeare", "-y"]) == 0
    assert model_names() == ["shakespear"]


@pytest.mark.parametrize("damage", [lambda plan: plan.write_bytes(b"torn"), lambda plan: plan.mkdir()])
def test_a_comparison_that_cannot_be_read_is_removed_without_models(damage: Callable[[Path], object]) -> None:
    directory = add_comparison("emo")
    (directory / PLAN).unlink()
    damage(directory / PLAN)
    assert main(["models"]) == 0
    assert main(["models", "remove", "--comparison", "emo", "-y"]) == 0
    assert not directory.exists()
    assert len(model_names()) == 3
