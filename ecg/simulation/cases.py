"""Who is recorded, where and with which labels: drawn as in the Challenge's training data.

``label_sets.csv`` counts the sets of scored classes in the headers of the 2020 Challenge's six sources (codes that
count as one class merged; from Q, HR and E only the sets that occur at least twice), and says who has them: the mean
and the standard deviation of their ages, and the part of men (as if ten more had them who are as the whole source is,
so that few recordings say little). The sources' names, rates and lengths are their own too, but of recordings that
last half an hour there are 30 s, and of others a minute at most.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

LABEL_SETS = Path(__file__).with_name("label_sets.csv")
BY_CLASS = 0.7  # the part of recordings that take their turn in showing a class
UNKNOWN = 0.005  # the part of people whose age is unknown, and of those whose sex is


@dataclass(frozen=True)
class Source:
    """``digits`` of a recording's number; ``rate`` in Hz; lengths in s.

    ``often``: how many times as often as in reality the source is drawn; the rare ones would never be seen.
    """

    digits: int
    rate: int
    shortest: float
    mean: float
    longest: float
    often: int = 1


SOURCES = {
    "A": Source(4, 500, 6, 14, 60),
    "Q": Source(4, 500, 6, 14, 60),
    "I": Source(4, 257, 30, 30, 30, often=10),
    "S": Source(4, 1000, 20, 30, 60, often=5),
    "HR": Source(5, 500, 10, 10, 10),
    "E": Source(5, 500, 10, 10, 10),
}


@dataclass(frozen=True)
class LabelSet:
    """Real recordings of one ``source`` with the same ``labels`` (abbreviations): how many, and of whom.

    The source's ``often`` is in their number. ``age`` and its standard deviation in years; ``men``: their part of all.
    """

    source: str
    labels: tuple[str, ...]
    recordings: int
    age: float
    spread: float
    men: float


@dataclass(frozen=True)
class Case:
    """One recording to make. ``labels``: abbreviations, in the order of weights.csv; age and sex None if unknown."""

    source: str
    labels: tuple[str, ...]
    age: int | None
    sex: str | None
    rate: int
    seconds: float


@cache
def label_sets() -> tuple[LabelSet, ...]:
    """The real label sets, the sources weighted by how often they are drawn."""
    with open(LABEL_SETS, newline="") as file:
        return tuple(
            LabelSet(
                row["source"],
                tuple(row["labels"].split()),
                int(row["recordings"]) * SOURCES[row["source"]].often,
                *(float(row[fact]) for fact in ("age", "spread", "men")),
            )
            for row in csv.DictReader(file)
        )


@cache
def classes() -> tuple[str, ...]:
    """The 24 scored classes by their abbreviations, sorted."""
    return tuple(sorted({label for one in label_sets() for label in one.labels}))


def draw_label_set(index: int, rng: np.random.Generator) -> LabelSet:
    """The label set of recording ``index``.

    Most often it is the turn of one class, all 24 in succession, and one of the sets that have it is drawn; else any
    set. Among those sets each is as frequent as in reality. So every class is in about 3 of 100 recordings or more,
    enough to be learned from a few hundred, while what is common, and what commonly goes together, stays so.
    """
    sets = label_sets()
    if rng.random() < BY_CLASS:
        wanted = classes()[index % len(classes())]
        sets = [one for one in sets if wanted in one.labels]
    counts = np.array([one.recordings for one in sets])
    return sets[np.searchsorted(np.cumsum(counts), rng.integers(counts.sum()), side="right")]


def draw_case(index: int, rng: np.random.Generator) -> Case:
    """Recording ``index``: a person, the labels and the recorder."""
    drawn = draw_label_set(index, rng)
    source = SOURCES[drawn.source]
    age = int(np.clip(rng.normal(drawn.age, drawn.spread), 1, 100))
    sex = "male" if rng.random() < drawn.men else "female"
    seconds = source.shortest + rng.exponential() * (source.mean - source.shortest)
    return Case(
        source=drawn.source,
        labels=drawn.labels,
        age=None if rng.random() < UNKNOWN else age,
        sex=None if rng.random() < UNKNOWN else sex,
        rate=source.rate,
        seconds=min(seconds, source.longest),
    )
