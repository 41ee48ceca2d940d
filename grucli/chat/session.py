"""A session: one model, the tree of turns so far, how replies are drawn.

With a model of conversations the user's line is a turn and the reply the next one, the whole dialogue in the state.
With any other each line is the beginning of a new text, which the model continues. An empty line after a reply that
was cut short lets the model go on.
"""

import dataclasses
import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from grucli.chat.events import ChatEvent, CommandError, Message, ReplyDelta, ReplyFinished, ReplyStarted, UnknownSymbols
from grucli.chat.pace import validate_pace
from grucli.chat.session_records import (
    HeaderRecord,
    ModelRecord,
    PositionRecord,
    SessionRecord,
    tree_records,
    turn_record,
)
from grucli.chat.session_store import SessionLog, SessionStore
from grucli.chat.state_cache import StateCache
from grucli.chat.turn_tree import TurnTree
from grucli.chat.turns import ROOT, ChatModel, Provenance, ReplyContext, ReplyStream, Turn, replace_surrogates
from grucli.chat.unknown_symbols import unknown_symbols
from grucli.errors import GruError, UsageError
from grucli.generation.sampler import GenerationConfig, Sample, State

SEED_MODULUS = 1 << 63

_branch_name = re.compile(r"(?!\d+$)\w[\w.-]{0,63}")


