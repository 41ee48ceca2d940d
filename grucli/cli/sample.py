"""`gru sample`: comments on stdout."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer._click.core import ParameterSource

from grucli.cli.command_base import MODEL, STOP_HELP
from grucli.cli.error_handling import CommandCancelledError
from grucli.errors import UsageError

if TYPE_CHECKING:
    from grucli.api.model import Copies

_INCOMPATIBLE_WITH_BEAM = ("temp", "top_k", "top_p", "min_p", "mirostat", "seed", "no_copies")
_RANDOM_SEED_RANGE = 10_000
"""Seeds chosen at random are short enough to type."""


def sample(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar=f"[{MODEL}]", help="Model name or path. [default: newest]")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="Number of samples.")] = 1,
    prompt: Annotated[str | None, typer.Option(help="Text to continue.")] = None,
    prompt_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="File with text to continue; '-' is stdin.")
    ] = None,
    reply_to: Annotated[
        list[str] | None,
        typer.Option(help="Turn to reply to; repeatable, the oldest first."),
    ] = None,
    temp: Annotated[float, typer.Option(help="0: always the likeliest; 1: as the model has it; more: wilder.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Draw from the K likeliest tokens only; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens that make up this share.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="No token less likely than this share of the likeliest.")] = 0.0,
    mirostat: Annotated[float, typer.Option(help="Aim at this surprise, in bits a token; 0: do not.")] = 0.0,
    repeat_penalty: Annotated[float, typer.Option(help="Above 1: what was said lately becomes less likely.")] = 1.0,
    relevance: Annotated[float, typer.Option(help="Up to 0.99: prefer replies that would not fit any line.")] = 0.0,
    beam: Annotated[int, typer.Option(help="Search for the likeliest, so many at a time; 0: draw.")] = 0,
    stop: Annotated[list[str] | None, typer.Option(help=STOP_HELP.format("a sample"))] = None,
    block: Annotated[
        str | None, typer.Option(metavar="FILE", help="Words and phrases that are never said, one a line.")
    ] = None,
    block_word: Annotated[
        list[str] | None, typer.Option(help="A word or phrase that is never said. Repeatable.")
    ] = None,
    max_chars: Annotated[int, typer.Option(help="Stop here at the latest.")] = 500,
    min_chars: Annotated[int, typer.Option(help="Do not end before.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same text.")] = None,
    novelty: Annotated[
        bool, typer.Option("--novelty", help="Mark samples that copy 50+ characters of the training text.")
    ] = False,
    no_copies: Annotated[
        bool, typer.Option("--no-copies", help="Replace samples that copy 50+ characters of the training text.")
    ] = False,
    pace: Annotated[float, typer.Option(help="Characters per second on a terminal; 0 disables.")] = 150.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads. [default: all cores]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Output JSON, one object per line.")] = False,
) -> None:
    """Generate comments.

    \b
      gru sample                                    one comment by the newest model
      gru sample emo --temp 0.8 -n 10               ten, separated by lines --
      gru sample emo --prompt "I never understood"  continue a text
      gru sample demo --reply-to "How are you?"     reply, with a model trained on conversations
      gru sample emo -n 10000 --json > comments.jsonl
      gru sample emo -n 100 --no-copies             none copied from the training text
      gru sample emo --block swearwords.txt         in any case; word* is a prefix
      gru sample demo --reply-to "Hi" --reply-to "Hello!" --reply-to "Who are you?"

    --novelty and --no-copies check the generated text, not the prompt. With --json, `copied` is the length of the
    longest copy in characters, and `novel` is true if no copy has 50 or more.
    """
    import secrets

    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.sample_view import show_samples
    from grucli.ui.views.sample_writer import SampleWriter

    if beam:
        _check_beam(context)
    if prompt is not None and prompt_file is not None:
        raise UsageError("both --prompt and --prompt-file are given", "give one of them")
    with SampleWriter(terminal(), pace) as view:
        from grucli.api.model import load, read_prompt
        from grucli.generation.options import GenerationConfig
        from grucli.generation.phrase_matcher import read_phrases, unescape_stop

        config = GenerationConfig(
            temp=temp,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repeat_penalty=repeat_penalty,
            max_chars=max_chars,
            min_chars=min_chars,
            seed=secrets.randbelow(_RANDOM_SEED_RANGE) if seed is None else seed,
            mirostat=mirostat,
            relevance=relevance,
            stop=tuple(map(unescape_stop, stop or ())),
            block=(*(read_phrases(Path(block)) if block else ()), *(block_word or ())),
            beam=beam,
        )
        text = read_prompt(prompt_file) if prompt_file is not None else prompt or ""
        copies: Copies = "replace" if no_copies else "mark" if novelty else "ignore"
        live = view.is_interactive and not json
        batch = load(model, threads=threads).sample(text, n, config, reply_to=reply_to or (), copies=copies, live=live)
        try:
            show_samples(terminal(), view, batch, text, n, copies=copies, json=json)
        except KeyboardInterrupt:
            hint = f"repeat with --seed {config.seed} to get the complete sample"
            raise CommandCancelledError("interrupted", hint) from None


def _check_beam(context: typer.Context) -> None:
    """Refuse options that beam search ignores, if they are on the command line; settings are meant for other calls.

    Raises:
        UsageError: there is such an option.
    """
    from_command_line = (
        name for name in _INCOMPATIBLE_WITH_BEAM if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )
    flags = [f"--{name.replace('_', '-')}" for name in from_command_line if context.params[name]]
    if flags:
        raise UsageError(
            f"{' and '.join(flags)} mean{'s' if len(flags) == 1 else ''} nothing with --beam",
            "beam search does not sample: remove one of the options",
        )
