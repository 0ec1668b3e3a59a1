"""The official results of the 41 ranked teams of the PhysioNet/CinC Challenge 2020."""

import csv
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("leaderboard.csv")
SETS = {
    "validation": "hidden validation set",
    "hidden_cpsc": "hidden CPSC",
    "hidden_g12ec": "hidden G12EC",
    "hidden_undisclosed": "hidden undisclosed",
    "test": "full test set",
}


@dataclass(frozen=True)
class Standing:
    """The place of a score on one hidden set, and the ``scores`` of the teams there in descending order."""

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
    """Rank a Challenge metric among the teams on each hidden set.

    Parameters
    ----------
    score : float
        The Challenge metric. A score equal to that of a team shares its place.

    Returns
    -------
    list of Standing
        One for each of SETS.

    Examples
    --------
    >>> test = standings(0.5)[-1]
    >>> test.set, test.place, test.best
    ('full test set', 4, 0.533)
    """
    with open(TABLE, newline="", encoding="utf-8") as file:
        teams = list(csv.DictReader(file))
    result = []
    for column, name in SETS.items():
        scores = sorted((float(team[column]) for team in teams), reverse=True)
        place = 1 + sum(other > score for other in scores)
        result.append(Standing(name, place, tuple(scores)))
    return result
