"""The rooms of ecg/: which room may import which, and which ones stay free of torch."""

import ast
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ecg.version import VERSION
from tests.conftest import ROOT, run_script

TOP = "ecg"  # the files at the top of ecg/
MAY_IMPORT = {  # a room may import itself and TOP, and besides:
    TOP: (),
    "data": (),
    "decision": (),
    "evaluation": ("data", "decision"),
    "simulation": ("data",),
    "importing": ("data",),
    "model": ("data", "decision"),
    "training": ("data", "decision", "evaluation", "model", "simulation"),
    "labels": ("data", "evaluation"),
    "explanation": ("data", "model", "simulation"),
    "report": ("data", "evaluation", "explanation", "model"),
}
TORCH_FREE = ("data", "decision", "evaluation", "simulation", "importing", "labels", TOP)
WITH_TORCH = ("ecg/data/packed.py",)  # the exception in these rooms


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / "ecg" / parts[1]).is_dir() else TOP


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports, inside functions too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


FILES = sorted((ROOT / "ecg").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    allowed = {room, TOP, *MAY_IMPORT[room]}
    for module in imports_of(path):
        top = module.split(".")[0]
        assert not (ROOT / f"{top}.py").exists() and top not in ("tools", "benchmarks", "tests"), module
        if top == "ecg":
            assert room_of(module) in allowed, f"{room} may not import {module}"
        if room in TORCH_FREE and str(path.relative_to(ROOT)) not in WITH_TORCH:
            assert top != "torch", f"{room} is free of torch"


def test_every_room_has_one_line_that_says_what_it_holds():
    rooms = [path.name for path in (ROOT / "ecg").iterdir() if (path / "__init__.py").exists()]
    assert sorted([*rooms, TOP]) == sorted(MAY_IMPORT)
    for room in rooms:
        (docstring,) = ast.parse((ROOT / "ecg" / room / "__init__.py").read_text()).body
        assert isinstance(docstring, ast.Expr)


def test_a_description_and_a_decision_need_no_torch():
    """examples/serve_onnx.py runs where torch is not installed; tools/watch.py starts at once."""
    modules = "ecg.model.description, ecg.data.record, ecg.data.windows, ecg.evaluation.outputs, tools.watch"
    command = [sys.executable, "-c", f"import sys; sys.modules['torch'] = None; import {modules}"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_the_drawing_shows_the_rooms_of_today(tmp_path):
    """If this fails: python docs/draw_architecture.py"""
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs" / "draw_architecture.py")
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    drawing.draw_rooms(tmp_path / "rooms.svg")
    drawn, committed = (ElementTree.parse(folder / "rooms.svg") for folder in (tmp_path, drawing.PICTURES))
    assert drawing_of(drawn) == drawing_of(committed)


def drawing_of(svg):
    """The texts, and the number of arrows and boxes: matplotlib's versions differ in the rest."""
    elements = list(svg.iter())
    return sorted(element.text for element in elements if element.tag.endswith("}text")), len(elements)


def test_the_version_is_the_same_everywhere():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
    assert f"version: {VERSION}" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text()
    assert run_script("evaluate_model.py", "--version").stdout.strip() == VERSION
