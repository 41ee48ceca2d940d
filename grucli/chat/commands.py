r"""What the user can type: a message for the model, or a command, which begins with `/`.

`COMMANDS` describes every command in one row. To add one, write a function and a row; to show a new kind of result, add
an event and how `grucli.ui.chat` prints it. A message that begins with `/` is typed with two; `/r/python` and the like
are never commands. In a message and in the text of a command, \n is a newline, \t a tab and \\ a backslash.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from grucli.chat.candidates import DEFAULT_PEEK, best, peek, pick, spread
from grucli.chat.chat_settings import OFF, SETTINGS, ChatSetting, chat_name, truncate
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
from grucli.chat.inspection import gate_choices, gates, score_text
from grucli.chat.sample_command import sample_command
from grucli.chat.session import PRIVATE_MESSAGE, Session
from grucli.chat.turns import PREVIEW_CHARS, ROOT, Turn, preview
from grucli.errors import GruError, UsageError, pluralize
from grucli.generation.phrases import unescape_text
from grucli.number_parsing import looks_numeric, parse_float, parse_int

_DEFAULT_TEMPERATURES = (0.3, 0.8, 1.2)
_DEFAULT_CANDIDATES = 5
_SIMILARITY_CUTOFF = 0.65  # of `difflib.get_close_matches`
_MIN_PREFIX_LETTERS = 3

_SWITCH = ("on", "off")
_NO_TURNS = Message("there are no turns yet")


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One command.

    `metavar` is what it takes, empty for nothing, and `run` gets what was typed there. /help lists the command under
    `group`, if it has one, with `help_text`; /help NAME adds `details` and `example`. `current` returns the current
    value, `values` what Tab offers. `aliases` work but are not listed.
    """

    name: str
    metavar: str
    group: str
    help_text: str
    run: Callable[[Session, str], Iterator[ChatEvent]]
    details: str = ""
    example: str = ""
    current: Callable[[Session], str] = lambda session: ""
    values: Callable[[Session], Sequence[str]] = lambda session: ()
    aliases: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """What is typed."""
        return f"/{self.name} {self.metavar}".rstrip()


@dataclass(frozen=True, slots=True)
class Completion:
    """A way to complete a line: `text` replaces the line from `start` on."""

    text: str
    start: int
    description: str


def handle_line(session: Session, line: str, *, commands: bool = True) -> Iterator[ChatEvent]:
    """Run a line that the user typed. Errors are events: they never end a session.

    Without `commands` every line is a new message, also one that begins with `/` and an empty one.
    """
    try:
        yield from session.reload_model()
        if not commands:
            yield from session.send(unescape_text(line), may_continue=False)
        elif is_command(line):
            yield from _run_command(session, line)
        else:
            yield from session.send(unescape_text(line.removeprefix("/") if line.startswith("//") else line))
    except GruError as error:
        yield CommandError(*error.spell(chat_name))
    except MemoryError:
        yield CommandError("not enough memory", "use a shorter line or a smaller model")
    except OSError as error:
        yield CommandError(f"system error: {error.strerror or error}", "try again, or use another model")
    yield from session.pop_notices()


def is_command(line: str) -> bool:
    """Return True if the first word of `line` begins with `/` and has no other one."""
    first = line.split(maxsplit=1)[0] if line.strip() else ""
    return line.startswith("/") and "/" not in first[1:]


def complete(session: Session, line: str) -> Iterator[Completion]:
    """Yield the completions of the line up to the cursor: command names, then their values."""
    if not is_command(line) or "\n" in line:
        return
    name, space, value = line[1:].partition(" ")
    if not space:
        for command in COMMANDS:
            if command.name.startswith(name):
                yield Completion(f"/{command.name}", 0, command.help_text)
        return
    setting, space, rest = value.lstrip().partition(" ")
    if name == "set" and space and setting in _by_name:
        name, value = setting, rest
    matched = _by_name.get(name)
    value = value.lstrip()
    if matched is not None:
        for choice in matched.values(session):
            if choice.startswith(value):
                yield Completion(choice, len(line) - len(value), _completion_description(session, matched, choice))


def _completion_description(session: Session, command: SlashCommand, choice: str) -> str:
    if choice == command.current(session):
        return "now"
    if command.name in ("set", "help"):
        return _by_name[choice].help_text
    if command.name == "rewind":
        branches = session.tree.branches
        turn = session.tree.turns.get(branches[choice] if choice in branches else int(choice))
        return "the beginning" if turn is None else _turn_summary(turn)
    return ""


