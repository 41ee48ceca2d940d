"""What the user can type: a line for the model, or a command, which begins with `/`.

One table holds every command, its values and its words for `/help` and for Tab. A line for the model that begins with
`/` is typed with two; `/r/python` and the like are never commands.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from grucli.chat.candidates import LIKELIEST, best, peek, pick, spread
from grucli.chat.chat_settings import SETTINGS, Setting, as_typed, short
from grucli.chat.command_help import EXPLAINED
from grucli.chat.events import Branch, Branched, Copyable, Event, Helped, Left, Listed, Recounted, Refused, Told
from grucli.chat.inspection import gates, score
from grucli.chat.sample_command import flat_line, sample_line
from grucli.chat.session import Session, misunderstood
from grucli.chat.turns import BEGINNING, REMINDED, Turn, reminder
from grucli.errors import GruError, UsageError
from grucli.number_parsing import looks_like_number, number, whole

_TEMPERATURES = (0.3, 0.8, 1.2)
_CANDIDATES = 5
_NEAR = 0.65  # how much two names must have in common for the one to be meant by the other
_TELLING = 3  # letters: the beginning of a name that says which it is


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

    @property
    def usage(self) -> str:
        """What is typed."""
        return f"/{self.name} {self.takes}".rstrip()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A way to complete the line: `text` replaces the line from `start` on."""

    text: str
    start: int
    does: str


def hear(session: Session, line: str) -> Iterator[Event]:
    """Do what a line asks for. Whatever goes wrong is an event: nothing ends a session but its user."""
    try:
        yield from session.refresh()
        if is_command(line):
            yield from _obey(session, line)
        else:
            yield from session.say(line.removeprefix("/") if line.startswith("//") else line)
    except GruError as error:
        yield Refused(as_typed(error.what), as_typed(error.todo))
    except MemoryError:
        yield Refused("there is not enough memory for this", "try a shorter line, or a smaller model")
    except OSError as error:
        yield Refused(f"the system refused: {error.strerror or error}", "try again, or another model")
    yield from session.remarks()


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
    setting, blank, rest = value.lstrip().partition(" ")
    if name == "set" and blank and setting in _names:
        name, value = setting, rest
    found = _names.get(name)
    value = value.lstrip()
    if found is not None:
        for offered in found.values(session):
            if offered.startswith(value):
                yield Suggestion(offered, len(line) - len(value), _note(session, found, offered))


def _note(session: Session, command: Command, offered: str) -> str:
    """What Tab says of a value: whether it is in force, what the command of that name does, or what was said there."""
    if offered == command.now(session):
        return "now"
    if command.name in ("set", "help"):
        return _names[offered].does
    if command.name == "rewind":
        branches = session.tree.branches
        turn = session.tree.turns.get(branches[offered] if offered in branches else int(offered))
        return "the beginning" if turn is None else _exchange(turn)
    return ""


def introduction(session: Session) -> str:
    """One sentence about how to talk with the model at hand."""
    if session.voice.conversations:
        return f"{session.model} takes turns: say something, and it answers."
    return f"{session.model} goes on where your line ends; Enter alone lets it go on by itself."


def _obey(session: Session, line: str) -> Iterator[Event]:
    name, *rest = line.strip()[1:].split(maxsplit=1)[:2] or [""]
    value = rest[0] if rest else ""
    command = _names.get(name)
    if command is None:
        yield Refused(
            f"there is no command /{short(name)}", f"{_nearest(name)}/help lists them; a line with / begins with //"
        )
    elif value and not command.takes:
        yield Refused(f"/{name} takes no value", f"type /{name} alone")
    else:
        yield from command.run(session, value)


def _nearest(name: str) -> str:
    near = nearest(name, list(_names))
    return f"did you mean /{near}? " if near else ""


