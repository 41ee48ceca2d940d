"""What the user can type: a line for the model, or a command, which begins with `/`.

One table holds every command, its values and its words for `/help` and for Tab. A line for the model that begins with
`/` is typed with two; `/r/python` and the like are never commands.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grucli.chat.events import Event, Left, Listed, Refused, Told
from grucli.chat.session import Session
from grucli.errors import GruError, UsageError

_QUOTED = 200  # characters


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, what it takes ("" for nothing), what it does, and how.

    `run` gets what stood behind the name. `now` gives the value that is in force, `values` what Tab offers. `aliases`
    are understood but not listed.
    """

    name: str
    takes: str
    does: str
    run: Callable[[Session, str], Iterator[Event]]
    now: Callable[[Session], str] = lambda session: ""
    values: Callable[[Session], Sequence[str]] = lambda session: ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A way to complete the line: `text` replaces the line from `start` on."""

    text: str
    start: int
    does: str


def hear(session: Session, line: str) -> Iterator[Event]:
    """Do what a line asks for. Whatever goes wrong is an event: nothing ends a session but its user."""
    try:
        if is_command(line):
            yield from _obey(session, line)
        else:
            yield from session.say(line.removeprefix("/") if line.startswith("//") else line)
    except GruError as error:
        yield Refused(error.what, error.todo)
    except MemoryError:
        yield Refused("there is not enough memory for this", "try a shorter line, or a smaller model")
    except OSError as error:
        yield Refused(f"the system refused: {error.strerror or error}", "try again, or another model")


def is_command(line: str) -> bool:
    """Whether a line is a command: one `/`, and none other in its first word."""
    first = line.split(maxsplit=1)[0] if line.strip() else ""
    return line.startswith("/") and "/" not in first[1:]


def suggest(session: Session, line: str) -> Iterator[Suggestion]:
    """How the line, up to the cursor, may go on: command names, then their values."""
    if not is_command(line) or "\n" in line:
        return
    name, blank, value = line[1:].partition(" ")
    if not blank:
        for command in COMMANDS:
            if command.name.startswith(name):
                yield Suggestion(f"/{command.name}", 0, command.does)
        return
    found = _names.get(name)
    value = value.lstrip()
    if found is not None:
        for offered in found.values(session):
            if offered.startswith(value):
                yield Suggestion(offered, len(line) - len(value), "now" if offered == found.now(session) else "")


def _obey(session: Session, line: str) -> Iterator[Event]:
    name, _, value = line.strip()[1:].partition(" ")
    command = _names.get(name)
    if command is None:
        yield _unknown(name)
    elif value.strip() and not command.takes:
        yield Refused(f"/{name} takes no value", f"type /{name} alone")
    else:
        yield from command.run(session, value.strip())


def _unknown(name: str) -> Refused:
    name = _short(name)
    near = difflib.get_close_matches(name.lower(), list(_names), n=1, cutoff=0.4)
    closest = f"did you mean /{near[0]}? " if near else ""
    return Refused(f"there is no command /{name}", f"{closest}/help lists them; to say a line with /, begin it with //")


def _setting(
    name: str, option: str, kind: type[float] | type[int], does: str, values: Sequence[str], alone: str = ""
) -> Command:
    """A command for one of the numbers that replies are drawn by, or for the pace; without a value it tells it."""

    def now(session: Session) -> str:
        held = session if option == "pace" else session.draw
        return format(getattr(held, option), "g" if kind is float else "d")

    def run(session: Session, value: str) -> Iterator[Event]:
        if value:
            _set(session, name, option, kind, value)
        yield Told(f"/{name} {now(session)} · {does}")

    return Command(name, "N", does, run, now, lambda session: values)


def _set(session: Session, name: str, option: str, kind: type[float] | type[int], value: str) -> None:
    takes = "a whole number" if kind is int else "a number"
    try:
        number: Any = kind(value)
    except ValueError:
        example = f"/{name} {_names[name].now(session)}"
        raise UsageError(f"'{_short(value)}' is not {takes}", f"/{name} takes {takes}, such as {example}") from None
    try:
        if option == "pace":
            session.keep_pace(number)
        else:
            session.draw = dataclasses.replace(session.draw, **{option: number})
    except UsageError as error:
        raise UsageError(_typed(error.what), _typed(error.todo)) from None


def _typed(text: str) -> str:
    """Name the commands where an error names the options of the shell."""
    for option in ("temp", "top-k", "top-p", "min-p", "repeat-penalty", "seed", "pace"):
        text = text.replace(f"--{option}", f"/{option}")
    return text.replace("--max-chars", "/max").replace("--min-chars", "/min")


def _short(text: str) -> str:
    """The beginning of what may be a pasted book."""
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _model(session: Session, name: str) -> Iterator[Event]:
    if not name:
        yield Listed(tuple((known, "now" if known == session.model else "", "") for known in session.models()))
        yield Told(f"this is {session.model}; /model NAME takes another")
        return
    session.switch(name)
    yield Told(introduction(session))


def introduction(session: Session) -> str:
    """One sentence about how to talk with the model at hand."""
    if session.voice.conversations:
        return f"{session.model} takes turns: say something, and it answers."
    return f"{session.model} goes on where your line ends; Enter alone lets it go on by itself."


def _again(session: Session, _: str) -> Iterator[Event]:
    yield from session.again()


def _reset(session: Session, _: str) -> Iterator[Event]:
    session.reset()
    yield Told("forgotten: the next line begins anew")


def _history(session: Session, _: str) -> Iterator[Event]:
    if not session.turns:
        yield Told("nothing was said so far")
        return
    rows = []
    for turn in session.turns:
        rows.append(("you", "", _short(turn.line) or "(let it go on)"))
        rows.append((session.model, f"seed {turn.seed}", _short(turn.reply)))
    yield Listed(tuple(rows))


def _help(session: Session, _: str) -> Iterator[Event]:
    yield Listed(tuple((f"/{command.name}", command.now(session), command.does) for command in COMMANDS))
    yield Told(f"{introduction(session)} Ctrl-C stops a reply, Ctrl-D leaves.")


def _quit(session: Session, _: str) -> Iterator[Event]:
    yield Left()


COMMANDS: tuple[Command, ...] = (
    _setting("temp", "temp", float, "how daring: 0.2 careful, 0.8 lively, 1.5 wild", ("0.2", "0.5", "0.8", "1", "1.5")),
    _setting("top-k", "top_k", int, "only the N likeliest tokens, 0 for all", ("0", "10", "40", "100")),
    _setting("top-p", "top_p", float, "only the likeliest that share N, 1 for all", ("0.5", "0.9", "0.95", "1")),
    _setting("min-p", "min_p", float, "only those at least N times the likeliest", ("0", "0.02", "0.05", "0.1")),
    _setting("repeat-penalty", "repeat_penalty", float, "shun what was just said, 1 for no", ("1", "1.1", "1.3")),
    _setting("seed", "seed", int, "of the next reply: the same seed, the same reply", ()),
    _setting("max", "max_chars", int, "longest reply, in characters", ("100", "200", "500", "1000", "2000")),
    _setting("min", "min_chars", int, "shortest reply, in characters", ("1", "20", "50", "100")),
    _setting("pace", "pace", float, "characters a second, 0 for no limit", ("0", "30", "60", "150", "300")),
    Command("regen", "", "draw the last reply again, with the next seed", _again),
    Command("reset", "", "forget what was said", _reset),
    Command(
        "model",
        "NAME",
        "talk with another model",
        _model,
        now=lambda session: session.model,
        values=lambda session: session.models(),
    ),
    Command("history", "", "what was said so far", _history),
    Command("help", "", "this list", _help, aliases=("?",)),
    Command("quit", "", "leave", _quit, aliases=("exit", "bye")),
)

_names: dict[str, Command] = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