def greeting(session: Session) -> str:
    """Return a sentence about how to use the model."""
    if session.model.conversations:
        return f"{session.model_name} takes turns. Type a message and it replies."
    return f"{session.model_name} continues your text. Press Enter to let it keep writing."


def _run_command(session: Session, line: str) -> Iterator[ChatEvent]:
    name, *rest = line.strip()[1:].split(maxsplit=1)[:2] or [""]
    value = rest[0] if rest else ""
    command = _by_name.get(name)
    if command is None:
        hint = f"{_did_you_mean(name)}/help lists them; type // to start a message with /"
        yield CommandError(f"there is no command /{truncate(name)}", hint)
    elif value and not command.metavar:
        yield CommandError(f"/{name} takes no value", f"type /{name} alone")
    else:
        yield from command.run(session, value)


def _did_you_mean(name: str) -> str:
    match = closest_match(name, list(_by_name))
    return f"did you mean /{match}? " if match else ""


def closest_match(name: str, names: Sequence[str]) -> str:
    """Return the name that a misspelled, abbreviated or extended `name` stands for, empty if there is none."""
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
    try:
        return parse_int(value) if value else default
    except ValueError:
        hint = f"/{name} takes one, such as {default}"
        raise UsageError(f"'{truncate(value)}' is not a whole number", hint) from None


def _split_first(value: str) -> tuple[str, str]:
    first, *rest = value.split(maxsplit=1) or [""]
    return first, rest[0] if rest else ""


# Settings


def _setting_command(setting: ChatSetting) -> SlashCommand:

    def run(session: Session, value: str) -> Iterator[ChatEvent]:
        if value:
            setting.set(session, value)
            yield Message(f"/{setting.name}: {setting.confirmation(session)}")
        else:
            yield Message(f"/{setting.name} {setting.current(session)} · {setting.help_text}")

    option = setting.option
    return SlashCommand(
        setting.name, setting.metavar, "", setting.help_text, run,
        option.chat_details, f"/{setting.name} {option.chat_example}" if option.chat_example else "",
        current=setting.current, values=setting.completions,
    )  # fmt: skip


def _set(session: Session, value: str) -> Iterator[ChatEvent]:
    name, new_value = _split_first(value)
    names = [setting.name for setting in SETTINGS]
    if not name:
        yield Listing(tuple((setting.name, setting.current(session), setting.help_text) for setting in SETTINGS))
    elif name.removeprefix("/") not in names:
        match = closest_match(name, names)
        hint = f"did you mean {match}?" if match else "/set lists them"
        yield CommandError(f"there is no setting '{truncate(name)}'", hint)
    else:
        yield from _by_name[name.removeprefix("/")].run(session, new_value)


# Replies


def _regenerate(session: Session, _: str) -> Iterator[ChatEvent]:
    yield from session.regenerate()


def _spread(session: Session, value: str) -> Iterator[ChatEvent]:
    temps, rest = [], value
    for word in value.split():
        try:
            temps.append(parse_float(word))
        except ValueError:
            if looks_numeric(word):
                raise UsageError(f"'{truncate(word)}' is not a number", "use temperatures such as 0.3 0.8") from None
            break
        rest = rest.lstrip()[len(word) :]
    yield from spread(session, temps or _DEFAULT_TEMPERATURES, unescape_text(rest.lstrip()))


def _best(session: Session, value: str) -> Iterator[ChatEvent]:
    first, rest = _split_first(value)
    if looks_numeric(first):
        yield from best(session, _parse_count("best", first, _DEFAULT_CANDIDATES), unescape_text(rest))
    else:
        yield from best(session, _DEFAULT_CANDIDATES, unescape_text(value))


def _peek(session: Session, value: str) -> Iterator[ChatEvent]:
    if looks_numeric(value):
        yield from peek(session, "", _parse_count("peek", value, DEFAULT_PEEK))
    else:
        yield from peek(session, unescape_text(value))


def _pick(session: Session, value: str) -> Iterator[ChatEvent]:
    yield from pick(session, _parse_count("pick", value, 1))


# History


def _undo(session: Session, value: str) -> Iterator[ChatEvent]:
    session.undo(_parse_count("undo", value, 1))
    yield _position_message(session)


def _rewind(session: Session, value: str) -> Iterator[ChatEvent]:
    if not value:
        raise UsageError("/rewind takes the number of a turn, or a branch", "use /tree to list them, or /undo")
    session.rewind(value)
    message = _position_message(session)
    if value not in session.tree.branches and len(session.tree.branches) > 1:
        message = Message(f"{message.text}; branch '{session.tree.branch}' ends here now")
    yield message