def nearest(name: str, names: Sequence[str]) -> str:
    """The name that was meant by one that is none: nearly the same, or its beginning, or it with more behind it."""
    name = short(name).lower()
    if near := difflib.get_close_matches(name, names, n=1, cutoff=_NEAR):
        return near[0]
    if len(name) < _TELLING:
        return ""
    for known in names:
        if known.startswith(name) or (len(known) >= _TELLING and name.startswith(known)):
            return known
    return ""


def _whole(name: str, value: str, usual: int) -> int:
    """The whole number that a command was given, `usual` where it was given none.

    Raises:
        UsageError: it is no whole number.
    """
    try:
        return whole(value) if value else usual
    except ValueError:
        raise UsageError(f"'{short(value)}' is not a whole number", f"/{name} takes one, such as {usual}") from None


# Settings


def _setting(setting: Setting) -> Command:
    """A command that sets, and without a value tells."""

    def run(session: Session, value: str) -> Iterator[Event]:
        if value:
            setting.set(session, value)
            yield Told(f"/{setting.name}: {setting.told(session)}")
        else:
            yield Told(f"/{setting.name} {setting.now(session)} · {setting.does}")

    return Command(setting.name, setting.takes, setting.does, run, setting.now, lambda session: setting.values)


def _set(session: Session, value: str) -> Iterator[Event]:
    name, *rest = value.split(maxsplit=1) or [""]
    names = [setting.name for setting in SETTINGS]
    if not name:
        yield Listed(tuple((setting.name, setting.now(session), setting.does) for setting in SETTINGS))
    elif name.removeprefix("/") not in names:
        near = nearest(name, names)
        yield Refused(f"there is no setting '{short(name)}'", f"did you mean {near}?" if near else "/set lists them")
    else:
        yield from _names[name.removeprefix("/")].run(session, rest[0] if rest else "")


# Replies


def _again(session: Session, _: str) -> Iterator[Event]:
    yield from session.again()


def _spread(session: Session, value: str) -> Iterator[Event]:
    temps, words = [], value.split()
    rest = value
    for word in words:
        try:
            temps.append(number(word))
        except ValueError:
            if looks_like_number(word):
                raise UsageError(f"'{short(word)}' is not a number", "temperatures are, such as 0.3 0.8") from None
            break
        rest = rest.lstrip()[len(word) :]
    yield from spread(session, temps or _TEMPERATURES, rest.lstrip())


def _best(session: Session, value: str) -> Iterator[Event]:
    first, *rest = value.split(maxsplit=1) or [""]
    if looks_like_number(first):
        yield from best(session, _whole("best", first, _CANDIDATES), rest[0] if rest else "")
    else:
        yield from best(session, _CANDIDATES, value)


def _peek(session: Session, value: str) -> Iterator[Event]:
    if looks_like_number(value):
        yield from peek(session, "", _whole("peek", value, LIKELIEST))
    else:
        yield from peek(session, value)


def _pick(session: Session, value: str) -> Iterator[Event]:
    number = _whole("pick", value, 1)
    yield from pick(session, number)


# Places


def _undo(session: Session, value: str) -> Iterator[Event]:
    session.undo(_whole("undo", value, 1))
    yield _stands(session)


def _rewind(session: Session, value: str) -> Iterator[Event]:
    if not value:
        raise UsageError("/rewind takes the number of a turn, or a branch", "/tree shows them; /undo goes one back")
    session.rewind(value)
    stands = _stands(session)
    if value not in session.tree.branches and len(session.tree.branches) > 1:
        stands = Told(f"{stands.text}; the branch {session.tree.branch} ends here now")
    yield stands


def _fork(session: Session, value: str) -> Iterator[Event]:
    before = session.tree.branch
    session.fork(value)
    yield Told(f"this is the branch {session.tree.branch} now; /rewind {before} goes back to where {before} ends")


def _reset(session: Session, _: str) -> Iterator[Event]:
    session.reset()
    yield Told("the next line begins anew; /tree shows what was said")


def _stands(session: Session) -> Told:
    """Where the session stands, in words."""
    last = session.last
    if last is None:
        return Told("this is the beginning again")
    return Told(f"back at turn {last.number}: {_exchange(last)}")


