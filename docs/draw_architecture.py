#!/usr/bin/env python
"""Draw the pictures of docs/architecture.md and the README:  python docs/draw_architecture.py

Writes docs/pictures/data-flow.svg, the flows of data, and docs/pictures/rooms.svg, the rooms of ecg/ with the imports
between them, read from the code. It needs requirements-report.txt.
"""

import ast
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, Arguments, run

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
FLOWS = {  # each flow: its steps, "what|where in the code"; folders and files on disk are in capital letters
    "train_model.py": (
        "DATA",
        "read\necg/data",
        "store\necg/training/store",
        "folds\necg/training/folds",
        "pretrain, fit\nteam_code",
        "calibrate,\nsearch thresholds\nteam_code",
        "MODEL",
    ),
    "driver.py": (
        "DATA",
        "read\necg/data",
        "network input\necg/data/\npreprocessing",
        "windows\necg/data/windows",
        "predict: every\nfold's network\nteam_code",
        "decide labels\necg/decision",
        "OUTPUTS",
    ),
    "evaluate_model.py": (
        "DATA + OUTPUTS",
        "labels, outputs\necg/evaluation/\noutputs",
        "figures\necg/evaluation/\nmetrics",
        "intervals\necg/evaluation/\nbootstrap",
        "report\necg/report",
        "",
        "SCORES",
    ),
}
FLOORS = (  # the rooms from top to bottom, each with its column; a room imports only from the floors below
    {"scripts, tools": 2.0},
    {"team_code": 0.75, "report": 2.6},
    {"training": 1.2, "explanation": 2.6},
    {"labels": 0.0, "model": 1.2, "simulation": 2.3, "importing": 3.4},
    {"evaluation": 0.0},
    {"decision": 0.6, "data": 1.8},
    {"ecg/*.py": 1.2},
)
INK, PAPER, DISK, LINE = "#1f2933", "#ffffff", "#e3edf7", "#8a99a8"


def main() -> int:
    Arguments(__doc__).parse()
    draw_flows(PICTURES / "data-flow.svg")
    draw_rooms(PICTURES / "rooms.svg")
    return ALL_WELL


def draw_flows(path: Path) -> None:
    figure, axes = canvas(width=11.5, height=3.6)
    columns = len(next(iter(FLOWS.values())))
    axes.set(xlim=(-1.3, columns - 0.45), ylim=(-2.5, 0.5))
    for row, (script, steps) in enumerate(FLOWS.items()):
        axes.text(-1.25, -row, script, ha="left", va="center", fontsize=8, fontweight="bold", color=INK)
        shown = [(column, step) for column, step in enumerate(steps) if step]
        for column, step in shown:
            name, _, place = step.partition("\n")
            draw_box(axes, column, -row, 0.4, 0.3, DISK if name.isupper() else PAPER)
            axes.text(column, -row, step, ha="center", va="center", fontsize=6.4, color=INK)
        for (left, _), (right, _) in zip(shown, shown[1:]):
            draw_arrow(axes, (left + 0.4, -row), (right - 0.4, -row))
    save(figure, path, "The flows of data: training, running, scoring")


def draw_rooms(path: Path) -> None:
    figure, axes = canvas(width=7.5, height=6.2)
    axes.set(xlim=(-0.6, 4.0), ylim=(-len(FLOORS) + 0.5, 0.5))
    places = {room: (column, -floor) for floor, rooms in enumerate(FLOORS) for room, column in rooms.items()}
    for importer, imported in sorted(direct(imports_between_rooms())):
        (x, y), (to_x, to_y) = places[importer], places[imported]
        draw_arrow(axes, (x, y - 0.2), (to_x, to_y + 0.2))
    for room, (x, y) in places.items():
        draw_box(axes, x, y, 0.42, 0.2, DISK if room in ("scripts, tools", "team_code") else PAPER)
        axes.text(x, y, room, ha="center", va="center", fontsize=9, color=INK)
    save(figure, path, "The rooms of ecg/: an arrow points from a room to a room that it imports")


def imports_between_rooms() -> set[tuple[str, str]]:
    """The pairs of rooms of which the first imports the second."""
    pairs = set()
    for file in (*ROOT.glob("*.py"), *(ROOT / "tools").glob("*.py"), *(ROOT / "ecg").rglob("*.py")):
        importer = room_of(file.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("ecg", "team_code"):
                imported = room_of(tuple(node.module.split(".")))
                if imported != importer:
                    pairs.add((importer, imported))
    return pairs


def direct(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The ``pairs`` that no chain of others replaces, so that few arrows say the same."""
    below: dict[str, set[str]] = {}
    for importer, imported in pairs:
        below.setdefault(importer, set()).add(imported)

    def reached(room: str) -> set[str]:
        rooms = below.get(room, set())
        return rooms.union(*map(reached, rooms))

    return {(room, other) for room, other in pairs if not any(other in reached(step) for step in below[room])}


def room_of(parts: tuple[str, ...]) -> str:
    if parts[0] == "ecg":
        return parts[1] if len(parts) > 1 and (ROOT / "ecg" / parts[1]).is_dir() else "ecg/*.py"
    return "team_code" if parts == ("team_code",) else "scripts, tools"


def canvas(width: float, height: float):
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text: small files that can be searched
    matplotlib.rcParams["svg.hashsalt"] = "ecg"  # the same picture gives the same file
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def draw_box(axes, x: float, y: float, half_width: float, half_height: float, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner, size = (x - half_width, y - half_height), (2 * half_width, 2 * half_height)
    axes.add_patch(
        FancyBboxPatch(corner, *size, "round,pad=0,rounding_size=0.05", facecolor=colour, edgecolor=INK, linewidth=0.8)
    )


def draw_arrow(axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": LINE, "linewidth": 0.9, "shrinkA": 0})


def save(figure, path: Path, title: str) -> None:
    figure.savefig(path, metadata={"Title": title, "Date": None})
    print(path)


if __name__ == "__main__":
    run(main)