def _fork(session: Session, value: str) -> Iterator[ChatEvent]:
    previous = session.tree.branch
    session.fork(value)
    yield Message(f"switched to new branch '{session.tree.branch}' (use /rewind {previous} to go back)")


def _reset(session: Session, _: str) -> Iterator[ChatEvent]:
    session.reset()
    yield Message("conversation reset; /tree shows earlier turns")


def _position_message(session: Session) -> Message:
    last = session.last
    if last is None:
        return Message("back at the beginning")
    return Message(f"back at turn {last.number}: {_turn_summary(last)}")


def _turn_summary(turn: Turn) -> str:
    return f"{preview(turn.line) or '…'} → {preview(turn.reply)}"


def _tree(session: Session, _: str) -> Iterator[ChatEvent]:
    tree = session.tree
    if not tree.turns and len(tree.branches) == 1:
        yield _NO_TURNS
        return
    on_path = {turn.number for turn in session.turns}
    ends: dict[int, tuple[str, ...]] = {}
    for name, end in tree.branches.items():
        ends[end] = (*ends.get(end, ()), name)
    rows = (
        TreeRow(turn, depth, ends.get(turn.number, ()), turn.number == tree.head, turn.number in on_path)
        for turn, depth in tree.rows()
    )
    yield TurnTreeView(tuple(rows), ends.get(ROOT, ()))


def _history(session: Session, _: str) -> Iterator[ChatEvent]:
    if not session.turns:
        yield _NO_TURNS
        return
    rows = []
    for turn in session.turns:
        rows.append(("you", f"turn {turn.number}", truncate(turn.line) or "(continue)"))
        rows.append((session.model_name, "picked" if turn.picked else f"seed {turn.seed}", truncate(turn.reply)))
    yield History(tuple(rows), tuple(session.turns))


def _rewind_targets(session: Session) -> list[str]:
    return [*session.tree.branches, *(str(turn.number) for turn in reversed(session.turns)), "0"]


# Sessions and models


def _save(session: Session, name: str) -> Iterator[ChatEvent]:
    if name:
        session.save(name)
    log = session.log
    if session.store is None:
        yield Message(PRIVATE_MESSAGE)
    elif log is None:
        reason = f": {session.save_error}" if session.save_error else ""
        yield Message(f"autosave is off{reason} (use /save NAME)")
    elif log.path is None or not log.path.exists():
        yield Message(f"will be saved{f' as {log.name}' if log.name else ''} from the first turn")
    else:
        yield Message(f"saved as {log.name} after every turn: {log.path}")


def _learn(session: Session, value: str) -> Iterator[ChatEvent]:
    if value not in ("", *_SWITCH):
        raise UsageError(f"'{truncate(value)}' is not on or off", "use /learn on or /learn off")
    if value:
        session.set_learning(value == "on")
    if session.learner.mode.on:
        num_turns = sum(1 for _ in session.learner.included(session.tree, session.tree.head))
        from_turns = f" from {pluralize(num_turns, 'turn')} so far" if num_turns else ""
        yield Message(f"learning{from_turns}; /keep NAME saves it as a model, /forget drops it")
    else:
        yield Message(
            f"not learning: replies come from {session.model_name} as it is on disk; /learn on begins to learn"
        )


def _learning_switch(session: Session) -> str:
    return "on" if session.learner.mode.on else "off"


def _keep(session: Session, name: str) -> Iterator[ChatEvent]:
    if not name:
        raise UsageError("/keep takes the name of a new model", "choose a name that is not in use, such as /keep mine")
    previous = session.model_name
    session.keep(name)
    yield Message(
        f"saved what was learned as model {name}, which may repeat what was said here; this chat uses it now, and "
        f"{previous} is unchanged"
    )


def _forget(session: Session, _: str) -> Iterator[ChatEvent]:
    session.forget()
    if session.learner.mode.on:
        yield Message(
            f"forgot what was learned: {session.model_name} is as it is on disk; /learn off stops learning as well"
        )
    else:
        yield Message("/learn on will learn from the next turns only")


def _delete(session: Session, _: str) -> Iterator[ChatEvent]:
    name, was_private = _saved_name(session), session.store is None
    session.delete()
    if was_private:
        yield Message(PRIVATE_MESSAGE)
    else:
        deleted = f"deleted session {name} and its lines in the history; " if name else ""
        yield Message(f"{deleted}this chat is private now and keeps nothing")


