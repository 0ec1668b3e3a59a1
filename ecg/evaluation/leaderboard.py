"""The official results of the 41 ranked teams of the PhysioNet/CinC Challenge 2020, and where a score would stand."""

import csv
from dataclasses import dataclass
from pathlib import Path

FIGURES = Path(__file__).with_name("leaderboard.csv")
SETS = {
    "validation": "hidden validation set",
    "hidden_cpsc": "hidden CPSC",
    "hidden_g12ec": "hidden G12EC",
    "hidden_undisclosed": "hidden undisclosed",
    "test": "full test set",
}


@dataclass(frozen=True)
class Standing:
    """Where a score would stand on one of the hidden sets, among the teams' ``scores`` there, best first."""

    set: str
    place: int
    scores: tuple[float, ...]

    @property
    def best(self) -> float:
        return self.scores[0]

    @property
    def median(self) -> float:
        return self.scores[len(self.scores) // 2]


def standings(score: float) -> list[Standing]:
    """The place of ``score`` among the teams' scores on each hidden set; equal scores share the better place."""
    with open(FIGURES, newline="", encoding="utf-8") as file:
        teams = list(csv.DictReader(file))
    result = []
    for column, name in SETS.items():
        scores = sorted((float(team[column]) for team in teams), reverse=True)
        place = 1 + sum(other > score for other in scores)
        result.append(Standing(name, place, tuple(scores)))
    return result
