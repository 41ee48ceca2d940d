"""The corpus of `gru demo`: the conversations of chitchat-dataset, one row per turn (thread, turn, body).

The caller loads the dataset, so that nothing here depends on its package.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from grucli.files import PRIVATE, atomic_writer

COLUMNS = ("thread", "turn", "body")


@dataclass(frozen=True, slots=True)
class CorpusCounts:
    """Size of a written corpus."""

    conversations: int
    turns: int
    characters: int


def write_corpus(dataset: Mapping[str, object], path: Path) -> CorpusCounts:
    """Write the dataset as a `.csv` corpus, atomically.

    Consecutive messages of a sender are one turn, joined by newlines. Malformed messages and those without text are
    skipped.

    Args:
        dataset: `chitchat_dataset.Dataset()`: conversations by id.
        path: the output file.

    Raises:
        OSError: the file cannot be written.
    """
    conversations = turns = characters = 0
    with atomic_writer(path, follow_symlinks=False, mode=PRIVATE) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(COLUMNS)
        for thread, conversation in dataset.items():
            turn_number = 0
            for turn_number, body in enumerate(_turns(conversation), 1):
                rows.writerow((thread, turn_number, body))
                characters += len(body)
            turns += turn_number
            conversations += turn_number > 0
        text.detach()
    return CorpusCounts(conversations, turns, characters)


def _turns(conversation: object) -> Iterator[str]:
    for _, group in groupby(_messages(conversation), key=lambda message: message[0]):
        yield "\n".join(text for _, text in group)


def _messages(conversation: object) -> Iterator[tuple[str, str]]:
    """The sender and text of every message; the dataset has a list of messages per run of one sender."""
    runs = conversation.get("messages") if isinstance(conversation, Mapping) else None
    for run in runs if isinstance(runs, list) else []:
        for message in run if isinstance(run, list) else []:
            if not isinstance(message, Mapping):
                continue
            sender, text = message.get("sender"), message.get("text")
            if isinstance(sender, str) and isinstance(text, str) and text.strip() and "\0" not in text:
                yield sender, text.strip()
