"""The laboratory of recipes: what is missing, how long it takes, what its tables say."""

import math
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import machine
from benchmarks.recipes import __main__ as program
from benchmarks.recipes import gru, laboratory, pytorch, table, worker
from benchmarks.recipes.laboratory import Execution, Selection, missing_runs, steps_within, train_missing
from benchmarks.recipes.recipes import BASE, RECIPES, Recipe
from benchmarks.recipes.results import RESULTS, RecipeRun, RunFigures, Speed, append_line, last_by_key, read_lines
from benchmarks.recipes.table import BEGIN, END, Estimate, describe_difference, format_results, render_docs
from benchmarks.recipes.texts import TEXTS, Text
from benchmarks.recipes.worker import Job
from benchmarks.runner import Measurement
from grucli.errors import GruError, UsageError
from grucli.files import DirectoryLock
from grucli.paths import cache_dir

PROCESSOR = "a processor"
SELECTION = Selection(["a", "b"], ["tiny"], seeds=2)
_FIGURES = RunFigures(steps=10, tokens=640, parameters=100, seconds=1.5, nats_per_char=1.4, best_nats_per_char=1.3)


@pytest.fixture(autouse=True)
def small_laboratory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two recipes and one text, on a machine of that name."""
    monkeypatch.setitem(RECIPES, "a", Recipe("gru", {"hidden": 8, "seq": 8, "batch": 4}))
    monkeypatch.setitem(RECIPES, "b", Recipe("pytorch", {"hidden": 8, "seq": 8, "batch": 4}))
    corpus = tmp_path / "tiny.csv"
    corpus.write_text("body\n" + "".join(f"the {number} quick foxes\n" for number in range(200)))
    text = Text("a tiny text", (0.5,), lambda: {"sources": [str(corpus)]})
    monkeypatch.setitem(TEXTS, "tiny", text)
    monkeypatch.setattr(machine, "processor_name", lambda: PROCESSOR)


def make_run(recipe: str = "a", seed: int = 1, bits: float | None = 2.0, **changes: Any) -> RecipeRun:
    figures = None if bits is None else msgspec.structs.replace(_FIGURES, best_nats_per_char=bits * math.log(2))
    run = RecipeRun(
        recipe=recipe,
        text="tiny",
        minutes=0.5,
        seed=seed,
        processor=PROCESSOR,
        options=RECIPES[recipe].options,
        commit="0123abc",
        date="2026-01-01T00:00:00+00:00",
        figures=figures,
        bits_per_char=bits,
        best_bits_per_char=bits,
        error="out of memory" if bits is None else None,
    )
    return msgspec.structs.replace(run, **changes)


def make_speed(recipe: str, seconds_per_step: float = 3.0) -> Speed:
    return Speed(
        recipe=recipe,
        text="tiny",
        minutes=0.5,
        processor=PROCESSOR,
        given=RECIPES[recipe].options,
        options=RECIPES[recipe].options,
        seconds_per_step=seconds_per_step,
        load=0.0,
        commit="0123abc",
        date="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def speeds() -> dict[Any, Speed]:
    return last_by_key([make_speed("a"), make_speed("b", 1.5)])


@given(st.floats(1e-3, 1e3), st.floats(1e-4, 1e3))
def test_the_steps_fit_into_the_minutes_and_one_more_does_not(minutes: float, seconds_per_step: float) -> None:
    steps = steps_within(minutes, seconds_per_step)
    assert steps >= 1
    assert steps == 1 or steps * seconds_per_step <= 60 * minutes * (1 + 1e-9)
    assert (steps + 1) * seconds_per_step > 60 * minutes * (1 - 1e-9)


def test_recipes_take_turns_and_each_has_its_steps(speeds: dict[Any, Speed]) -> None:
    plans = list(missing_runs(SELECTION, PROCESSOR, speeds, [], wall_clock=False))
    assert [(plan.key.recipe, plan.key.seed, plan.steps) for plan in plans] == [
        ("a", 1, 10),
        ("b", 1, 20),
        ("a", 2, 10),
        ("b", 2, 20),
    ]


def test_finished_and_failed_runs_are_not_missing(speeds: dict[Any, Speed]) -> None:
    finished = [make_run("a", 1), make_run("b", 2, bits=None)]
    plans = missing_runs(SELECTION, PROCESSOR, speeds, finished, wall_clock=False)
    assert [plan.key[:4] for plan in plans] == [("b", "tiny", 0.5, 1), ("a", "tiny", 0.5, 2)]


@pytest.mark.parametrize(
    "change",
    [{"options": {"hidden": 9}}, {"processor": "another"}, {"minutes": 1.0}, {"wall_clock": True}],
    ids=lambda change: next(iter(change)),
)
def test_a_run_of_something_else_does_not_count(speeds: dict[Any, Speed], change: dict[str, Any]) -> None:
    selection = Selection(["a"], ["tiny"], seeds=1)
    assert list(missing_runs(selection, PROCESSOR, speeds, [make_run(**change)], wall_clock=False))


def test_by_wall_clock_no_speed_is_needed() -> None:
    (plan,) = missing_runs(Selection(["a"], ["tiny"], seeds=1), PROCESSOR, {}, [], wall_clock=True)
    assert plan.steps is None
    assert plan.options == RECIPES["a"].options


def test_a_killed_laboratory_goes_on_at_the_next_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, speeds: dict[Any, Speed]
) -> None:
    results, started = tmp_path / "recipes.jsonl", list[tuple[str, int]]()

    def run_worker(recipe: str, job: Job) -> tuple[RunFigures, None]:
        started.append((recipe, job.seed))
        return _FIGURES, None

    def stop_at_second(line: str) -> None:
        if line.startswith("2 of"):
            raise KeyboardInterrupt

    monkeypatch.setattr(laboratory, "_run_worker", run_worker)
    with pytest.raises(KeyboardInterrupt):
        train_missing(SELECTION, Execution(PROCESSOR), results, speeds, stop_at_second)
    finished = [(run.recipe, run.seed) for run in read_lines(results, RecipeRun)]
    assert len(finished) == 2
    with results.open("ab") as file:
        file.write(b'{"recipe":"b","tex')  # killed while writing
    started.clear()
    train_missing(SELECTION, Execution(PROCESSOR), results, speeds, lambda line: None)
    assert sorted(started + finished) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert len(read_lines(results, RecipeRun)) == 4


def test_a_failed_run_is_recorded_and_retried_on_demand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, speeds: dict[Any, Speed]
) -> None:
    results, selection = tmp_path / "recipes.jsonl", Selection(["a"], ["tiny"], seeds=1)
    lines: list[str] = []
    monkeypatch.setattr(laboratory, "_run_worker", lambda recipe, job: (None, "training diverged"))
    train_missing(selection, Execution(PROCESSOR), results, speeds, lines.append)
    assert lines == ["1 of 1: a on tiny, 0.5 minutes, seed 1: failed: training diverged"]
    monkeypatch.setattr(laboratory, "_run_worker", lambda recipe, job: (_FIGURES, None))
    train_missing(selection, Execution(PROCESSOR), results, speeds, lines.append)
    assert len(lines) == 1
    train_missing(selection, Execution(PROCESSOR, retry=True), results, speeds, lines.append)
    assert [run.error for run in read_lines(results, RecipeRun)] == ["training diverged", None]


def test_the_speeds_of_another_processor_serve_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs: list[Job] = []

    def run_worker(recipe: str, job: Job) -> tuple[RunFigures, None]:
        jobs.append(job)
        return _FIGURES, None

    monkeypatch.setattr(laboratory, "_run_worker", run_worker)
    monkeypatch.setattr(machine, "processor_name", lambda: "this one")
    arguments = ["run", "--recipe", "a", "--text", "tiny", "--seeds", "1", "--results", str(tmp_path)]
    append_line(tmp_path / "recipes_speed.jsonl", make_speed("a", 15.0))
    assert program.main([*arguments, "--processor", PROCESSOR]) == 0
    (run,) = read_lines(tmp_path / "recipes.jsonl", RecipeRun)
    assert (run.processor, [job.steps for job in jobs]) == (PROCESSOR, [2])
    assert program.main([*arguments, "--processor", "another"]) == 1
    assert "was not measured on another" in capsys.readouterr().err


def test_a_line_that_is_no_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "recipes.jsonl"
    append_line(path, make_run())
    path.write_bytes(path.read_bytes() + b'{"recipe": 3}\n')
    with pytest.raises(GruError, match="line 2: not a run"):
        read_lines(path, RecipeRun)


def test_no_file_is_no_runs(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none.jsonl", RecipeRun) == []


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The recipes of each measurement; nothing is trained."""
    calls: list[list[str]] = []

    def measure(kind: str, sides: list[str], shape: str, rounds: int, module: str) -> dict[str, Measurement]:
        calls.append(list(sides))
        return {side: Measurement(side, (1.0, 4.0, 2.0)) for side in sides}

    monkeypatch.setattr(laboratory, "measure", measure)
    monkeypatch.setattr(gru, "resolve", lambda text, options, minutes: {"lr": 0.004, **options})
    monkeypatch.setattr(machine, "load_average", lambda: 0.0)
    return calls


