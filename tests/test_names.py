"""Names and words across the whole project."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import grucli


def test_no_two_classes_share_a_name() -> None:
    root = Path(grucli.__file__).parent
    files = defaultdict[str, list[str]](list)
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                files[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    assert {name: places for name, places in files.items() if len(places) > 1} == {}


def test_words_have_their_american_spelling() -> None:
    root, british = Path(__file__).parents[1], re.compile(r"(?i)(behavi|col|neighb)our")
    folders = ("benchmarks", "docs", "examples", "grucli", "tests")
    files = [path for folder in folders for path in (root / folder).rglob("*") if path.suffix in (".py", ".md")]
    assert files
    assert [path.name for path in files if british.search(path.read_text(encoding="utf-8"))] == []
