"""What the user can type: a line for the model, or a command, which begins with `/`.

One table holds every command, its values and its words for `/help` and for Tab. A line for the model that begins with
`/` is typed with two; `/r/python` and the like are never commands.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from grucli.chat.candidates import DEFAULT_PEEK, best, peek, pick, spread
from grucli.chat.chat_settings import SETTINGS, ChatSetting, flags_to_commands, truncate
from grucli.chat.command_help import COMMAND_DETAILS
from grucli.chat.events import (
    ChatEvent,
    CommandError,
    Help,
    History,
    Listing,
    Message,
    Quit,
    SampleCommand,
    TreeRow,
    TurnTreeView,
)
from grucli.chat.inspection import gates, score_text
from grucli.chat.sample_command import sample_command, sample_command_one_line
from grucli.chat.session import Session, skipped_lines_message
from grucli.chat.turns import PREVIEW_CHARS, ROOT, Turn, preview
from grucli.errors import GruError, UsageError
from grucli.number_parsing import looks_numeric, parse_float, parse_int

_DEFAULT_TEMPERATURES = (0.3, 0.8, 1.2)
_DEFAULT_CANDIDATES = 5
_SIMILARITY_CUTOFF = 0.65  # how much two names must have in common for the one to be meant by the other
_MIN_PREFIX_LETTERS = 3  # letters: the beginning of a name that says which it is


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One command: its name, what it takes ("" for nothing), what it does, and how.

    `run` gets what stood behind the name. `now` gives the value that is in force, `values` what Tab offers. `aliases`
    are understood but not listed.
    """

    name: str
    metavar: str
    help_text: str
    run: Callable[[Session, str], Iterator[ChatEvent]]
    current: Callable[[Session], str] = lambda session: ""
    completions: Callable[[Session], Sequence[str]] = lambda session: ()
    aliases: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """What is typed."""
        return f"/{self.name} {self.metavar}".rstrip()


@dataclass(frozen=True, slots=True)
class Completion:
    """A way to complete the line: `text` replaces the line from `start` on."""

    text: str
    start: int
    description: str


def handle_line(session: Session, line: str) -> Iterator[ChatEvent]:
    """Do what a line asks for. Whatever goes wrong is an event: nothing ends a session but its user."""
    try:
        yield from session.reload_model()
        if is_command(line):
            yield from _run_command(session, line)
        else:
            yield from session.send(line.removeprefix("/") if line.startswith("//") else line)
    except GruError as error:
        yield CommandError(flags_to_commands(error.message), flags_to_commands(error.hint))
    except MemoryError:
        yield CommandError("there is not enough memory for this", "try a shorter line, or a smaller model")
    except OSError as error:
        yield CommandError(f"the system refused: {error.strerror or error}", "try again, or another model")
    yield from session.pop_notices()


def is_command(line: str) -> bool:
    """Whether a line is a command: one `/`, and none other in its first word."""
    first = line.split(maxsplit=1)[0] if line.strip() else ""
    return line.startswith("/") and "/" not in first[1:]


def complete(session: Session, line: str) -> Iterator[Completion]:
    """How the line, up to the cursor, may go on: command names, then their values."""
    if not is_command(line) or "\n" in line:
        return
    name, space, value = line[1:].partition(" ")
    if not space:
        for command in COMMANDS:
            if command.name.startswith(name):
                yield Completion(f"/{command.name}", 0, command.help_text)
        return
    setting, space, rest = value.lstrip().partition(" ")
    if name == "set" and space and setting in _names:
        name, value = setting, rest
    matched = _names.get(name)
    value = value.lstrip()
    if matched is not None:
        for choice in matched.completions(session):
            if choice.startswith(value):
                yield Completion(choice, len(line) - len(value), _completion_description(session, matched, choice))


def _completion_description(session: Session, command: SlashCommand, choice: str) -> str:
    """What Tab says of a value: whether it is in force, what the command of that name does, or what was said there."""
    if choice == command.current(session):
        return "now"
    if command.name in ("set", "help"):
        return _names[choice].help_text
    if command.name == "rewind":
        branches = session.tree.branches
        turn = session.tree.turns.get(branches[choice] if choice in branches else int(choice))
        return "the beginning" if turn is None else _turn_summary(turn)
    return ""


def greeting(session: Session) -> str:
    """One sentence about how to talk with the model at hand."""
    if session.model.conversations:
        return f"{session.model_name} takes turns: say something, and it answers."
    return f"{session.model_name} goes on where your line ends; Enter alone lets it go on by itself."