def _load(session: Session, name: str) -> Iterator[ChatEvent]:
    if name:
        problem = session.load(name)
        yield Message(f"{greeting(session)} /history shows the turns so far.")
        if problem:
            yield Message(problem)
        return
    listed = session.store.list_info(PREVIEW_CHARS + 1) if session.store is not None else ()
    infos = [info for info in listed if not info.problem]
    if infos:
        current = _saved_name(session)
        rows = (
            (
                info.name,
                "now" if info.name == current else f"{datetime.fromtimestamp(info.modified):%d %b %H:%M}",
                f"{info.model}: {preview(info.first_line)}",
            )
            for info in infos
        )
        yield Listing(tuple(rows))
    yield Message("use /load NAME to resume one" if infos else "there are no saved sessions")


def _saved_name(session: Session) -> str:
    return (session.log.name or "") if session.log is not None else ""


def _model(session: Session, name: str) -> Iterator[ChatEvent]:
    if not name:
        yield Listing(tuple((known, "now" if known == session.model_name else "", "") for known in session.models()))
        yield Message(f"the model is {session.model_name}; use /model NAME to change it")
        return
    saved_name, had_turns = _saved_name(session), bool(session.tree.turns)
    session.switch(name)
    yield Message(greeting(session) + (" It has read the turns so far." if session.turns else ""))
    if had_turns and not session.tree.turns:
        back = f" (use /load {saved_name} to go back)" if saved_name else ""
        yield Message(f"started a new session: this model has a different type{back}")


def _score(session: Session, value: str) -> Iterator[ChatEvent]:
    yield from score_text(session, unescape_text(value))


def _gates(session: Session, value: str) -> Iterator[ChatEvent]:
    yield from gates(session, unescape_text(value))


def _sample_command(session: Session, _: str) -> Iterator[ChatEvent]:
    last: Turn | None = session.last
    if last is None:
        raise UsageError("there is no reply yet", "send a message first")
    yield SampleCommand(sample_command(session, last))
    if warning := session.reproducibility_warning(last):
        yield Message(f"it may give another reply: {warning}")


def _help(session: Session, name: str) -> Iterator[ChatEvent]:
    if name:
        yield from _help_for(session, name.removeprefix("/"))
        return
    commands = tuple((command.group, command.usage, command.help_text) for command in COMMANDS if command.group)
    # Without the word off, so that the list fits on a screen.
    settings = (f"/{setting.name} {setting.current(session)}".removesuffix(f" {OFF}") for setting in SETTINGS)
    yield Help(commands, tuple(settings))
    yield Message("/help NAME explains one, /set lists settings; Ctrl-C stops, /quit leaves")


def _help_for(session: Session, name: str) -> Iterator[ChatEvent]:
    command = _by_name.get(name)
    if command is None:
        raise UsageError(f"there is no command /{truncate(name)}", f"{_did_you_mean(name)}/help lists them")
    yield Listing(((command.usage, command.current(session), command.help_text),))
    if command.details:
        yield Message(command.details)
    if command.example:
        yield Message(f"for example: {command.example}")


