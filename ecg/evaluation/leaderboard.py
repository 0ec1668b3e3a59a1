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
    """How many teams have a higher score on one hidden set, and the ``scores`` of the teams in descending order."""

    set: str
    higher: int
    scores: tuple[float, ...]

    @property
    def best(self) -> float:
        return self.scores[0]

    @property
    def median(self) -> float:
        return self.scores[len(self.scores) // 2]


def standings(score: float) -> list[Standing]:
    """Compare a Challenge metric with the teams' on each hidden set.

    Parameters
    ----------
    score : float
        The Challenge metric.

    Returns
    -------
    list of Standing
        One for each of SETS.

    Examples
    --------
    >>> test = standings(0.5)[-1]
    >>> test.set, test.higher, test.best
    ('full test set', 3, 0.533)
    """
    with open(TABLE, newline="", encoding="utf-8") as file:
        teams = list(csv.DictReader(file))
    result = []
    for column, name in SETS.items():
        scores = sorted((float(team[column]) for team in teams), reverse=True)
        result.append(Standing(name, sum(other > score for other in scores), tuple(scores)))
    return result