def _exchange(turn: Turn) -> str:
    """What was said in a turn, from both sides."""
    return f"{reminder(turn.line) or '…'} → {reminder(turn.reply)}"


def _tree(session: Session, _: str) -> Iterator[Event]:
    tree = session.tree
    if not tree.turns and len(tree.branches) == 1:
        yield Told("nothing was said so far")
        return
    kept = {turn.number for turn in session.turns}
    yield Branched(
        tuple(
            Branch(
                turn=turn,
                depth=depth,
                names=_ending(session, turn.number),
                now=turn.number == tree.now,
                kept=turn.number in kept,
            )
            for turn, depth in tree.rows()
        ),
        _ending(session, BEGINNING),
    )


def _ending(session: Session, number: int) -> tuple[str, ...]:
    """The branches that end at a turn."""
    return tuple(name for name, end in session.tree.branches.items() if end == number)


def _history(session: Session, _: str) -> Iterator[Event]:
    if not session.turns:
        yield Told("nothing was said so far")
        return
    rows = []
    for turn in session.turns:
        rows.append(("you", f"turn {turn.number}", short(turn.line) or "(let it go on)"))
        rows.append((session.model, "picked" if turn.picked else f"seed {turn.seed}", short(turn.reply)))
    yield Recounted(tuple(rows), tuple(session.turns))


def _places(session: Session) -> list[str]:
    """What `/rewind` takes: branches, then turns, the latest first."""
    return [*session.tree.branches, *(str(turn.number) for turn in reversed(session.turns)), "0"]


# Sessions and models


def _save(session: Session, name: str) -> Iterator[Event]:
    if name:
        session.save(name)
    log = session.log
    if log is None:
        why = f" any more: {session.why_not_kept}" if session.why_not_kept else ""
        yield Told(f"this session is not kept{why}" + ("; /save NAME keeps it" if session.archive is not None else ""))
    elif log.path is None or not log.path.exists():
        yield Told(f"it will be kept {f'as {log.name}' if log.name else 'by itself'}, from the first turn on")
    else:
        yield Told(f"kept as {log.name}, with every turn: {log.path}")


def _load(session: Session, name: str) -> Iterator[Event]:
    if name:
        left_out = session.load(name)
        yield Told(f"{introduction(session)} /history shows what was said.")
        if left_out:
            yield Told(misunderstood(left_out))
        return
    briefs = list(session.archive.briefs(REMINDED + 1)) if session.archive is not None else []
    if briefs:
        here = _name_kept(session)
        times = ("now" if brief.name == here else _when(brief.modified) for brief in briefs)
        texts = (f"{brief.model}: {reminder(brief.first)}" for brief in briefs)
        yield Listed(tuple(zip((brief.name for brief in briefs), times, texts, strict=True)))
    yield Told("/load NAME takes one up" if briefs else "there is no session to take up yet")


def _name_kept(session: Session) -> str:
    """The name of the file that this session is kept in, nothing where it is in none."""
    return (session.log.name or "") if session.log is not None else ""


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%d %b %H:%M}"


def _model(session: Session, name: str) -> Iterator[Event]:
    if not name:
        yield Listed(tuple((known, "now" if known == session.model else "", "") for known in session.models()))
        yield Told(f"this is {session.model}; /model NAME takes another")
        return
    before, spoke = _name_kept(session), bool(session.tree.turns)
    session.switch(name)
    yield Told(introduction(session) + (" It has heard what was said so far." if session.turns else ""))
    if spoke and not session.tree.turns:
        back = f"; /load {before} goes back to the one before" if before else ""
        yield Told(f"it is of another kind, so this is a new session{back}")


def _cmd(session: Session, _: str) -> Iterator[Event]:
    last: Turn | None = session.last
    if last is None:
        raise UsageError("there is no reply to give again", "say something first")
    yield Copyable(sample_line(session, last), flat_line(session, last))
    if doubt := session.doubt(last):
        yield Told(f"it may give another reply: {doubt}")


