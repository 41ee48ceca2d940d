"""`gru clean`: comments from anywhere, one training-ready api."""

from typing import Annotated

import typer

from grucli.cli.options import Json, read_options
from grucli.errors import EmptyInputError
from grucli.read.fields import FIELDS
from grucli.read.schema import ReadOptions

_WHEN = "WHEN"
_PATTERN = "REGEX"


@read_options("body", "author", "id", "parent_id", "link_id", "score", "created_utc", "subreddit")
def clean(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Dumps, fetched files or tables, also compressed; '-' is stdin."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Corpus to write: .csv, .jsonl or .txt, also compressed."),
    ] = None,
    dropped: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write what is dropped, and why: .jsonl.")
    ] = None,
    replies: Annotated[bool, typer.Option("--replies", help="Write conversations: comments with replies.")] = False,
    min_turns: Annotated[
        int | None, typer.Option(min=1, help="Minimum turns per conversation, with --replies. [default: 1]")
    ] = None,
    subreddit: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Keep this subreddit; repeatable.")
    ] = None,
    author: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Keep comments by NAME; repeatable.")] = None,
    not_author: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Exclude comments by NAME; repeatable.")
    ] = None,
    min_score: Annotated[int | None, typer.Option(help="Minimum score.")] = None,
    max_score: Annotated[int | None, typer.Option(help="Maximum score.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar=_WHEN, help="Start time (UTC): 2024-01-31, 30d (ago) or seconds since 1970.")
    ] = None,
    before: Annotated[str | None, typer.Option(metavar=_WHEN, help="End time, exclusive.")] = None,
    min_chars: Annotated[int | None, typer.Option(min=1, help="Minimum length. [default: 2]")] = None,
    max_chars: Annotated[int | None, typer.Option(min=1, help="Maximum length. [default: 10000]")] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="Keep this language, such as en.")] = None,
    match: Annotated[str | None, typer.Option(metavar=_PATTERN, help="Keep comments that match.")] = None,
    no_match: Annotated[str | None, typer.Option(metavar=_PATTERN, help="Exclude comments that match.")] = None,
    skip_rule: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Disable a rule; repeatable. See --list-rules.")
    ] = None,
    near_duplicates: Annotated[bool, typer.Option("--near-duplicates", help="Drop near-duplicates.")] = False,
    *,
    read: ReadOptions,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes, at most all cores. [default: by input size]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, only show the counts.")] = False,
    show: Annotated[
        int, typer.Option(min=0, metavar="N", help="With --dry-run, show N comments as read and as cleaned.")
    ] = 0,
    explain_columns: Annotated[
        bool, typer.Option("--explain-columns", help="Show the columns found, or their usual names, and exit.")
    ] = False,
    list_rules: Annotated[bool, typer.Option("--list-rules", help="List the rules in order, and exit.")] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="ID", help="Show what each rule does to one comment, and exit.")
    ] = None,
    json: Json = False,
) -> None:
    """Clean comments: dumps, fetched files or tables in, one corpus to train on out.

    \b
      gru clean RC_2005-12.zst -o reddit.csv
      gru clean fetched.jsonl -o talk.csv --replies           conversations, for a model that replies
      gru clean *.zst -o ask.jsonl.zst --subreddit AskReddit --min-score 5 --language en
      gru clean talk.csv --dry-run --show 3                   the counts, and three comments as they are read
      gru clean RC_2005-12.zst --explain c2102                what each rule does to one comment

    Every dropped comment is counted under the rule that dropped it. Authors are stored as hashes made with your own
    key. Times without a zone are UTC. The same input gives the same corpus for any number of --workers.
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.clean_view import (
        CleanView,
        show_columns,
        show_examples,
        show_report,
        show_rule_trace,
        show_rules,
    )

    if list_rules:
        from grucli.reddit.clean.rules.registry import RULES

        terminal().print_json(RULES) if json else show_rules(terminal(), RULES)
        return
    if explain_columns:
        from grucli.api.clean import detect_schemas

        schemas = detect_schemas(inputs, read=read) if inputs else []
        if json:
            terminal().print_json(schemas or {name: field.usual_names for name, field in FIELDS.items()})
        else:
            show_columns(terminal(), schemas)
        return
    with CleanView(terminal()) as view:
        from grucli.api import clean as api
        from grucli.reddit.clean.explain import Explanation
        from grucli.reddit.clean.report import CleanReport
        from grucli.reddit.clean.rules.config import MAX_CHARS, MIN_CHARS, RuleConfig, compile_pattern
        from grucli.reddit.timestamps import parse_optional_timestamp

        rules = RuleConfig(
            skip_rules=frozenset(skip_rule or ()),
            subreddits=frozenset(subreddit or ()),
            authors=frozenset(author or ()),
            not_authors=frozenset(not_author or ()),
            min_score=min_score,
            max_score=max_score,
            after=parse_optional_timestamp(after, "--after"),
            before=parse_optional_timestamp(before, "--before"),
            min_chars=min_chars or MIN_CHARS,
            max_chars=max_chars or MAX_CHARS,
            language=language,
            match=compile_pattern(match, "--match"),
            no_match=compile_pattern(no_match, "--no-match"),
            near_duplicates=near_duplicates,
        )
        report = CleanReport()
        view.start(report)
        result: Explanation | CleanReport
        if explain is not None:
            result = api.explain(
                explain,
                inputs or [],
                rules=rules,
                replies=replies,
                min_turns=min_turns,
                read=read,
                on_progress=view.progress,
            )
        else:
            result = api.clean(
                inputs or [],
                output,
                rules=rules,
                replies=replies,
                min_turns=min_turns,
                read=read,
                dropped=dropped,
                workers=workers,
                force=force,
                dry_run=dry_run,
                show=show,
                report=report,
                on_progress=view.progress,
            )
    view.show_inputs(result.inputs)
    if json:
        terminal().print_json(result)
    elif isinstance(result, Explanation):
        show_rule_trace(terminal(), result)
    else:
        show_examples(terminal(), result.examples)
        show_report(terminal(), result, on_stdout=dry_run)
    for message in result.notes:
        terminal().warn(message)
    if isinstance(result, Explanation):
        return
    if not result.read:
        raise EmptyInputError("there are no comments in the input", "name a file with comments")
    if not result.kept:
        raise EmptyInputError(
            "all comments were filtered out", "see the report above; relax the filters or use --skip-rule"
        )
    if not dry_run:
        terminal().info(f"\nwrote {output} in {result.seconds:.1f} s")
        terminal().info(f"try:  gru train {output}", indent=6)