def measure_speeds(path: Path, *, repeat: bool = False, even_if_busy: bool = False) -> dict[Any, Speed]:
    return laboratory.measure_speeds(
        SELECTION, path, rounds=3, even_if_busy=even_if_busy, repeat=repeat, report=lambda line: None
    )


def test_a_speed_is_measured_once_and_in_turn(measured: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "speed.jsonl"
    first = measure_speeds(path)
    assert first["a", "tiny", 0.5, PROCESSOR].seconds_per_step == 0.5
    assert first["a", "tiny", 0.5, PROCESSOR].options == {"lr": 0.004, **RECIPES["a"].options}
    assert measure_speeds(path) == first
    assert measured == [["a", "b"]]
    measure_speeds(path, repeat=True)
    assert measured == [["a", "b"], ["a", "b"]]


def test_a_changed_recipe_is_measured_again(
    measured: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_speeds(tmp_path / "speed.jsonl")
    monkeypatch.setitem(RECIPES, "a", Recipe("gru", {"hidden": 16}))
    measure_speeds(tmp_path / "speed.jsonl")
    assert measured == [["a", "b"], ["a"]]


def test_a_busy_machine_is_refused(measured: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "load_average", lambda: 99.0)
    with pytest.raises(GruError, match="the machine is busy: load average 99"):
        measure_speeds(tmp_path / "speed.jsonl")
    assert measured == []
    assert measure_speeds(tmp_path / "speed.jsonl", even_if_busy=True)["b", "tiny", 0.5, PROCESSOR].load == 99.0


def test_an_estimate_has_the_standard_error_of_its_mean() -> None:
    assert Estimate.of([1.0, 2.0, 3.0]) == (2.0, 1 / math.sqrt(3))
    assert str(Estimate.of([1.0, 2.0, 3.0])) == "2.000 ± 0.577"
    assert str(Estimate.of([1.5])) == "1.500"


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(1.9, 0.03), "5.0% better (2.0 SE)"),
        (Estimate(2.1, 0.0), "5.0% worse (2.5 SE)"),
        (Estimate(1.93, 0.0), "none"),
        (Estimate(1.9, math.nan), "needs more seeds"),
    ],
)
def test_a_difference_below_two_standard_errors_is_none(estimate: Estimate, text: str) -> None:
    assert describe_difference(estimate, Estimate(2.0, 0.04)) == text


