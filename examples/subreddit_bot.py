"""A bot that talks like a subreddit: fetch its comments, clean them, train a model on them, and talk with it.

    python examples/subreddit_bot.py r/askscience --after 1y --minutes 5
    python examples/subreddit_bot.py askscience.jsonl --minutes 5

Type a line, and the bot replies; an empty line ends it. Everything is kept in one directory (--directory), so that the
next run continues with the comments and the model that are there.
"""

import argparse
import re
from pathlib import Path

import grucli


def fetch(source: str, directory: Path, after: str | None, base_url: str | None) -> Path:
    """Return a file of raw comments: `source` itself, or what is fetched of r/SUBREDDIT or u/USER."""
    if not re.match(r"[ru]/", source):
        return Path(source)
    output = directory / "raw.jsonl"
    options = grucli.FetchOptions([source], str(output), after=after, base_url=base_url, resume=output.exists())
    summary = grucli.fetch(options).summary
    print(f"fetched {summary.fetched:,} comments")
    return output


def clean(raw: Path, directory: Path) -> Path:
    """Return a corpus of conversations, so that the model learns to reply."""
    corpus = directory / "corpus.csv"
    report = grucli.clean(raw, corpus, replies=True, force=True)
    print(f"kept {report.kept:,} of {report.read:,} comments; dropped: {dict(report.dropped)}")
    return corpus


def train(corpus: Path, name: str, minutes: float) -> None:
    """Train a model, or continue its training."""
    options = grucli.TrainOptions(sources=[str(corpus)], name=name, minutes=minutes, force=True)
    summary = grucli.train(options).summary
    print(f"trained {summary.steps:,} steps: {summary.val_bits_per_char or 0:.2f} bits per character")


def talk(name: str) -> None:
    """Reply to each line of standard input."""
    with grucli.chat(name) as session:
        while line := input("> "):
            print(session.reply(line))


def main(arguments: list[str] | None = None) -> None:
    """Run the steps in order."""
    parser = argparse.ArgumentParser(description="Talk with a subreddit.")
    parser.add_argument("source", help="r/SUBREDDIT, u/USER, or a file of comments (.jsonl, .csv, .zst ...)")
    parser.add_argument("--name", default="bot", help="name of the model")
    parser.add_argument("--directory", type=Path, default=Path("bot"), help="where comments and corpus are kept")
    parser.add_argument("--after", help="fetch comments from then on: 2024-01-31, or 30d (ago)")
    parser.add_argument("--base-url", help="base URL of a compatible archive")
    parser.add_argument("--minutes", type=float, default=5.0, help="minutes of training")
    options = parser.parse_args(arguments)
    options.directory.mkdir(parents=True, exist_ok=True)
    raw = fetch(options.source, options.directory, options.after, options.base_url)
    train(clean(raw, options.directory), options.name, options.minutes)
    talk(options.name)


if __name__ == "__main__":
    main()
