"""Purging: comments are removed from a corpus and from its cached token files."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grucli.json_record import JsonRecord
from grucli.model.store import models_trained_on, record_purge
from grucli.paths import cache_dir
from grucli.progress import Progress, ignore_progress
from grucli.read.schema import ReadOptions
from grucli.reddit.corpus import purge as purging
from grucli.reddit.corpus.purge import PurgeResult
from grucli.reddit.fetch.state import state_path
from grucli.text.dataset import clear_token_cache, file_fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeSummary(JsonRecord):
    """Result of a purge, or with `dry_run` of what it would do.

    `ids_not_found`: number of ids that are not in the corpus; `authors_not_found`: authors without a comment in it.
    `models`: models trained on the comments. `cached_directories`: token files that contain them and are in use.
    `fetched`: the corpus is the output of a fetch, which cannot be resumed now.
    """

    corpus: str
    dry_run: bool
    result: PurgeResult
    ids_not_found: int
    authors_not_found: tuple[str, ...]
    models: tuple[str, ...]
    cached_directories: tuple[str, ...] = ()
    fetched: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the counts, and the names of models to train again."""
        result = self.result
        return {
            "removed": result.removed,
            "kept": result.kept,
            "characters": result.characters,
            "removed_characters": result.removed_characters,
            "cut": result.split_conversations,
            "unreadable": sum(result.report.skipped.values()),
            "not_found": self.ids_not_found + len(self.authors_not_found),
            "models": list(self.models),
            "inputs": [schema.to_json() for schema in result.report.schemas],
        }


def purge(
    corpus: str | os.PathLike[str],
    *,
    id_files: Sequence[str] = (),
    authors: Sequence[str] = (),
    read: ReadOptions | None = None,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> PurgeSummary:
    """Remove comments from a corpus by id or author, and the cached token files that contain them.

    The models trained on the corpus are found by its fingerprint before it changes; the fingerprint that it has
    afterwards is recorded beside them, so that the next purge finds them too.

    >>> import grucli
    >>> grucli.purge("reddit.csv", authors=["somebody"]).models  # doctest: +SKIP

    Args:
        corpus: a `.csv`, `.tsv` or `.jsonl`, compressed or not.
        id_files: files with one id per line; "-" is standard input.
        authors: names of users, with or without `u/`.
        read: how to read the corpus.
        dry_run: only count.
        on_progress: called with a stage, and with the bytes done and in all.

    Raises:
        UsageError: neither ids nor authors are given, or the corpus cannot be purged.
        EmptyInputError: the corpus has no comments, or the files have no ids.
        LockedError: the corpus is being written.
        GruError: a file is corrupt, or the key of the author names is missing.
        OSError: the corpus cannot be written; it is unchanged.
    """
    notify = on_progress or ignore_progress
    path = os.fspath(corpus)
    criteria = purging.build_criteria(id_files, authors)
    source = purging.resolve_corpus(path, dry_run=dry_run).display_name
    trained = models_trained_on(file_fingerprint(source, notify))
    cached: list[str] = []
    result = purging.purge(
        path,
        criteria,
        read=read or ReadOptions(),
        dry_run=dry_run,
        before_writing=lambda: cached.extend(map(str, clear_token_cache(cache_dir()))),
        on_progress=notify,
    )
    written = result.removed > 0 and not dry_run
    if trained and written:
        record_purge(trained, file_fingerprint(source, notify))
    return PurgeSummary(
        corpus=path,
        dry_run=dry_run,
        result=result,
        ids_not_found=len(criteria.ids - result.matched),
        authors_not_found=tuple(sorted(criteria.names - result.matched)),
        models=tuple(entry.name for entry in trained) if result.removed else (),
        cached_directories=tuple(cached),
        fetched=written and state_path(Path(path)).exists(),
    )
