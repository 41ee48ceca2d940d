"""Opens a session: a new one, or the latest one that can be resumed."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from grucli.chat.session import ConfigMaker, ModelProvider, Session
from grucli.chat.session_store import SessionStore, error_summary
from grucli.errors import GruError, LockedError, UsageError
from grucli.generation.options import GenerationConfig

POLL_SECONDS = 0.5
_MAX_REPORTED = 3


def open_session(
    models: ModelProvider,
    model_ref: str | None,
    config: GenerationConfig | ConfigMaker,
    pace: float,
    *,
    preamble: str | None = None,
    store: SessionStore | None,
    persist: bool = True,
    follow: bool = False,
    resume_with: Mapping[str, Any] | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Session:
    """Start a session, or resume the latest one of the model, or of all, if `resume_with` is given: the fields of
    `config` that replace those of the session. The other arguments are as in `Session`.

    With `follow` and `on_wait`, which gets a message to show, wait for the first checkpoint of a model in training.

    Raises:
        UsageError: there is no such model or session, the two do not fit, or a resumed session is given a preamble or
            no store; or the model does not have a unit of `config`.
        ModelFileError: the file of the model is corrupt.
        LockedError: another process has the session open.
        OSError: the session cannot be read.
    """
    if follow and model_ref is not None and on_wait is not None:
        while models.is_pending(model_ref):
            on_wait(f"waiting for the first checkpoint of {model_ref}; press Ctrl-C to leave")
            time.sleep(POLL_SECONDS)
    new_session = partial(Session, models, config=config, pace=pace, store=store, follow=follow)
    if resume_with is None:
        session = new_session(model_ref, preamble=preamble or "", persist=persist)
        session.model.check_config(session.config)
        return session
    if preamble is not None:
        raise UsageError("both --continue and --opening are given", "use one: a resumed session has its opening")
    if store is None:
        raise UsageError(
            "both --continue and --private are given",
            "use one; if --private is your setting, GRU_PRIVATE=0 overrides it",
        )
    try:
        if model_ref is not None:
            return _resume_with_model(new_session(model_ref), models, resume_with)
        return _resume_latest(new_session, store, resume_with)
    except LockedError as error:
        raise LockedError(error.message, "leave that chat first, or start another with: gru chat") from None


def _resume_latest(new_session: Callable[[str], Session], store: SessionStore, overrides: Mapping[str, Any]) -> Session:
    skipped: dict[str, str] = {}

    def resume(name: str) -> Session:
        return _load_into(new_session(store.read(name).model), overrides, name)

    if (session := _first_loadable(store.names(), resume, skipped)) is not None:
        return session
    if skipped:
        raise _skipped_error(skipped, "start another with: gru chat, or name a model: gru chat MODEL --continue")
    raise UsageError("no session to resume", "start one with: gru chat")


def _resume_with_model(session: Session, models: ModelProvider, overrides: Mapping[str, Any]) -> Session:
    """Load the latest session of the model that `session` has, or else the latest whose model is missing."""
    store, model_refs = session.store, dict[str, str]()
    assert store is not None
    for name in store.names():
        with suppress(GruError, OSError):
            model_refs[name] = store.read(name).model
    resume, skipped, orphans = partial(_load_into, session, overrides), dict[str, str](), dict[str, str]()
    if _first_loadable([name for name in model_refs if model_refs[name] == session.model_ref], resume, skipped):
        return session
    if _first_loadable((name for name in model_refs if not models.sha256(model_refs[name])), resume, orphans):
        session.add_notice(f"the model of this session is missing: continuing with {session.model_name}")
        return session
    others = model_refs.keys() - skipped.keys() - orphans.keys()
    latest = "; or resume the latest with: gru chat --continue" if others else ""
    hint = f"start one with: gru chat {session.model_name}{latest}"
    if skipped:
        raise _skipped_error(skipped, hint)
    raise UsageError(f"no session with {session.model_name} to resume", hint)


def _skipped_error(skipped: Mapping[str, str], hint: str) -> UsageError:
    name, reason = next(iter(skipped.items()))
    return UsageError(f"session '{name}' cannot be resumed: {reason}", hint)


def _first_loadable(names: Iterable[str], resume: Callable[[str], Session], skipped: dict[str, str]) -> Session | None:
    """Return the first session that can be resumed, which reports those before it; `skipped` gets their problems."""
    for name in names:
        try:
            session = resume(name)
        except LockedError:
            raise
        except (GruError, OSError) as error:
            skipped[name] = error_summary(error)
        else:
            if skipped:
                reasons = "; ".join(f"{each}: {reason}" for each, reason in list(skipped.items())[:_MAX_REPORTED])
                session.add_notice(f"skipped newer sessions: {reasons}; resumed {name}")
            return session
    return None


def _load_into(session: Session, overrides: Mapping[str, Any], name: str) -> Session:
    if problem := session.load(name, session.model_ref, overrides):
        session.add_notice(problem)
    return session
