"""A session: one model, the tree of turns so far, how replies are drawn.

With a model of conversations the user's line is a turn and the reply the next one, the whole dialogue in the state.
With any other each line is the beginning of a new text, which the model continues. An empty line after a reply that
was cut short lets the model go on.
"""

import dataclasses
import os
import re
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from grucli.chat.events import Began, Ended, Event, Misread, Refused, Said, Told
from grucli.chat.pace import checked_pace
from grucli.chat.session_records import Entry, ModelEntry, PlaceEntry, SessionEntry, tree_entries, turn_entry
from grucli.chat.session_store import Archive, Log
from grucli.chat.state_cache import Memory
from grucli.chat.turn_tree import Tree
from grucli.chat.turns import BEGINNING, Origin, Place, Turn, Utterance, Voice, legible
from grucli.chat.unknown_symbols import unknown_parts
from grucli.errors import GruError, UsageError
from grucli.generation.sampler import Draw, Sample, State

SEED_LIMIT = 1 << 63
SEEDS = 10_000  # a session without a seed begins at one that can be remembered and typed

_branch_name = re.compile(r"(?!\d+$)\w[\w.-]{0,63}")


class Shelf(Protocol):
    """Where other models can be had."""

    def names(self) -> Sequence[str]:
        """Name the models there are."""

    def open(self, name: str | None) -> tuple[str, Voice]:
        """Give a model and the name it goes by; None means the newest."""

    def to_come(self, name: str) -> bool:
        """Whether a model is being trained that has no checkpoint yet."""

    def newer(self, name: str) -> tuple[Voice, str] | None:
        """Give a model that was opened before once more, and what is new, if its file has changed since."""

    def sha256(self, name: str) -> str:
        """Give what the parameters of a model are known by now; nothing where there is none that can be read."""


