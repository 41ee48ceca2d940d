"""Names across the whole package."""

import ast
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