def _run_command(session: Session, line: str) -> Iterator[ChatEvent]:
    name, *rest = line.strip()[1:].split(maxsplit=1)[:2] or [""]
    value = rest[0] if rest else ""
    command = _names.get(name)
    if command is None:
        yield CommandError(
            f"there is no command /{truncate(name)}",
            f"{_did_you_mean(name)}/help lists them; a line with / begins with //",
        )
    elif value and not command.metavar:
        yield CommandError(f"/{name} takes no value", f"type /{name} alone")
    else:
        yield from command.run(session, value)


def _did_you_mean(name: str) -> str:
    match = closest_match(name, list(_names))
    return f"did you mean /{match}? " if match else ""


def closest_match(name: str, names: Sequence[str]) -> str:
    """The name that was meant by one that is none: nearly the same, or its beginning, or it with more behind it."""
    name = truncate(name).lower()
    if matches := difflib.get_close_matches(name, names, n=1, cutoff=_SIMILARITY_CUTOFF):
        return matches[0]
    if len(name) < _MIN_PREFIX_LETTERS:
        return ""
    for known in names:
        if known.startswith(name) or (len(known) >= _MIN_PREFIX_LETTERS and name.startswith(known)):
            return known
    return ""


def _parse_count(name: str, value: str, default: int) -> int:
    """The whole number that a command was given, `usual` where it was given none.

    Raises:
        UsageError: it is no whole number.
    """
    try:
        return parse_int(value) if value else default
    except ValueError:
        raise UsageError(
            f"'{truncate(value)}' is not a whole number", f"/{name} takes one, such as {default}"
        ) from None


# Settings


def _setting_command(setting: ChatSetting) -> SlashCommand:
    """A command that sets, and without a value tells."""

    def run(session: Session, value: str) -> Iterator[ChatEvent]:
        if value:
            setting.set(session, value)
            yield Message(f"/{setting.name}: {setting.confirmation(session)}")
        else:
            yield Message(f"/{setting.name} {setting.current(session)} · {setting.help_text}")

    return SlashCommand(
        setting.name, setting.metavar, setting.help_text, run, setting.current, lambda session: setting.completions
    )


def _set(session: Session, value: str) -> Iterator[ChatEvent]:
    name, *rest = value.split(maxsplit=1) or [""]
    names = [setting.name for setting in SETTINGS]
    if not name:
        yield Listing(tuple((setting.name, setting.current(session), setting.help_text) for setting in SETTINGS))
    elif name.removeprefix("/") not in names:
        match = closest_match(name, names)
        yield CommandError(
            f"there is no setting '{truncate(name)}'", f"did you mean {match}?" if match else "/set lists them"
        )
    else:
        yield from _names[name.removeprefix("/")].run(session, rest[0] if rest else "")


# Replies


def _regenerate(session: Session, _: str) -> Iterator[ChatEvent]:
    yield from session.regenerate()


def _spread(session: Session, value: str) -> Iterator[ChatEvent]:
    temps, words = [], value.split()
    rest = value
    for word in words:
        try:
            temps.append(parse_float(word))
        except ValueError:
            if looks_numeric(word):
                raise UsageError(f"'{truncate(word)}' is not a number", "temperatures are, such as 0.3 0.8") from None
            break
        rest = rest.lstrip()[len(word) :]
    yield from spread(session, temps or _DEFAULT_TEMPERATURES, rest.lstrip())


def _best(session: Session, value: str) -> Iterator[ChatEvent]:
    first, *rest = value.split(maxsplit=1) or [""]
    if looks_numeric(first):
        yield from best(session, _parse_count("best", first, _DEFAULT_CANDIDATES), rest[0] if rest else "")
    else:
        yield from best(session, _DEFAULT_CANDIDATES, value)


def _peek(session: Session, value: str) -> Iterator[ChatEvent]:
    if looks_numeric(value):
        yield from peek(session, "", _parse_count("peek", value, DEFAULT_PEEK))
    else:
        yield from peek(session, value)


def _pick(session: Session, value: str) -> Iterator[ChatEvent]:
    number = _parse_count("pick", value, 1)
    yield from pick(session, number)


# Places


def _undo(session: Session, value: str) -> Iterator[ChatEvent]:
    session.undo(_parse_count("undo", value, 1))
    yield _position_message(session)


def _rewind(session: Session, value: str) -> Iterator[ChatEvent]:
    if not value:
        raise UsageError("/rewind takes the number of a turn, or a branch", "/tree shows them; /undo goes one back")
    session.rewind(value)
    message = _position_message(session)
    if value not in session.tree.branches and len(session.tree.branches) > 1:
        message = Message(f"{message.text}; the branch {session.tree.branch} ends here now")
    yield message