class Session:
    """A dialogue with a model. Its methods that answer are generators of events; `stop` ends a reply from outside.

    `tree` has the turns, `memory` what the model has in mind at each of them, `offers` the replies that `/pick` can
    take, `begun_with` how replies were drawn at first, `log` the file it is kept in, and `why_not_kept` what the
    system said when it refused that. Used in a `with` block, it leaves its file to others at the end.
    """

    def __init__(
        self,
        shelf: Shelf,
        model: str | None,
        draw: Draw,
        pace: float,
        *,
        scene: str = "",
        archive: Archive | None = None,
        keep: bool = True,
        follow: bool = False,
    ) -> None:
        """Open `model` from the shelf, to draw as `draw` says; `pace` is in characters a second, 0 for no pace.

        `scene` is the text before everything that is said, `archive` where sessions are kept, `keep` whether
        this one is from the first turn on or only once it has a name, and `follow` takes up the model anew whenever its
        file changes.

        Raises:
            UsageError: there is no such model, or the pace is not a number from 0 up.
            ModelFileError: its file is damaged.
        """
        self.draw = self.begun_with = draw
        self.pace = 0.0
        self.keep_pace(pace)
        self.follow = follow
        self.scene = legible(scene)
        self.archive = archive
        self.tree = Tree()
        self.offers: list[Turn] = []
        self.stopping = False
        self.log = archive.begin() if archive is not None and keep else None
        self.why_not_kept = ""
        self._shelf = shelf
        self._remarks: list[Told | Refused] = []
        self.model, self.voice = shelf.open(model)
        self.address = _address(model, self.model)
        self.memory = Memory(self.voice, self.scene)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.log is not None:
            self.log.close()

    def stop(self) -> None:
        """Stop reading or replying after the piece at hand. Does nothing but take note: safe in a signal handler."""
        self.stopping = True

    @property
    def turns(self) -> list[Turn]:
        """The turns on the way here, the oldest first."""
        return self.tree.path

    @property
    def last(self) -> Turn | None:
        """The latest turn."""
        return self.tree.last

    @property
    def can_go_on(self) -> bool:
        """Whether an empty line has a meaning: the last reply was cut, or the model writes without being asked."""
        return not self.voice.conversations or (self.last is not None and self.last.cut)

    # Replies

    def say(self, line: str) -> Iterator[Event]:
        """Hear what the user says and reply to it."""
        place = self.going_on() if not line else None
        yield from self._reply(place or self.place(line), heard_before=place is not None)

    def again(self) -> Iterator[Event]:
        """Draw the last reply again, where it was drawn, with the next seed; the tree keeps the one before too.

        Raises:
            UsageError: nothing was said so far.
        """
        if self.last is None:
            raise UsageError("there is no reply to draw again", "say something first")
        yield from self._reply(self.last.place, heard_before=True)

    def place(self, line: str) -> Place:
        """Where the reply to a new `line` is drawn."""
        line = legible(line)
        return Place(self.tree.now, line, self.memory.lead(line))

    def going_on(self) -> Place | None:
        """Where the last reply goes on, if it was cut short."""
        last = self.last
        return Place(last.number, "", last.whole, goes_on=True) if last is not None and last.cut else None

    def ready(self, place: Place, heard_before: bool) -> Generator[Event, None, State | None]:
        """Have the model read all that was said up to `place`; None where that was stopped."""
        self.stopping = False
        state = yield from self.memory.before_reply(self.tree, place, lambda: self.stopping)
        if state is None:
            yield Told("stopped: none of this line was heard")
        elif not heard_before and (unknown := unknown_parts(self.voice.tokenizer, place.line)):
            yield Misread(len(unknown), tuple(dict.fromkeys(unknown)))
        return state

    def _reply(self, place: Place, heard_before: bool) -> Iterator[Event]:
        state = yield from self.ready(place, heard_before)
        if state is None:
            return
        utterance = self.voice.stream(state, self.draw)
        try:
            yield Began(place.lead, self.draw.seed, self.draw.max_chars)
            for piece in utterance:
                yield Said(piece.text, bits_per_char(utterance.sample))
                if self.stopping:
                    break
        finally:
            # Whoever listens may hang up at any moment: what was said until then is a turn all the same.
            turn = self.keep(spoken(place, self.draw, utterance))
            self.offers = []
            self.next_seed(1)
        yield Ended(turn)

    def keep(self, turn: Turn) -> Turn:
        """Make a reply the latest turn, and give it with its number."""
        origin = Origin(self.address, self.voice.sha256, self.memory.digest(self.tree, turn.place))
        turn = self.tree.add(dataclasses.replace(turn, origin=origin))
        self._note(turn_entry(turn))
        return turn

    def next_seed(self, drawn: int) -> None:
        """Have the next reply drawn with a seed that was not used for the `drawn` before."""
        self.draw = dataclasses.replace(self.draw, seed=(self.draw.seed + drawn) % SEED_LIMIT)

    def keep_pace(self, pace: float) -> None:
        """Change the pace at which replies are shown.

        Raises:
            UsageError: not a finite number from 0 up.
        """
        self.pace = checked_pace(pace)

    # Places

    def reset(self) -> None:
        """Go to the beginning."""
        self._stand(BEGINNING)

    def undo(self, turns: int) -> None:
        """Go so many turns back.

        Raises:
            UsageError: there are not so many, or it is no way back.
        """
        path = self.turns
        if not path:
            raise UsageError("there is nothing to undo", "say something first")
        if not 1 <= turns <= len(path):
            most = f"a number from 1 to {len(path)}" if len(path) > 1 else "1, as there is one turn"
            raise UsageError(f"/undo is {turns}", f"/undo takes {most}")
        before = path[-turns].parent
        if before not in self.tree.turns and before != BEGINNING:
            raise UsageError("what was said before that is forgotten", "/reset goes to the beginning")
        self._stand(before)

    def rewind(self, where: str) -> None:
        """Go to a turn by its number, 0 for the beginning, or to the end of a branch by its name.

        Raises:
            UsageError: there is no such turn or branch.
        """
        try:
            if where in self.tree.branches:
                self.tree.take(where)
            else:
                self.tree.go(int(where))
        except (KeyError, ValueError):
            raise UsageError(f"there is no turn or branch '{where[:64]}'", "/tree shows all there are") from None
        self._stand(self.tree.now)

    def fork(self, branch: str) -> None:
        """Begin a branch here; the one before stays where it is. Without a name it gets one.

        Raises:
            UsageError: there is a branch of this name, or it cannot be one.
        """
        if branch in self.tree.branches:
            raise UsageError(f"there is already a branch '{branch}'", f"/rewind {branch} goes there")
        if branch and not _branch_name.fullmatch(branch):
            raise UsageError(f"'{branch[:64]}' cannot be the name of a branch", "use letters, digits, '.', '_' and '-'")
        self.tree.fork(branch or self.tree.fresh_name())
        self._stand(self.tree.now)

    def _stand(self, number: int) -> None:
        self.tree.go(number)
        self.offers = []
        if self.tree.turns:
            self._note(PlaceEntry(number, self.tree.branch))

    # Models

    def doubt(self, turn: Turn) -> str:
        """Why nobody can be sure that the same texts, model and rules give `turn` again; nothing where one can."""
        origin = turn.origin
        if not (origin.model and origin.sha256 and origin.texts):
            return "it was not noted what this was drawn from"
        if origin.texts != self.memory.digest(self.tree, turn.place):
            return "what this answered is not what stands before it now"
        now = self._shelf.sha256(origin.model)
        if now != origin.sha256:
            return f"{origin.model} has changed since" if now else f"{origin.model} cannot be read any more"
        if self.begun_with.stop and not turn.draw.stop:
            return "where settings have a stop, it holds there too"
        return ""

    def models(self) -> Sequence[str]:
        """Name the models that `switch` can take."""
        return self._shelf.names()

    def switch(self, model: str) -> None:
        """Go on with another model, which reads what was said so far; one of another kind begins a new session.

        Raises:
            UsageError: there is no such model. ModelFileError: its file is damaged. Either leaves all as it was.
        """
        title, voice = self._shelf.open(model)
        if voice.conversations == self.voice.conversations:
            self._talk_with(title, voice, _address(model, title))
            if self.tree.turns:
                self._note(ModelEntry(self.address))
        else:
            self._talk_with(title, voice, _address(model, title))
            self._begin_anew()

    def refresh(self) -> Iterator[Event]:
        """Take the model up anew if its file has changed and that is wished; it reads what was said so far."""
        found = self._shelf.newer(self.address) if self.follow else None
        if found is not None:
            voice, news = found
            same_kind = voice.conversations == self.voice.conversations
            self._talk_with(self.model, voice, self.address)
            if not same_kind:
                self._begin_anew()
            yield Told(f"{self.model} has learnt: {news}")

    def _talk_with(self, model: str, voice: Voice, address: str) -> None:
        self.model, self.voice, self.address = model, voice, address
        self.memory = Memory(voice, self.scene)
        self.offers = []

    # Files

    def save(self, name: str) -> None:
        """Give the session a name to be found by; it is kept for good then, all of it, even if it was not until now.

        Raises:
            UsageError: it cannot have this name. GruError: the file system refused; it is kept as it was, or not.
        """
        if self.archive is None:
            raise UsageError("no sessions are kept here", "begin another one: gru chat")
        log = self.log or self.archive.begin()
        try:
            log.rename(name)
            if self.log is None and self.tree.turns:
                log.add(PlaceEntry(self.tree.now, self.tree.branch), self._everything)
        except OSError as error:
            if self.log is None:
                log.close()
            raise GruError(
                f"this session cannot be kept: {error.strerror or error}",
                "make room, or see who may write there; then /save again",
            ) from None
        self.log, self.why_not_kept = log, ""

    def load(self, name: str, model: str | None = None, given: Mapping[str, Any] | None = None) -> int:
        """Take up a kept session where it was left, with its model unless another is named, and its way of drawing
        but for what is `given`. Gives the number of lines of its file that could not be understood.

        Raises:
            UsageError: there is no such session, or its model is gone or of another kind. BusyError: another process
                has it. ModelFileError: the model's file is damaged. OSError: the system refused. All is as it was then.
        """
        if self.archive is None:
            raise UsageError("no sessions are kept here", "begin another one: gru chat")
        if self.log is not None and name == self.log.name:
            raise UsageError(f"this is '{name}'", "/load takes up another session")
        kept = self.archive.read(name)
        wanted = kept.model if model is None else model
        title, voice = (self.model, self.voice) if wanted == self.address else self._shelf.open(wanted)
        if voice.conversations != kept.conversations:
            raise UsageError(f"'{name}' is no session with a model like {title}", f"its model is {kept.model}")
        draw = _going_on(kept.tree, self.draw, given or {})
        log = self.archive.go_on(name)
        self.draw, self.scene = draw, kept.scene
        self._talk_with(title, voice, _address(wanted, title))
        self._begin(kept.tree, log)
        return kept.left_out

    def _begin_anew(self) -> None:
        """Go on with nothing said yet, in a new file where this session has one."""
        keeps = self.archive is not None and self.log is not None
        self._begin(Tree(), self.archive.begin() if self.archive is not None and keeps else None)

    def _begin(self, tree: Tree, log: Log | None) -> None:
        """Go on with other turns, kept in another file."""
        if self.log is not None:
            self.log.close()
        self.tree, self.log = tree, log
        self.offers = []

    def remark(self, text: str) -> None:
        """Have something told with the next remarks."""
        self._remarks.append(Told(text))

    def remarks(self) -> Iterator[Told | Refused]:
        """Tell, once, what went wrong with keeping the session, or with taking it up.

        `hear` does so after each line; whoever draws a session does so before the first one.
        """
        remarks, self._remarks = self._remarks, []
        yield from remarks

    def _note(self, entry: Entry) -> None:
        """Write an entry. A full disk is no reason to end a dialogue: it is told, and no more is written."""
        if self.log is None:
            return
        try:
            self.log.add(entry, self._everything)
        except (OSError, GruError) as error:
            self.why_not_kept = why(error)
            self.log.close()
            self.log = None
            what = f"this session is not kept any more: {self.why_not_kept}"
            self._remarks.append(Refused(what, "it goes on all the same; /save NAME tries to keep it again"))

    def _everything(self) -> Iterator[Entry]:
        began = datetime.now().astimezone().isoformat(timespec="seconds")
        yield SessionEntry(self.address, self.voice.conversations, self.scene, began=began)
        yield from tree_entries(self.tree)


