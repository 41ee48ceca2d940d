"""`gru clean`: comments from anywhere, one training-ready corpus."""

from typing import Annotated

import typer

from grucli.errors import EmptyInputError

_WHEN = "WHEN"
_PATTERN = "REGEX"


def clean(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Dumps and fetched files: .zst .jsonl .json .csv .tsv .parquet, also compressed; '-' is stdin.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="The corpus: .csv, .jsonl or .txt, also compressed."),
    ] = None,
    replies: Annotated[
        bool, typer.Option("--replies", help="Write conversations: comments with their replies.")
    ] = False,
    min_turns: Annotated[
        int | None, typer.Option(min=1, help="With --replies: no conversation of fewer comments. [default: 1]")
    ] = None,
    subreddit: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Keep this one; repeatable.")] = None,
    author: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Keep what NAME wrote; repeatable.")] = None,
    not_author: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Leave NAME out; repeatable.")] = None,
    min_score: Annotated[int | None, typer.Option(help="Keep what is scored so, or better.")] = None,
    max_score: Annotated[int | None, typer.Option(help="Keep what is scored so, or worse.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar=_WHEN, help="From then on: 2024-01-31, 30d, or seconds since 1970.")
    ] = None,
    before: Annotated[str | None, typer.Option(metavar=_WHEN, help="Up to then, and not including it.")] = None,
    min_chars: Annotated[int | None, typer.Option(min=1, help="The shortest to keep. [default: 2]")] = None,
    max_chars: Annotated[int | None, typer.Option(min=1, help="The longest to keep. [default: 10000]")] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="Keep this language, such as en.")] = None,
    match: Annotated[str | None, typer.Option(metavar=_PATTERN, help="Keep what matches somewhere.")] = None,
    no_match: Annotated[str | None, typer.Option(metavar=_PATTERN, help="Leave out what matches somewhere.")] = None,
    skip_rule: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Do without a rule; repeatable. See --list-rules.")
    ] = None,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates", help="Drop what is almost the same as something before.")
    ] = False,
    column: Annotated[str | None, typer.Option(help="The column that holds the text, by name or number.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes to clean with, at most one a core. [default: by the size of the input]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, only say what would be dropped.")] = False,
    list_rules: Annotated[bool, typer.Option("--list-rules", help="Show all rules in their order, and exit.")] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="ID", help="Show one comment before and after each rule, and exit.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")] = False,
) -> None:
    """Clean comments: dumps, fetched files or tables in, one corpus to train on out.

    \b
      gru clean RC_2005-12.zst -o reddit.csv
      gru clean fetched.jsonl -o talk.csv --replies           conversations, to answer with
      gru clean *.zst -o ask.jsonl.zst --subreddit AskReddit --min-score 5 --language en
      gru clean RC_2005-12.zst --dry-run                      only the counts
      gru clean RC_2005-12.zst --explain c2102                why is this one as it is?

    Every comment that is dropped is counted under the rule that dropped it. Authors are kept as hashes that only your
    own key can make. The same input gives the same corpus, whatever the number of --workers.
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.clean_view import CleanView, report_json, rules_json, show_report, show_rule_trace, show_rules

    if list_rules:
        from grucli.reddit.clean.rules.registry import RULES

        terminal().print_json(rules_json(RULES)) if json else show_rules(terminal(), RULES)
        return
    with CleanView(terminal()) as view:
        from grucli.reddit.clean import pipeline
        from grucli.reddit.clean.explain import explain_comment
        from grucli.reddit.clean.options import CleanOptions, resolve_output, resolve_sources
        from grucli.reddit.clean.report import CleanReport
        from grucli.reddit.clean.rules.config import MAX_CHARS, MIN_CHARS, RuleConfig, compile_pattern
        from grucli.reddit.clean.rules.registry import filter_names
        from grucli.reddit.timestamps import parse_optional_timestamp

        rule_config = RuleConfig(
            skip_rules=frozenset(skip_rule or ()), subreddits=frozenset(subreddit or ()), authors=frozenset(author or ()),
            not_authors=frozenset(not_author or ()), min_score=min_score, max_score=max_score,
            after=parse_optional_timestamp(after, "--after"), before=parse_optional_timestamp(before, "--before"),
            min_chars=min_chars or MIN_CHARS, max_chars=max_chars or MAX_CHARS, language=language,
            match=compile_pattern(match, "--match"), no_match=compile_pattern(no_match, "--no-match"),
            near_duplicates=near_duplicates,
        )  # fmt: skip
        options = CleanOptions(
            sources=resolve_sources(inputs or []),
            output=None if dry_run or explain is not None else resolve_output(output, replies),
            rule_config=rule_config, column=column, replies=replies, min_turns=min_turns,
            workers=workers, force=force,
        )  # fmt: skip
        report = CleanReport()
        view.start(report)
        if explain is not None:
            explanation = explain_comment(options, explain, view.progress)
        else:
            pipeline.clean(options, view.progress, report)
    if explain is not None:
        if json:
            terminal().print_json(explanation.as_json())
        else:
            show_rule_trace(terminal(), explanation)
        for message in explanation.notes:
            terminal().warn(message)
        return
    if json:
        terminal().print_json(report_json(report, filter_names(rule_config)))
    else:
        show_report(terminal(), report, on_stdout=dry_run)
    for message in report.notes:
        terminal().warn(message)
    if not report.kept:
        raise EmptyInputError(
            "no comments are left" if report.read else "there are no comments in what was read",
            "see what dropped them, and ask for less or skip a rule" if report.read else "name a file with comments",
        )
    if not dry_run:
        terminal().info(f"\nwritten to {output} in {report.seconds:.1f} s")
        terminal().info(f"try:  gru train {output}", indent=6)
