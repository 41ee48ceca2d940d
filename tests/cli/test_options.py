"""The options that commands get from the table of generation options."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from grucli import cli
from grucli.cli.command_base import GlobalOptions, GruCommand, long_options
from grucli.cli.options import GenerationArguments, generation_options
from grucli.errors import UsageError
from grucli.generation.options import OPTIONS, GenerationConfig


@pytest.mark.parametrize("name", ["sample", "chat"])
def test_a_command_has_an_option_for_every_row_in_its_order(name: str) -> None:
    expected = [flag for option in OPTIONS for flag in dict.fromkeys([f"--{option.flag}", f"--{option.item_flag}"])]
    flags = [flag for flag, _ in long_options(cli.build_cli().commands[name])]
    assert [flag for flag in flags if flag in expected] == expected


def parse(*words: str) -> GenerationArguments:
    received: list[GenerationArguments] = []
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command(cls=GruCommand)
    @generation_options
    def draw(*, generation: GenerationArguments) -> None:
        received.append(generation)

    command = typer.main.get_command(app)
    with command.make_context("draw", list(words), obj=GlobalOptions()) as context:
        command.invoke(context)
    return received[0]


@pytest.mark.parametrize(
    ("words", "overrides"),
    [
        ([], {}),
        (["--top-k", "4", "--temp", "0.8"], {"temp": 0.8, "top_k": 4}),
        (["--stop", r"\n", "--stop", "end"], {"stop": ("\n", "end")}),
        (["--block-word", "a", "--block-word", "b*"], {"block": ("a", "b*")}),
        (["--block", ""], {"block": ()}),
    ],
)
def test_what_was_given_is_known(words: Sequence[str], overrides: dict[str, object]) -> None:
    generation = parse(*words, "--seed", "3")
    config = generation.config(GenerationConfig())
    assert generation.overrides() == {**overrides, "seed": 3}
    assert config == GenerationConfig(**{**overrides, "seed": 3})  # type: ignore[arg-type]


def test_words_of_a_file_come_first(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("one\n# no\ntwo\n")
    assert parse("--block-word", "three", "--block", str(tmp_path / "words")).config(GenerationConfig()).block == (
        "one",
        "two",
        "three",
    )


def test_a_variable_is_given_but_not_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_TEMP", "0.3")
    generation = parse("--beam", "2")
    assert set(generation.overrides()) == {"temp", "beam"}
    generation.check_beam()
    with pytest.raises(UsageError, match="--temp has no effect with --beam"):
        parse("--beam", "2", "--temp", "0.3").check_beam()


def test_without_a_seed_one_is_chosen() -> None:
    assert len({parse().config(GenerationConfig()).seed for _ in range(20)}) > 1
