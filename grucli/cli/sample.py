"""`gru sample`: comments on stdout."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer._click.core import ParameterSource

from grucli.cli.command_base import MODEL, STOP_HELP
from grucli.cli.error_handling import CommandCancelledError
from grucli.errors import UsageError

if TYPE_CHECKING:
    from grucli.generation.sampler import GenerationConfig, Sampler, State
    from grucli.ui.views.sample_writer import SampleWriter

_INCOMPATIBLE_WITH_BEAM = ("temp", "top_k", "top_p", "min_p", "mirostat", "seed", "no_copies")
_RANDOM_SEED_RANGE = 10_000
"""Without a seed one is chosen that can be remembered and typed."""


def sample(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar=f"[{MODEL}]", help="The newest when left out.")] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="How many.")] = 1,
    prompt: Annotated[str | None, typer.Option(help="The beginning, to be continued.")] = None,
    prompt_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file with the beginning; - is stdin.")
    ] = None,
    reply_to: Annotated[
        list[str] | None,
        typer.Option(help="What is replied to, with a model of conversations. Repeatable: the turns so far, in order."),
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
        bool, typer.Option("--novelty", help="Mark what copies 50 or more characters of the text it learnt from.")
    ] = False,
    no_copies: Annotated[
        bool, typer.Option("--no-copies", help="Refuse what copies so much, and draw another in its place.")
    ] = False,
    pace: Annotated[float, typer.Option(help="Characters a second on a terminal; 0: all at once.")] = 150.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all of them, when left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line on stdout, nothing else.")] = False,
) -> None:
    """Write comments.

    \b
      gru sample                                    one comment by the newest model
      gru sample emo --temp 0.8 -n 10               ten, a line -- between them
      gru sample emo --prompt "I never understood"  go on from a beginning
      gru sample demo --reply-to "How are you?"     with a model of conversations
      gru sample emo -n 10000 --json > comments.jsonl
      gru sample emo -n 100 --no-copies             none that the model knows by heart
      gru sample emo --block swearwords.txt         in any case; word* is all that begins so
      gru sample demo --reply-to "Hi" --reply-to "Hello!" --reply-to "Who are you?"

    --novelty and --no-copies look at what was drawn, not at the beginning that was given. With --json, `copied` is the
    number of characters of the longest copy, and `novel` whether there is none of 50 or more.
    """
    import secrets

    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.copy_view import show_checked_samples
    from grucli.ui.views.sample_writer import SampleWriter

    if beam:
        _check_beam(context)
    prompt_text = _read_prompt(prompt, prompt_file)
    with SampleWriter(terminal(), pace) as view:
        from grucli.chat.unknown_symbols import count_unknown_symbols, unknown_symbols_message
        from grucli.generation.copy_detection import generate_novel, load_index_for
        from grucli.generation.phrase_matcher import read_phrases, unescape_stop
        from grucli.generation.sampler import GenerationConfig, Sampler
        from grucli.model.store import find_model
        from grucli.model.weights import load_weights

        first_seed = secrets.randbelow(_RANDOM_SEED_RANGE) if seed is None else seed
        config = GenerationConfig(
            temp=temp,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repeat_penalty=repeat_penalty,
            max_chars=max_chars,
            min_chars=min_chars,
            seed=first_seed,
            mirostat=mirostat,
            relevance=relevance,
            stop=tuple(map(unescape_stop, stop or ())),
            block=(*(read_phrases(Path(block)) if block else ()), *(block_word or ())),
            beam=beam,
        )
        path = find_model(model)
        weights = load_weights(path)
        index = load_index_for(path, weights.card.fingerprint) if novelty or no_copies else None
        sampler = Sampler(weights, threads)
        turns = reply_to or []
        state = sampler.read(_state_after_turns(sampler, turns), prompt_text)
        unknown = sum(count_unknown_symbols(sampler.tokenizer, text) for text in (*turns, prompt_text))
        if unknown:
            view.warn(unknown_symbols_message(unknown))
        if index is not None:
            for warning in index.warnings():
                view.warn(warning)
            in_order = json or not view.is_interactive
            checked = map(index.check, sampler.generate(state, prompt_text, n, config, in_order=in_order))
            novel = generate_novel(sampler, index, state, prompt_text, n, config, in_order=in_order)
            chosen = novel if no_copies else checked
            show_checked_samples(terminal(), view, view.progress(n).track(chosen), refuse=no_copies, json=json)
            return
        _write_samples(view, sampler, state, prompt_text, n, config, json)


def _write_samples(
    view: "SampleWriter",
    sampler: "Sampler",
    state: "State",
    prompt_text: str,
    n: int,
    config: "GenerationConfig",
    json: bool,
) -> None:
    """Draw n samples and write them: data in the order of their seeds, for whoever watches the first one while it is
    drawn, and the others as they are over."""
    sampler.warm_up()
    batch = view.progress(n)
    if view.is_interactive and not json and not config.beam:
        stream = sampler.stream(state, config)
        try:
            view.stream((piece.text for piece in batch.timed(stream)), prompt_text)
        except KeyboardInterrupt:
            raise CommandCancelledError(
                "stopped by Ctrl-C, in the middle of a sample",
                f"all of it comes of the same line with --seed {config.seed}",
            ) from None
        batch.count(stream.sample.text)
        n, config = n - 1, replace(config, seed=config.seed + 1)
    for generated in batch.track(
        sampler.generate(state, prompt_text, n, config, in_order=json or not view.is_interactive)
    ):
        if json:
            view.write_json(generated)
        else:
            view.write(generated.text, generated.prompt)
    batch.finish()


def _check_beam(context: typer.Context) -> None:
    """Refuse what was typed and means nothing to a search; what a file or variable sets is meant for other calls.

    Raises:
        UsageError: there is something.
    """
    from_command_line = (
        name for name in _INCOMPATIBLE_WITH_BEAM if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )
    flags = [f"--{name.replace('_', '-')}" for name in from_command_line if context.params[name]]
    if flags:
        raise UsageError(
            f"{' and '.join(flags)} mean{'s' if len(flags) == 1 else ''} nothing with --beam",
            "a beam searches for the likeliest text and draws none: leave the one or the other out",
        )


def _read_prompt(prompt: str | None, prompt_file: str | None) -> str:
    """The text to be continued; the newline that an editor puts at the end of a file is not a part of it."""
    if prompt_file is None:
        return prompt or ""
    if prompt is not None:
        raise UsageError("both --prompt and --prompt-file are given", "give one of them")
    if prompt_file == "-" and sys.stdin is None:
        raise UsageError("there is no stdin to read the beginning from", "give a file to --prompt-file")
    try:
        content = sys.stdin.buffer.read() if prompt_file == "-" else Path(prompt_file).read_bytes()
        return content.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"'{prompt_file}' is not UTF-8 text", "give a plain text file to --prompt-file") from error


def _state_after_turns(sampler: "Sampler", turns: list[str]) -> "State":
    """The state in which the model begins to write: after the turns of a dialogue, or where nothing was said."""
    state = sampler.initial_state()
    if turns and not sampler.conversations:
        raise UsageError("this model has not learnt from conversations", "use --prompt: it continues a text")
    for turn in turns:
        state = sampler.end_turn(sampler.read(state, turn))
    return state