class ModelProvider(Protocol):
    """Where other models can be had."""

    def names(self) -> Sequence[str]:
        """Name the models there are."""

    def open(self, name: str | None) -> tuple[str, ChatModel]:
        """Give a model and the name it goes by; None means the newest."""

    def is_pending(self, name: str) -> bool:
        """Whether a model is being trained that has no checkpoint yet."""

    def reload_if_changed(self, name: str) -> tuple[ChatModel, str] | None:
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
        models: ModelProvider,
        model_ref: str | None,
        config: GenerationConfig,
        pace: float,
        *,
        preamble: str = "",
        store: SessionStore | None = None,
        persist: bool = True,
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
        self.config = self.initial_config = config
        self.pace = 0.0
        self.set_pace(pace)
        self.follow = follow
        self.preamble = replace_surrogates(preamble)
        self.store = store
        self.tree = TurnTree()
        self.candidates: list[Turn] = []
        self.stop_requested = False
        self.log = store.create_log() if store is not None and persist else None
        self.save_error = ""
        self._models = models
        self._notices: list[Message | CommandError] = []
        self.model_name, self.model = models.open(model_ref)
        self.model_ref = _model_ref(model_ref, self.model_name)
        self.state_cache = StateCache(self.model, self.preamble)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.log is not None:
            self.log.close()

    def stop(self) -> None:
        """Stop reading or replying after the piece at hand. Does nothing but take note: safe in a signal handler."""
        self.stop_requested = True

    @property
    def turns(self) -> list[Turn]:
        """The turns on the way here, the oldest first."""
        return self.tree.path_to_head

    @property
    def last(self) -> Turn | None:
        """The latest turn."""
        return self.tree.last

    @property
    def can_continue(self) -> bool:
        """Whether an empty line has a meaning: the last reply was cut, or the model writes without being asked."""
        return not self.model.conversations or (self.last is not None and self.last.truncated)

    # Replies

    def send(self, line: str) -> Iterator[ChatEvent]:
        """Hear what the user says and reply to it."""
        context = self.continuation_context() if not line else None
        yield from self._reply(context or self.new_context(line), already_read=context is not None)

    def reply(self, line: str) -> str:
        """Send `line` and return the whole reply."""
        for _ in self.send(line):
            pass
        return self.last.reply if self.last is not None else ""

    def regenerate(self) -> Iterator[ChatEvent]:
        """Draw the last reply again, where it was drawn, with the next seed; the tree keeps the one before too.

        Raises:
            UsageError: nothing was said so far.
        """
        if self.last is None:
            raise UsageError("there is no reply to draw again", "say something first")
        yield from self._reply(self.last.context, already_read=True)

    def new_context(self, line: str) -> ReplyContext:
        """Where the reply to a new `line` is drawn."""
        line = replace_surrogates(line)
        return ReplyContext(self.tree.head, line, self.state_cache.reply_prefix(line))

    def continuation_context(self) -> ReplyContext | None:
        """Where the last reply goes on, if it was cut short."""
        last = self.last
        return (
            ReplyContext(last.number, "", last.full_text, is_continuation=True)
            if last is not None and last.truncated
            else None
        )

    def prefill(self, context: ReplyContext, already_read: bool) -> Generator[ChatEvent, None, State | None]:
        """Have the model read all that was said up to `place`; None where that was stopped."""
        self.stop_requested = False
        state = yield from self.state_cache.state_before_reply(self.tree, context, lambda: self.stop_requested)
        if state is None:
            yield Message("stopped: none of this line was heard")
        elif not already_read and (unknown := unknown_symbols(self.model.tokenizer, context.line)):
            yield UnknownSymbols(len(unknown), tuple(dict.fromkeys(unknown)))
        return state

    def _reply(self, context: ReplyContext, already_read: bool) -> Iterator[ChatEvent]:
        state = yield from self.prefill(context, already_read)
        if state is None:
            return
        stream = self.model.stream(state, self.config)
        try:
            yield ReplyStarted(context.prefix, self.config.seed, self.config.max_chars)
            for piece in stream:
                yield ReplyDelta(piece.text, reply_bits_per_char(stream.sample))
                if self.stop_requested:
                    break
        finally:
            # Whoever listens may hang up at any moment: what was said until then is a turn all the same.
            turn = self.commit(make_turn(context, self.config, stream))
            self.candidates = []
            self.advance_seed(1)
        yield ReplyFinished(turn)

    def commit(self, turn: Turn) -> Turn:
        """Make a reply the latest turn, and give it with its number."""
        provenance = Provenance(
            self.model_ref, self.model.sha256, self.state_cache.context_digest(self.tree, turn.context)
        )
        turn = self.tree.add(dataclasses.replace(turn, provenance=provenance))
        self._append_record(turn_record(turn))
        return turn

    def advance_seed(self, count: int) -> None:
        """Have the next reply drawn with a seed that was not used for the `drawn` before."""
        self.config = dataclasses.replace(self.config, seed=(self.config.seed + count) % SEED_MODULUS)

    def set_pace(self, pace: float) -> None:
        """Change the pace at which replies are shown.

        Raises:
            UsageError: not a finite number from 0 up.
        """
        self.pace = validate_pace(pace)

    # Places

    def reset(self) -> None:
        """Go to the beginning."""
        self._move_to(ROOT)

    def undo(self, count: int) -> None:
        """Go so many turns back.

        Raises:
            UsageError: there are not so many, or it is no way back.
        """
        path = self.turns
        if not path:
            raise UsageError("there is nothing to undo", "say something first")
        if not 1 <= count <= len(path):
            allowed = f"a number from 1 to {len(path)}" if len(path) > 1 else "1, as there is one turn"
            raise UsageError(f"/undo is {count}", f"/undo takes {allowed}")
        parent = path[-count].parent
        if parent not in self.tree.turns and parent != ROOT:
            raise UsageError("what was said before that is forgotten", "/reset goes to the beginning")
        self._move_to(parent)

    def rewind(self, target: str) -> None:
        """Go to a turn by its number, 0 for the beginning, or to the end of a branch by its name.

        Raises:
            UsageError: there is no such turn or branch.
        """
        try:
            if target in self.tree.branches:
                self.tree.switch(target)
            else:
                self.tree.move_to(int(target))
        except (KeyError, ValueError):
            raise UsageError(f"there is no turn or branch '{target[:64]}'", "/tree shows all there are") from None
        self._move_to(self.tree.head)

    def fork(self, branch: str) -> None:
        """Begin a branch here; the one before stays where it is. Without a name it gets one.

        Raises:
            UsageError: there is a branch of this name, or it cannot be one.
        """
        if branch in self.tree.branches:
            raise UsageError(f"there is already a branch '{branch}'", f"/rewind {branch} goes there")
        if branch and not _branch_name.fullmatch(branch):
            raise UsageError(f"'{branch[:64]}' cannot be the name of a branch", "use letters, digits, '.', '_' and '-'")
        self.tree.fork(branch or self.tree.unused_branch_name())
        self._move_to(self.tree.head)

    def _move_to(self, number: int) -> None:
        self.tree.move_to(number)
        self.candidates = []
        if self.tree.turns:
            self._append_record(PositionRecord(number, self.tree.branch))

    # Models

    def reproducibility_warning(self, turn: Turn) -> str:
        """Why nobody can be sure that the same texts, model and rules give `turn` again; nothing where one can."""
        provenance = turn.provenance
        if not (provenance.model_ref and provenance.sha256 and provenance.context_digest):
            return "it was not noted what this was drawn from"
        if provenance.context_digest != self.state_cache.context_digest(self.tree, turn.context):
            return "what this answered is not what stands before it now"
        current_sha256 = self._models.sha256(provenance.model_ref)
        if current_sha256 != provenance.sha256:
            return (
                f"{provenance.model_ref} has changed since"
                if current_sha256
                else f"{provenance.model_ref} cannot be read any more"
            )
        if self.initial_config.stop and not turn.config.stop:
            return "where settings have a stop, it holds there too"
        return ""

    def models(self) -> Sequence[str]:
        """Name the models that `switch` can take."""
        return self._models.names()

    def switch(self, model_ref: str) -> None:
        """Go on with another model, which reads what was said so far; one of another kind begins a new session.

        Raises:
            UsageError: there is no such model. ModelFileError: its file is damaged. Either leaves all as it was.
        """
        model_name, model = self._models.open(model_ref)
        if model.conversations == self.model.conversations:
            self._set_model(model_name, model, _model_ref(model_ref, model_name))
            if self.tree.turns:
                self._append_record(ModelRecord(self.model_ref))
        else:
            self._set_model(model_name, model, _model_ref(model_ref, model_name))
            self._start_new()

    def reload_model(self) -> Iterator[ChatEvent]:
        """Take the model up anew if its file has changed and that is wished; it reads what was said so far."""
        reloaded = self._models.reload_if_changed(self.model_ref) if self.follow else None
        if reloaded is not None:
            model, news = reloaded
            same_kind = model.conversations == self.model.conversations
            self._set_model(self.model_name, model, self.model_ref)
            if not same_kind:
                self._start_new()
            yield Message(f"{self.model_name} has learnt: {news}")

    def _set_model(self, model_name: str, model: ChatModel, model_ref: str) -> None:
        self.model_name, self.model, self.model_ref = model_name, model, model_ref
        self.state_cache = StateCache(model, self.preamble)
        self.candidates = []

    # Files

    def save(self, name: str) -> None:
        """Give the session a name to be found by; it is kept for good then, all of it, even if it was not until now.

        Raises:
            UsageError: it cannot have this name. GruError: the file system refused; it is kept as it was, or not.
        """
        if self.store is None:
            raise UsageError("no sessions are kept here", "begin another one: gru chat")
        log = self.log or self.store.create_log()
        try:
            log.rename(name)
            if self.log is None and self.tree.turns:
                log.append(PositionRecord(self.tree.head, self.tree.branch), self._all_records)
        except OSError as error:
            if self.log is None:
                log.close()
            raise GruError(
                f"this session cannot be kept: {error.strerror or error}",
                "make room, or see who may write there; then /save again",
            ) from None
        self.log, self.save_error = log, ""

    def load(self, name: str, model_ref: str | None = None, overrides: Mapping[str, Any] | None = None) -> int:
        """Take up a kept session where it was left, with its model unless another is named, and its way of drawing
        but for what is `given`. Gives the number of lines of its file that could not be understood.

        Raises:
            UsageError: there is no such session, or its model is gone or of another kind. BusyError: another process
                has it. ModelFileError: the model's file is damaged. OSError: the system refused. All is as it was then.
        """
        if self.store is None:
            raise UsageError("no sessions are kept here", "begin another one: gru chat")
        if self.log is not None and name == self.log.name:
            raise UsageError(f"this is '{name}'", "/load takes up another session")
        saved = self.store.read(name)
        wanted = saved.model if model_ref is None else model_ref
        model_name, model = (self.model_name, self.model) if wanted == self.model_ref else self._models.open(wanted)
        if model.conversations != saved.conversations:
            raise UsageError(f"'{name}' is no session with a model like {model_name}", f"its model is {saved.model}")
        config = _resumed_config(saved.tree, self.config, overrides or {})
        log = self.store.open_log(name)
        self.config, self.preamble = config, saved.preamble
        self._set_model(model_name, model, _model_ref(wanted, model_name))
        self._replace_tree(saved.tree, log)
        return saved.skipped

    def _start_new(self) -> None:
        """Go on with nothing said yet, in a new file where this session has one."""
        has_log = self.store is not None and self.log is not None
        self._replace_tree(TurnTree(), self.store.create_log() if self.store is not None and has_log else None)

    def _replace_tree(self, tree: TurnTree, log: SessionLog | None) -> None:
        """Go on with other turns, kept in another file."""
        if self.log is not None:
            self.log.close()
        self.tree, self.log = tree, log
        self.candidates = []

    def add_notice(self, text: str) -> None:
        """Have something told with the next remarks."""
        self._notices.append(Message(text))

    def pop_notices(self) -> Iterator[Message | CommandError]:
        """Tell, once, what went wrong with keeping the session, or with taking it up.

        `hear` does so after each line; whoever draws a session does so before the first one.
        """
        notices, self._notices = self._notices, []
        yield from notices

    def _append_record(self, record: SessionRecord) -> None:
        """Write an entry. A full disk is no reason to end a dialogue: it is told, and no more is written."""
        if self.log is None:
            return
        try:
            self.log.append(record, self._all_records)
        except (OSError, GruError) as error:
            self.save_error = error_summary(error)
            self.log.close()
            self.log = None
            message = f"this session is not kept any more: {self.save_error}"
            self._notices.append(CommandError(message, "it goes on all the same; /save NAME tries to keep it again"))

    def _all_records(self) -> Iterator[SessionRecord]:
        started_at = datetime.now().astimezone().isoformat(timespec="seconds")
        yield HeaderRecord(self.model_ref, self.model.conversations, self.preamble, started_at=started_at)
        yield from tree_records(self.tree)