def test_equal_seeds_have_no_error_to_divide_by() -> None:
    assert describe_difference(Estimate(1.9, 0.0), Estimate(2.0, 0.0)) == "5.0% better"
    assert describe_difference(Estimate(2.0, 0.0), Estimate(2.0, 0.0)) == "none"


def test_the_table_has_means_differences_and_failures() -> None:
    runs = [make_run("a", 1, 2.0), make_run("a", 2, 2.02), make_run("b", 1, 1.9), make_run("b", 2, 1.92)]
    lines = list(format_results([*runs, make_run("b", 3, bits=None)], base="a"))
    assert lines[0] == "### tiny, 0.5 minutes"
    assert lines[2] == "a processor; by steps."
    assert lines[6] == "| b | 2 | 10 | 1.910 ± 0.010 | 1.910 ± 0.010 | 1.324 ± 0.007 | 5.0% better (7.1 SE) |"
    assert lines[7] == "| a | 2 | 10 | 2.010 ± 0.010 | 2.010 ± 0.010 | 1.393 ± 0.007 |  |"
    assert lines[-1] == "- failed: b, seed 3: out of memory"


def test_the_last_run_of_a_key_counts_and_a_gain_has_a_column() -> None:
    figures = msgspec.structs.replace(_FIGURES, context_gain_bits=1.25)
    lines = list(format_results([make_run("a", 1, 2.0), make_run("a", 1, 1.0, figures=figures)], base="a"))
    assert "context gain, bits per reply" in lines[4]
    assert lines[6].startswith("| a | 1 | 10 | 1.000 |")
    assert lines[6].endswith("| 1.250 |")