def _fork(session: Session, value: str) -> Iterator[ChatEvent]:
    previous_branch = session.tree.branch
    session.fork(value)
    yield Message(
        f"this is the branch {session.tree.branch} now; /rewind {previous_branch} goes back to where {previous_branch} ends"
    )


def _reset(session: Session, _: str) -> Iterator[ChatEvent]:
    session.reset()
    yield Message("the next line begins anew; /tree shows what was said")


def _position_message(session: Session) -> Message:
    """Where the session stands, in words."""
    last = session.last
    if last is None:
        return Message("this is the beginning again")
    return Message(f"back at turn {last.number}: {_turn_summary(last)}")


def _turn_summary(turn: Turn) -> str:
    """What was said in a turn, from both sides."""
    return f"{preview(turn.line) or '…'} → {preview(turn.reply)}"


def _tree(session: Session, _: str) -> Iterator[ChatEvent]:
    tree = session.tree
    if not tree.turns and len(tree.branches) == 1:
        yield Message("nothing was said so far")
        return
    on_path = {turn.number for turn in session.turns}
    yield TurnTreeView(
        tuple(
            TreeRow(
                turn=turn,
                depth=depth,
                names=_branches_at(session, turn.number),
                is_head=turn.number == tree.head,
                on_path=turn.number in on_path,
            )
            for turn, depth in tree.rows()
        ),
        _branches_at(session, ROOT),
    )


def _branches_at(session: Session, number: int) -> tuple[str, ...]:
    """The branches that end at a turn."""
    return tuple(name for name, end in session.tree.branches.items() if end == number)


def _history(session: Session, _: str) -> Iterator[ChatEvent]:
    if not session.turns:
        yield Message("nothing was said so far")
        return
    rows = []
    for turn in session.turns:
        rows.append(("you", f"turn {turn.number}", truncate(turn.line) or "(let it go on)"))
        rows.append((session.model_name, "picked" if turn.picked else f"seed {turn.seed}", truncate(turn.reply)))
    yield History(tuple(rows), tuple(session.turns))


def _rewind_targets(session: Session) -> list[str]:
    """What `/rewind` takes: branches, then turns, the latest first."""
    return [*session.tree.branches, *(str(turn.number) for turn in reversed(session.turns)), "0"]


# Sessions and models


def _save(session: Session, name: str) -> Iterator[ChatEvent]:
    if name:
        session.save(name)
    log = session.log
    if log is None:
        reason = f" any more: {session.save_error}" if session.save_error else ""
        yield Message(
            f"this session is not kept{reason}" + ("; /save NAME keeps it" if session.store is not None else "")
        )
    elif log.path is None or not log.path.exists():
        yield Message(f"it will be kept {f'as {log.name}' if log.name else 'by itself'}, from the first turn on")
    else:
        yield Message(f"kept as {log.name}, with every turn: {log.path}")


def _load(session: Session, name: str) -> Iterator[ChatEvent]:
    if name:
        skipped = session.load(name)
        yield Message(f"{greeting(session)} /history shows what was said.")
        if skipped:
            yield Message(skipped_lines_message(skipped))
        return
    infos = list(session.store.list_info(PREVIEW_CHARS + 1)) if session.store is not None else []
    if infos:
        current = _saved_name(session)
        times = ("now" if brief.name == current else _format_time(brief.modified) for brief in infos)
        texts = (f"{brief.model}: {preview(brief.first_line)}" for brief in infos)
        yield Listing(tuple(zip((brief.name for brief in infos), times, texts, strict=True)))
    yield Message("/load NAME takes one up" if infos else "there is no session to take up yet")


def _saved_name(session: Session) -> str:
    """The name of the file that this session is kept in, nothing where it is in none."""
    return (session.log.name or "") if session.log is not None else ""


def _format_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%d %b %H:%M}"


def _model(session: Session, name: str) -> Iterator[ChatEvent]:
    if not name:
        yield Listing(tuple((known, "now" if known == session.model_name else "", "") for known in session.models()))
        yield Message(f"this is {session.model_name}; /model NAME takes another")
        return
    saved_name, had_turns = _saved_name(session), bool(session.tree.turns)
    session.switch(name)
    yield Message(greeting(session) + (" It has heard what was said so far." if session.turns else ""))
    if had_turns and not session.tree.turns:
        back = f"; /load {saved_name} goes back to the one before" if saved_name else ""
        yield Message(f"it is of another kind, so this is a new session{back}")


