"""`python -m benchmarks.recipes speed|run|table|docs`: see the docstring of the package."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.recipes.laboratory import Execution, Selection, measure_speeds, read_speeds, train_missing
from benchmarks.recipes.recipes import BASE, RECIPES
from benchmarks.recipes.results import RESULTS, RecipeRun, Speed, read_lines
from benchmarks.recipes.table import format_results, write_docs
from benchmarks.recipes.texts import TEXTS
from grucli.errors import ExitStatus, GruError
from grucli.files import DirectoryLock
from grucli.paths import cache_dir


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 < value < 10**7:
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes above 0")
    return value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description="Compare recipes of gru train.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    results = argparse.ArgumentParser(add_help=False)
    results.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="folder of recipes.jsonl")
    chosen = argparse.ArgumentParser(add_help=False, parents=[results])
    chosen.add_argument("--recipe", action="append", choices=RECIPES, help="a recipe, repeatable [default: all]")
    chosen.add_argument("--text", action="append", choices=TEXTS, help="a text, repeatable [default: all]")
    chosen.add_argument("--minutes", action="append", type=_minutes, help="in place of the minutes of the texts")
    chosen.add_argument("--rounds", type=_positive, default=7, help="turns of a second per recipe, for the speed")
    chosen.add_argument("--even-if-busy", action="store_true", help="measure the speed on a busy machine")
    speed = kinds.add_parser("speed", parents=[chosen], help="measure seconds per step on an idle machine")
    speed.add_argument("--repeat", action="store_true", help="measure again what is measured")
    run = kinds.add_parser("run", parents=[chosen], help="train what is missing")
    run.add_argument("--seeds", type=_positive, default=3, help="number of seeds [default: 3]")
    run.add_argument("--processor", metavar="NAME", help="take the steps that fit into the minutes on this processor")
    run.add_argument("--jobs", type=_positive, default=1, help="runs at once [default: 1]")
    run.add_argument("--threads", type=_positive, help="threads of a run [default: all cores]")
    run.add_argument("--wall-clock", action="store_true", help="train for the minutes, not for the steps in them")
    run.add_argument("--keep", action="store_true", help="keep the models")
    run.add_argument("--retry", action="store_true", help="train again what failed")
    table = kinds.add_parser("table", parents=[results], help="print the results")
    table.add_argument("--base", choices=RECIPES, default=BASE, help=f"compare with it [default: {BASE}]")
    kinds.add_parser("docs", parents=[results], help="write the results into docs/recipes.md")
    return parser.parse_args(arguments)


def _report(line: str) -> None:
    print(line, flush=True)


def _measure_and_train(options: argparse.Namespace) -> None:
    options.results.mkdir(parents=True, exist_ok=True)
    runs, speeds = options.results / "recipes.jsonl", options.results / "recipes_speed.jsonl"
    recipes, texts = options.recipe or list(RECIPES), options.text or list(TEXTS)
    selection = Selection(recipes, texts, options.minutes or (), getattr(options, "seeds", 1))
    with DirectoryLock(cache_dir() / "recipes"):
        if options.kind == "speed":
            _measure_speeds(options, selection, speeds, repeat=options.repeat)
            return
        processor = options.processor or machine.processor_name()
        measured = {}
        if options.processor:
            measured = read_speeds(selection, speeds, processor)
        elif not options.wall_clock:
            measured = _measure_speeds(options, selection, speeds, repeat=False)
        execution = Execution(processor, options.jobs, options.threads, options.wall_clock, options.keep, options.retry)
        train_missing(selection, execution, runs, measured, _report)


def _measure_speeds(options: argparse.Namespace, selection: Selection, path: Path, *, repeat: bool) -> dict[Any, Speed]:
    return measure_speeds(
        selection, path, rounds=options.rounds, even_if_busy=options.even_if_busy, repeat=repeat, report=_report
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for, and return the exit status."""
    options = _parse(arguments)
    try:
        if options.kind == "table":
            for line in format_results(read_lines(options.results / "recipes.jsonl", RecipeRun), options.base):
                print(line)
        elif options.kind == "docs":
            write_docs(read_lines(options.results / "recipes.jsonl", RecipeRun))
        else:
            _measure_and_train(options)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return ExitStatus.SIGINT
    except GruError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.status
    except OSError as error:
        print(f"cannot read or write a file: {error}\ncheck the disk and --results", file=sys.stderr)
        return ExitStatus.FAILED
    return ExitStatus.OK


if __name__ == "__main__":
    sys.exit(main())