def _quit(session: Session, _: str) -> Iterator[ChatEvent]:
    yield Quit()


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand(
        "regen", "", "replies", "generate the last reply again with a new seed", _regenerate,
        "The earlier reply stays in /tree; /rewind goes back to it.", "/regen", aliases=("retry",),
    ),
    SlashCommand(
        "spread", "[T…] [TEXT]", "replies", "one seed at several temperatures, side by side", _spread,
        "Numbers are temperatures, up to six; words after them are your message. Without words it replaces the last "
        "reply. Nothing becomes a turn until /pick.",
        "/spread 0.3 0.8 1.2 How are you?",
        values=lambda session: ("0.3 0.8 1.2", "0.5 1", "0.2 0.4 0.6 0.8 1 1.2"),
    ),
    SlashCommand(
        "best", "[N] [TEXT]", "replies", "N replies, the best first", _best,
        "Each candidate has its own seed and two figures. bits/char is the surprisal of the reply with its end. score "
        "is half the bits/char that its text has without your last line, minus those it has here: a high score is "
        "a reply that fits this line, while one that fits any line ranks low.",
        "/best 10 What do you think?",
        values=lambda session: ("5", "10", "20"),
    ),
    SlashCommand(
        "peek", "[N | TEXT]", "replies", "the likeliest next tokens", _peek,
        "A number alone is how many rows, 10 by default. Percentages are the probabilities of the next token with the "
        "current settings. After /pick, press Enter to continue from there.",
        "/peek 20",
    ),
    SlashCommand(
        "pick", "[N]", "replies", "choose candidate N of /spread, /best or /peek", _pick,
        "The candidates remain until the next message.", "/pick 2",
        values=lambda session: [str(number) for number in range(1, len(session.candidates) + 1)],
    ),
    SlashCommand(
        "undo", "[N]", "history", "go back one turn, or N turns", _undo,
        "The turns stay in /tree, and /rewind goes there again.", "/undo 2",
    ),
    SlashCommand(
        "rewind", "N | BRANCH", "history", "go to turn N (0: the beginning), or a branch", _rewind,
        "A number moves the current branch there; the name of a branch switches to its end.", "/rewind main",
        values=_rewind_targets,
    ),
    SlashCommand(
        "fork", "[NAME]", "history", "start a branch here; the other is not changed", _fork,
        "The next turns belong to the new branch. Without NAME it gets one.", "/fork kinder",
    ),
    SlashCommand(
        "tree", "", "history", "all turns, with their branches", _tree,
        "Numbers are what /rewind takes; names are branches, at the turn where they end.", "/tree",
    ),
    SlashCommand("history", "", "history", "the turns so far", _history),
    SlashCommand("reset", "", "history", "start over", _reset, aliases=("clear",)),
    SlashCommand(
        "score", "[TEXT]", "inspection", "how surprising TEXT is, or the last reply", _score,
        "Bits are at temperature 1, per piece of text. The end of a reply does not count, so the figure may differ "
        "from the one below the reply.",
        "/score I had a lovely weekend.",
    ),
    SlashCommand(
        "gates", "[L:G] [TEXT]", "inspection", "a gate at each piece of TEXT", _gates,
        "The mean of gate G over all units of layer L, counted from 1. G may be left out after L:, which is the first "
        "gate, and L before :G, which is the mean of all layers. Tab lists them. The result says what the values mean.",
        "/gates 1:reset I had a lovely weekend.",
        values=gate_choices,
    ),
    SlashCommand(
        "cmd", "", "inspection", "the gru sample command for the last reply", _sample_command,
        "A command for your shell with the same model, texts, settings and seed, and so the same reply. It warns where "
        "that is not certain, as after the model has changed.",
        "/cmd",
    ),
    *map(_setting_command, SETTINGS),
    SlashCommand(
        "set", "[NAME [VALUE]]", "", "change a setting; alone, list all settings", _set,
        "The same as the command of that name: /set temp 0.3 is /temp 0.3. The value off disables those that can be.",
        "/set temp 0.3",
        values=lambda session: [setting.name for setting in SETTINGS],
    ),
    SlashCommand(
        "model", "[NAME]", "sessions", "change the model; alone, list all models", _model,
        "A model of the same type reads the turns so far; any other starts a new session.", "/model demo",
        current=lambda session: session.model_name, values=lambda session: session.models(),
    ),
    SlashCommand(
        "save", "[NAME]", "sessions", "name this session, to keep it; see /delete", _save,
        "Of the unnamed sessions only the last hundred are kept. /delete deletes the session.", "/save holidays",
        current=_saved_name,
    ),
    SlashCommand(
        "load", "[NAME]", "sessions", "resume a session; alone, list all sessions", _load,
        "It continues at its last turn, with its model and settings.", "/load holidays",
        values=lambda session: session.store.names() if session.store is not None else (),
    ),
    SlashCommand(
        "delete", "", "", "delete this session, keep nothing from now on", _delete,
        "Deletes its file and its lines in the history of typed lines. The chat continues until you leave.", "/delete",
    ),
    SlashCommand(
        "learn", "[on | off]", "learning", "learn from the turns of this chat", _learn,
        "After each turn the model learns from your line and its reply. What it learned follows the turns: /undo and "
        "/rewind go back to what it knew there. The model on disk does not change. /keep NAME saves what was "
        "learned as a new model, /forget drops it. /learn off uses the model as it is on disk; /learn on learns from "
        "the turns so far again.",
        "/learn on", current=_learning_switch, values=lambda session: _SWITCH,
    ),
    SlashCommand(
        "keep", "NAME", "learning", "save what was learned as a new model", _keep,
        "The chat continues with the new model. The one it was made from does not change.", "/keep mine",
    ),
    SlashCommand(
        "forget", "", "learning", "drop what was learned from the turns so far", _forget,
        "The turns stay. If the chat learns, it continues with the next turn. /delete deletes the session.", "/forget",
    ),
    SlashCommand(
        "help", "[NAME]", "", "list commands, or explain one", _help,
        values=lambda session: [command.name for command in COMMANDS], aliases=("?",),
    ),
    SlashCommand("quit", "", "", "leave", _quit, aliases=("exit", "bye", "q")),
)  # fmt: skip

_by_name = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