def test_only_failed_runs_are_a_list_without_a_table() -> None:
    lines = list(format_results([make_run("a", 1, bits=None)], base="a"))
    assert lines[4:] == ["- failed: a, seed 1: out of memory"]


def test_each_text_minutes_and_clock_has_a_table() -> None:
    runs = [make_run(), make_run(minutes=1.0), make_run(wall_clock=True)]
    headings = [line for line in format_results(runs) if line.startswith(("###", PROCESSOR))]
    assert headings == [
        "### tiny, 0.5 minutes",
        f"{PROCESSOR}; by steps.",
        "### tiny, 0.5 minutes",
        f"{PROCESSOR}; by wall clock.",
        "### tiny, 1 minute",
        f"{PROCESSOR}; by steps.",
    ]


def test_the_page_has_the_results_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    page = table.DOCS.read_text(encoding="utf-8")
    runs = read_lines(RESULTS / "recipes.jsonl", RecipeRun)
    assert page == render_docs(page, runs), "run: python -m benchmarks.recipes docs"


def test_only_the_generated_part_of_a_page_changes() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = render_docs(page, [make_run()])
    assert once.startswith(f"before\n{BEGIN}\n")
    assert once.endswith(f"\n{END}\nafter\n")
    assert "old" not in once
    assert render_docs(once, [make_run()]) == once


def test_a_page_without_a_generated_part_is_refused() -> None:
    with pytest.raises(GruError, match="no generated part"):
        render_docs("no marker", [])


@pytest.mark.parametrize("arguments", [[], ["run", "--seeds", "0"], ["run", "--minutes", "-1"], ["run", "--text", "x"]])
def test_bad_arguments_are_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        program.main(arguments)
    assert error.value.code == 2


def test_missing_test_data_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GRU_TEST_DATA", raising=False)
    arguments = ["run", "--wall-clock", "--recipe", "a", "--text", "tinyshakespeare", "--results", str(tmp_path)]
    assert program.main(arguments) == 2
    assert "GRU_TEST_DATA is not set" in capsys.readouterr().err
    monkeypatch.setenv("GRU_TEST_DATA", str(tmp_path))
    with pytest.raises(UsageError, match="file not found"):
        TEXTS["tinyshakespeare"].open()


