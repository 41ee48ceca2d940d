"""Options of one cleaning run."""

import os
from dataclasses import dataclass, field

from grucli.errors import UsageError
from grucli.read.schema import ReadOptions
from grucli.read.sources import InputSource
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import active_rules
from grucli.reddit.corpus.writer import OutputSpec, parse_output


@dataclass(frozen=True, kw_only=True)
class CleanOptions:
    """Options of one cleaning run.

    `output`: None to write nothing. `read`: how to read the sources. `replies`: write conversations, of at least
    `min_turns` comments. `dropped`: where to write the comments that are dropped, None for nowhere. `workers`: number
    of processes, at most one per core; None to decide by the input size. `show`: comments per source that the report
    has as examples, if nothing is written. `force`: overwrite existing files. `use_fast_path`: False applies the rules
    alone, with the same result.

    Raises:
        UsageError: no sources or one of running text, an output that must not be written, or conflicting options.
    """

    sources: tuple[InputSource, ...]
    output: OutputSpec | None
    rule_config: RuleConfig = field(default_factory=RuleConfig)
    read: ReadOptions = field(default_factory=ReadOptions)
    replies: bool = False
    min_turns: int | None = None
    dropped: OutputSpec | None = None
    workers: int | None = None
    show: int = 0
    force: bool = False
    use_fast_path: bool = True

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("no input: FILE is missing", "see: gru clean --help")
        for source in self.sources:
            if source.file_format == "txt":
                raise UsageError(
                    f"'{source.display_name}' is running text, not comments",
                    "name a dump, .jsonl, .csv, .tsv or .parquet",
                )
        if self.min_turns is not None and not self.replies:
            raise UsageError("--min-turns requires --replies", "add --replies, or remove --min-turns")
        if self.show and self.output is not None:
            raise UsageError("--show requires --dry-run", "add --dry-run, or remove --show")
        active_rules(self.rule_config)
        self.check_output()

    @property
    def outputs(self) -> list[OutputSpec]:
        """The files to write."""
        return [output for output in (self.output, self.dropped) if output is not None]

    @property
    def size(self) -> int | None:
        """Total size of the sources in bytes, as stored; None if one of them is standard input."""
        paths = [source.path for source in self.sources]
        return sum(path.stat().st_size for path in paths if path is not None) if None not in paths else None

    def check_output(self) -> None:
        """Check that no file to write is also a source or written twice, nor exists unless `force` is set.

        Raises:
            UsageError: one is, or does.
        """
        outputs = {"-o": self.output, "--dropped": self.dropped}
        paths = {option: output.path for option, output in outputs.items() if output is not None}
        if len({os.path.realpath(path) for path in paths.values()}) < len(paths):
            raise UsageError("-o and --dropped name the same file", "choose another name for one of them")
        for option, path in paths.items():
            if not path.exists():
                continue
            if any(source.path is not None and os.path.samefile(source.path, path) for source in self.sources):  # noqa: PTH121
                raise UsageError(f"'{path}' is both input and output", "choose another output name")
            if path.is_file() and not self.force:
                raise UsageError(f"'{path}' already exists", f"choose another name with {option}, or use --force")


def resolve_output(name: str | None, replies: bool) -> OutputSpec:
    """Return the output that the user named.

    Raises:
        UsageError: there is no name, or its format cannot hold what is to be written.
    """
    if name is None:
        raise UsageError("no output: -o FILE is missing", "name a .csv, .jsonl or .txt file, or use --dry-run")
    return parse_output(name, conversations=replies)