def _sample_command(session: Session, _: str) -> Iterator[ChatEvent]:
    last: Turn | None = session.last
    if last is None:
        raise UsageError("there is no reply to give again", "say something first")
    yield SampleCommand(sample_command(session, last), sample_command_one_line(session, last))
    if warning := session.reproducibility_warning(last):
        yield Message(f"it may give another reply: {warning}")


def _help(session: Session, name: str) -> Iterator[ChatEvent]:
    if name:
        yield from _help_for(session, name.removeprefix("/"))
        return
    commands = [
        (group, command.usage, command.help_text)
        for group, names in _GROUPS
        for command in map(_names.get, names)
        if command is not None
    ]
    yield Help(tuple(commands), tuple(f"/{setting.name} {setting.current(session)}" for setting in SETTINGS))
    yield Message("/help NAME explains one, /set lists settings; Ctrl-C stops, /quit leaves")


def _help_for(session: Session, name: str) -> Iterator[ChatEvent]:
    command = _names.get(name)
    if command is None:
        raise UsageError(f"there is no command /{truncate(name)}", f"{_did_you_mean(name)}/help lists them")
    yield Listing(((command.usage, command.current(session), command.help_text),))
    if command.name in COMMAND_DETAILS:
        text, example = COMMAND_DETAILS[command.name]
        yield Message(text)
        yield Message(f"for example: {example}")


def _quit(session: Session, _: str) -> Iterator[ChatEvent]:
    yield Quit()


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand("regen", "", "draw the last reply again, with the next seed", _regenerate),
    SlashCommand(
        "spread",
        "[T…] [TEXT]",
        "one seed at several temperatures, side by side",
        _spread,
        completions=lambda session: ("0.3 0.8 1.2", "0.5 1", "0.2 0.4 0.6 0.8 1 1.2"),
    ),
    SlashCommand(
        "best",
        "[N] [TEXT]",
        "N replies, the best first",
        _best,
        completions=lambda session: ("5", "10", "20"),
    ),
    SlashCommand("peek", "[N | TEXT]", "the likeliest next tokens", _peek),
    SlashCommand(
        "pick",
        "[N]",
        "take the N-th of what these offered",
        _pick,
        completions=lambda session: [str(number) for number in range(1, len(session.candidates) + 1)],
    ),
    SlashCommand("undo", "[N]", "take back the last turn, or the last N", _undo),
    SlashCommand(
        "rewind", "N | BRANCH", "go to turn N (0: the beginning), or a branch", _rewind, completions=_rewind_targets
    ),
    SlashCommand("fork", "[NAME]", "begin a branch here; the other stays as it is", _fork),
    SlashCommand("tree", "", "every turn, with its branches", _tree),
    SlashCommand("history", "", "what led here", _history),
    SlashCommand("reset", "", "begin anew", _reset, aliases=("clear",)),
    SlashCommand("score", "[TEXT]", "how surprising TEXT is, or the last reply was", score_text),
    SlashCommand("gates", "[TEXT]", "what it keeps in mind at TEXT, or the reply", gates),
    SlashCommand("cmd", "", "the gru sample line for the last reply", _sample_command),
    *map(_setting_command, SETTINGS),
    SlashCommand(
        "set",
        "[NAME [VALUE]]",
        "any of the settings by its name; alone, all of them",
        _set,
        completions=lambda session: [setting.name for setting in SETTINGS],
    ),
    SlashCommand(
        "model",
        "[NAME]",
        "talk with another model",
        _model,
        current=lambda session: session.model_name,
        completions=lambda session: session.models(),
    ),
    SlashCommand(
        "save",
        "[NAME]",
        "give this session a name, and keep it for good",
        _save,
        current=_saved_name,
    ),
    SlashCommand(
        "load",
        "[NAME]",
        "take up another session; alone, list them",
        _load,
        completions=lambda session: session.store.names() if session.store is not None else (),
    ),
    SlashCommand(
        "help",
        "[NAME]",
        "this list, or all about one command",
        _help,
        completions=lambda session: [command.name for command in COMMANDS],
        aliases=("?",),
    ),
    SlashCommand("quit", "", "leave", _quit, aliases=("exit", "bye", "q")),
)

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("replies", ("regen", "spread", "best", "peek", "pick")),
    ("places", ("undo", "rewind", "fork", "tree", "history", "reset")),
    ("looking", ("score", "gates", "cmd")),
    ("sessions", ("model", "save", "load")),
)
"""What /help lists; what it says at its end names the others."""

_names: dict[str, SlashCommand] = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
