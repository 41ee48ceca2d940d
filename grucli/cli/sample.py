"""`gru sample`: comments on stdout."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grucli.cli.error_handling import CommandCancelledError
from grucli.cli.options import GenerationArguments, JsonLines, OptionalModel, Pace, Threads, generation_options
from grucli.errors import UsageError

if TYPE_CHECKING:
    from grucli.generation.sampler import GenerationConfig, Sampler, State
    from grucli.ui.views.sample_writer import SampleWriter


@generation_options
def sample(
    model: OptionalModel = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="Number of samples.")] = 1,
    prompt: Annotated[str | None, typer.Option(help="Beginning of the text, to be continued.")] = None,
    prompt_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="File with the beginning of the text; - is stdin.")
    ] = None,
    reply_to: Annotated[
        list[str] | None, typer.Option(help="Message to reply to; repeatable, for the turns of a conversation.")
    ] = None,
    *,
    generation: GenerationArguments,
    novelty: Annotated[
        bool, typer.Option("--novelty", help="Mark samples that copy 50+ characters of the training text.")
    ] = False,
    no_copies: Annotated[
        bool, typer.Option("--no-copies", help="Replace samples that copy 50+ characters of the training text.")
    ] = False,
    pace: Pace = 150.0,
    threads: Threads = None,
    json: JsonLines = False,
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
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.copy_view import show_checked_samples
    from grucli.ui.views.sample_writer import SampleWriter

    generation.check_beam(no_copies=no_copies)
    prompt_text = _read_prompt(prompt, prompt_file)
    with SampleWriter(terminal(), pace) as view:
        from grucli.chat.unknown_symbols import count_unknown_symbols, unknown_symbols_message
        from grucli.generation.copy_detection import generate_novel, load_index_for
        from grucli.generation.sampler import Sampler
        from grucli.model.store import find_model
        from grucli.model.weights import load_weights

        config = generation.config()
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
                "interrupted by Ctrl-C", f"repeat with --seed {config.seed} to get the complete sample"
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