def test_a_folder_of_results_that_is_a_file_is_refused_before_training(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    arguments = ["run", "--wall-clock", "--recipe", "a", "--text", "tiny", "--results", str(tmp_path / "file")]
    assert program.main(arguments) == 1
    assert "cannot read or write a file" in capsys.readouterr().err


def test_a_second_laboratory_is_refused(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with DirectoryLock(cache_dir() / "recipes"):
        assert program.main(["run", "--wall-clock", "--text", "tiny", "--results", str(tmp_path)]) == 1
    assert "recipes" in capsys.readouterr().err


def test_table_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["table", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "No run is finished yet.\n"


def test_options_are_written_as_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"start_from": "a b", "tied": False, "eval_every": 3}
    monkeypatch.setitem(RECIPES, "a", Recipe("gru", options))
    assert "| a | gru | `--from 'a b' --no-tied --eval-every 3` |" in list(table.format_recipes())


def test_the_base_is_what_the_program_chooses_and_every_recipe_has_options_of_its_trainer() -> None:
    assert RECIPES[BASE] == Recipe(options={"start_from": "nothing"})
    for recipe in RECIPES.values():
        if recipe.trainer == "pytorch":
            assert pytorch.resolve(recipe.options).items() >= recipe.options.items()


@pytest.mark.slow
def test_the_program_resolves_trains_and_measures(home_with_kernels: Path) -> None:
    text = TEXTS["tiny"].open()
    options = gru.resolve(text, RECIPES["a"].options, 0.5)
    assert options.items() >= {**RECIPES["a"].options, "cell": "gru", "tokenizer": "char"}.items()
    assert not {"seed", "val"} & set(options)
    figures = gru.train(text, options, name="tiny-a", seed=1, threads=1, steps=12)
    assert (figures.steps, figures.tokens) == (12, 12 * 32)
    assert figures.best_nats_per_char <= figures.nats_per_char < 10
    assert not (home_with_kernels / "models" / "tiny-a").exists()
    assert gru.make_workload(text, options)() == 1


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"cell": "lstm"}, {"tied": True, "layers": 2}], ids=str)
def test_the_peer_learns_and_repeats(home: Path, options: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    text, options = TEXTS["tiny"].open(), {**RECIPES["b"].options, "hidden": 32, **options}
    long = pytorch.train(text, options, seed=1, threads=1, steps=60)
    short = pytorch.train(text, options, seed=1, threads=1, steps=3)
    assert short == msgspec.structs.replace(
        pytorch.train(text, options, seed=1, threads=1, steps=3), seconds=short.seconds
    )
    assert long.best_nats_per_char < short.best_nats_per_char
    assert long.tokens == 60 * 32
    assert pytorch.make_workload(text, options)() == 1


@pytest.mark.slow
def test_the_loss_of_an_untrained_peer_is_that_of_an_even_choice(home: Path) -> None:
    pytest.importorskip("torch")
    options = pytorch.PeerOptions(hidden=8, seq=8, batch=4)
    peer = pytorch.Peer(TEXTS["tiny"].open(), options, seed=0, threads=1)
    for parameter in peer.model.parameters():
        parameter.data.zero_()
    val = peer.dataset.val
    assert val is not None
    expected = val.tokens * math.log(val.vocab) / val.characters
    assert peer.evaluate(val) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_a_worker_trains_and_a_failure_is_its_last_message(home_with_kernels: Path) -> None:
    job = Job(
        text=TEXTS["tiny"].open(),
        options={"hidden": 8, "seq": 8, "batch": 4},
        name="tiny",
        seed=1,
        steps=2,
        minutes=None,
        threads=1,
        keep=True,
    )
    figures, _ = laboratory._run_worker(BASE, job)
    assert figures is not None
    assert figures.steps == 2
    assert (home_with_kernels / "models" / "tiny" / "best.safetensors").exists()
    _, error = laboratory._run_worker(BASE, msgspec.structs.replace(job, text={"sources": ["/none.csv"]}))
    assert error is not None
    assert "/none.csv" in error


def test_a_stopped_worker_has_the_status_of_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(recipe: str, job: Job) -> RunFigures:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    monkeypatch.setattr(worker, "train", train)
    monkeypatch.setattr(worker, "_end_with_parent", lambda: None)
    job = Job(text={}, options={}, name="x", seed=1, steps=1, minutes=None, threads=1, keep=False)
    assert worker.main("train", "a", msgspec.json.encode(job).decode()) == 130


def test_a_machine_is_busy_with_three_tenths_of_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert machine.processor_name()
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 9.0, 9.0), raising=False)
    assert machine.load_average() == 0.5
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert [machine.is_busy(load) for load in (0.0, 0.59, 0.61)] == [False, False, True]
    assert not machine.is_busy(None)
