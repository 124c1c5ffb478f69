"""Docstrings of the signal path: what goes in, what comes out, how late, from when on, and after whom."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SIGNAL = Path(__file__).resolve().parents[2] / "signal" / "becalm_signal"
FEEDING = {"feed", "run", "step", "push", "beat", "turn", "take", "tick", "hear", "place", "review", "read"}
FEEDING |= {"compare", "error_ms", "add", "common_breath", "judge", "learn"}
"""Methods that take samples, beats, turns or packets: who has one, or gives an index, is part of the signal path."""
INHERITED = {"samples", "first", "clock"}
"""Arguments of `Stage.feed`: a stage says no more of them than the protocol does."""
EXEMPT = {
    "chest_streams": "makes stages",
    "clock_for": "makes a clock",
    "make_sections": "makes sections",
    "neurokit": "gives a module",
    "in_words": "words",
    "rank_of": "an order of sources",
    "told_at_ticks": "an order of sources",
    "events_sha256": "a hash",
    "Board": "hands on what others tell",
    "BreathBoard": "hands on what others tell",
    "SlowBoard": "hands on what others tell",
    "Renewed": "hands on what others tell",
    "Stage": "a protocol",
    "Section": "a protocol",
}
"""Names that take and give no signal of their own, and why."""
SOURCE = re.compile(r"DOI 10\.\d{4}|docs/indices\.md|no DOI")


def functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """Public functions of a module, or methods of a class that are no accessors."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and not child.name.startswith("_") and not child.decorator_list:
            yield child


def gives_index(function: ast.FunctionDef) -> bool:
    return bool(function.returns and re.fullmatch(r"Index|dict\[str, Index\]", ast.unparse(function.returns)))


def has(doc: str, section: str) -> bool:
    return re.search(rf"^{section}\n-{{{len(section)}}}$", doc, re.MULTILINE) is not None


def lacking(function: ast.FunctionDef) -> list[str]:
    """Sections that a function or method should have and has not."""
    doc = ast.get_docstring(function) or ""
    asked = {arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)} - {"self"}
    wanted = ["Parameters"] if asked else []
    wanted += ["Returns"] if function.returns and ast.unparse(function.returns) != "None" else []
    return [section for section in wanted if not has(doc, section)]


def lacking_in_class(node: ast.ClassDef) -> list[str]:
    doc = ast.get_docstring(node) or ""
    lacks = [section for section in ("Notes", "References") if not has(doc, section)]
    notes, _, sources = doc.partition("\nReferences\n")
    lacks += [word for word in ("Delay", "Warm-up") if word not in notes]
    return lacks if SOURCE.search(sources) else [*lacks, "a source"]


def is_inherited(method: ast.FunctionDef) -> bool:
    return {arg.arg for arg in (*method.args.args, *method.args.kwonlyargs)} - {"self"} == INHERITED


@pytest.mark.parametrize("path", sorted(SIGNAL.glob("*.py")), ids=lambda path: path.stem)
def test_the_signal_path_says_what_goes_in_and_out_how_late_and_after_whom(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    wrong = {f.name: lacks for f in functions(module) if f.name not in EXEMPT and (lacks := lacking(f))}
    for node in module.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_") or node.name in EXEMPT:
            continue
        feeding = [method for method in functions(node) if method.name in FEEDING]
        if (feeding or any(map(gives_index, functions(node)))) and (lacks := lacking_in_class(node)):
            wrong[node.name] = lacks
        for method in feeding:
            if not is_inherited(method) and (lacks := lacking(method)):
                wrong[f"{node.name}.{method.name}"] = lacks
    assert wrong == {}


def test_every_exemption_is_of_something_that_is_there() -> None:
    named = {
        node.name
        for path in SIGNAL.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    assert set(EXEMPT) - named == set()