def error_summary(error: GruError | OSError) -> str:
    """What went wrong, in a few words."""
    return error.message if isinstance(error, GruError) else error.strerror or str(error)


def skipped_lines_message(lines: int) -> str:
    """What is told of a session of whose file so many lines were left out."""
    singular = "1 line of its file could not be understood, and was" if lines == 1 else ""
    return f"{singular or f'{lines:,} lines of its file could not be understood, and were'} left out"


def make_turn(context: ReplyContext, config: GenerationConfig, stream: ReplyStream) -> Turn:
    """What was said so far, as a turn."""
    sample = stream.sample
    return Turn(context, sample.text, config, sample.stopped, reply_bits_per_char(sample), sample.tokens)


def reply_bits_per_char(sample: Sample) -> float | None:
    """How surprising a reply is to the model, None where there is nothing to be surprised at."""
    return sample.bits_per_char if sample.text else None


def _resumed_config(tree: TurnTree, config: GenerationConfig, overrides: Mapping[str, Any]) -> GenerationConfig:
    """How the next reply of a session is drawn that was taken up again."""
    if tree.turns:
        newest = tree.turns[max(tree.turns)].config
        config = dataclasses.replace(newest, seed=(newest.seed + 1) % SEED_MODULUS)
    return dataclasses.replace(config, **overrides)


def _model_ref(requested: str | None, model_name: str) -> str:
    """What a model is found by again, wherever: its name, or the path of its file."""
    return model_name if requested is None or requested == model_name else os.path.abspath(requested)  # noqa: PTH100 - a text, not a place
