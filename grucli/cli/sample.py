"""`gru sample`: comments on stdout."""

from typing import TYPE_CHECKING, Annotated

import typer

from grucli.cli.error_handling import CommandCancelledError
from grucli.cli.options import GenerationArguments, JsonLines, OptionalModel, Pace, Threads, generation_options
from grucli.errors import UsageError
from grucli.generation.phrases import unescape_text

if TYPE_CHECKING:
    from grucli.api.model import Copies


@generation_options
def sample(
    model: OptionalModel = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="Number of samples.")] = 1,
    prompt: Annotated[str | None, typer.Option(help=r"Text to continue; \n is a newline.")] = None,
    prompt_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="File with text to continue; '-' is stdin.")
    ] = None,
    reply_to: Annotated[
        list[str] | None, typer.Option(help=r"Turn to reply to; \n is a newline; repeatable, the oldest first.")
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

    In a text \\n is a newline, \\t a tab and \\\\ a backslash; a file is read as it is.

    --novelty and --no-copies check the generated text, not the prompt. With --json, `copied` is the length of the
    longest copy in characters, and `novel` is true if no copy has 50 or more.
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.sample_view import SampleWriter, show_samples

    generation.check_beam(no_copies=no_copies)
    if prompt is not None and prompt_file is not None:
        raise UsageError("both --prompt and --prompt-file are given", "give one of them")
    with SampleWriter(terminal(), pace) as view:
        from grucli.api.model import load, read_prompt

        loaded = load(model, threads=threads)
        text = read_prompt(prompt_file) if prompt_file is not None else unescape_text(prompt or "")
        turns = list(map(unescape_text, reply_to or ()))
        copies: Copies = "replace" if no_copies else "mark" if novelty else "ignore"
        config = generation.config(loaded.default_config(turns))
        live = view.is_interactive and not json
        batch = loaded.sample(text, n, config, reply_to=turns, copies=copies, live=live)
        try:
            show_samples(terminal(), view, batch, text, n, copies=copies, json=json)
        except KeyboardInterrupt:
            hint = f"repeat with --seed {config.seed} to get the complete sample"
            raise CommandCancelledError("interrupted", hint) from None