def why(error: GruError | OSError) -> str:
    """What went wrong, in a few words."""
    return error.what if isinstance(error, GruError) else error.strerror or str(error)


def misunderstood(lines: int) -> str:
    """What is told of a session of whose file so many lines were left out."""
    few = "1 line of its file could not be understood, and was" if lines == 1 else ""
    return f"{few or f'{lines:,} lines of its file could not be understood, and were'} left out"


def any_seed() -> int:
    """Choose a seed for a session that was given none."""
    return secrets.randbelow(SEEDS)


def spoken(place: Place, draw: Draw, utterance: Utterance) -> Turn:
    """What was said so far, as a turn."""
    said = utterance.sample
    return Turn(place, said.text, draw, said.stopped, bits_per_char(said), said.tokens)


def bits_per_char(said: Sample) -> float | None:
    """How surprising a reply is to the model, None where there is nothing to be surprised at."""
    return said.bits_per_char if said.text else None


def _going_on(tree: Tree, draw: Draw, given: Mapping[str, Any]) -> Draw:
    """How the next reply of a session is drawn that was taken up again."""
    if tree.turns:
        newest = tree.turns[max(tree.turns)].draw
        draw = dataclasses.replace(newest, seed=(newest.seed + 1) % SEED_LIMIT)
    return dataclasses.replace(draw, **given)


def _address(asked: str | None, title: str) -> str:
    """What a model is found by again, wherever: its name, or the path of its file."""
    return title if asked is None or asked == title else os.path.abspath(asked)  # noqa: PTH100 - a text, not a place