def _help(session: Session, name: str) -> Iterator[Event]:
    if name:
        yield from _explain(session, name.removeprefix("/"))
        return
    commands = [
        (group, command.usage, command.does)
        for group, names in _GROUPS
        for command in map(_names.get, names)
        if command is not None
    ]
    yield Helped(tuple(commands), tuple(f"/{setting.name} {setting.now(session)}" for setting in SETTINGS))
    yield Told("/help NAME explains one, /set lists settings; Ctrl-C stops, /quit leaves")


def _explain(session: Session, name: str) -> Iterator[Event]:
    command = _names.get(name)
    if command is None:
        raise UsageError(f"there is no command /{short(name)}", f"{_nearest(name)}/help lists them")
    yield Listed(((command.usage, command.now(session), command.does),))
    if command.name in EXPLAINED:
        text, example = EXPLAINED[command.name]
        yield Told(text)
        yield Told(f"for example: {example}")


def _quit(session: Session, _: str) -> Iterator[Event]:
    yield Left()


COMMANDS: tuple[Command, ...] = (
    Command("regen", "", "draw the last reply again, with the next seed", _again),
    Command(
        "spread",
        "[T…] [TEXT]",
        "one seed at several temperatures, side by side",
        _spread,
        values=lambda session: ("0.3 0.8 1.2", "0.5 1", "0.2 0.4 0.6 0.8 1 1.2"),
    ),
    Command(
        "best",
        "[N] [TEXT]",
        "N replies, the best first",
        _best,
        values=lambda session: ("5", "10", "20"),
    ),
    Command("peek", "[N | TEXT]", "the likeliest next tokens", _peek),
    Command(
        "pick",
        "[N]",
        "take the N-th of what these offered",
        _pick,
        values=lambda session: [str(number) for number in range(1, len(session.offers) + 1)],
    ),
    Command("undo", "[N]", "take back the last turn, or the last N", _undo),
    Command("rewind", "N | BRANCH", "go to turn N (0: the beginning), or a branch", _rewind, values=_places),
    Command("fork", "[NAME]", "begin a branch here; the other stays as it is", _fork),
    Command("tree", "", "every turn, with its branches", _tree),
    Command("history", "", "what led here", _history),
    Command("reset", "", "begin anew", _reset, aliases=("clear",)),
    Command("score", "[TEXT]", "how surprising TEXT is, or the last reply was", score),
    Command("gates", "[TEXT]", "what it keeps in mind at TEXT, or the reply", gates),
    Command("cmd", "", "the gru sample line for the last reply", _cmd),
    *map(_setting, SETTINGS),
    Command(
        "set",
        "[NAME [VALUE]]",
        "any of the settings by its name; alone, all of them",
        _set,
        values=lambda session: [setting.name for setting in SETTINGS],
    ),
    Command(
        "model",
        "[NAME]",
        "talk with another model",
        _model,
        now=lambda session: session.model,
        values=lambda session: session.models(),
    ),
    Command(
        "save",
        "[NAME]",
        "give this session a name, and keep it for good",
        _save,
        now=_name_kept,
    ),
    Command(
        "load",
        "[NAME]",
        "take up another session; alone, list them",
        _load,
        values=lambda session: session.archive.names() if session.archive is not None else (),
    ),
    Command(
        "help",
        "[NAME]",
        "this list, or all about one command",
        _help,
        values=lambda session: [command.name for command in COMMANDS],
        aliases=("?",),
    ),
    Command("quit", "", "leave", _quit, aliases=("exit", "bye", "q")),
)

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("replies", ("regen", "spread", "best", "peek", "pick")),
    ("places", ("undo", "rewind", "fork", "tree", "history", "reset")),
    ("looking", ("score", "gates", "cmd")),
    ("sessions", ("model", "save", "load")),
)
"""What /help lists; what it says at its end names the others."""

_names: dict[str, Command] = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
