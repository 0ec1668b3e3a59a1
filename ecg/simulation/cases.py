"""Who is recorded, where and with which labels: drawn as in the Challenge's training data.

``label_sets.csv`` counts the sets of scored classes in the headers of the 2020 Challenge's six sources (codes that
count as one class merged; from Q, HR and E only the sets that occur at least twice). Ages and sexes are drawn
with each source's mean, spread and part of men. The sources' names, rates and lengths are their own too, but their
longest recordings (up to half an hour) are cut to a minute.
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
    """``digits`` of a recording's number; ``rate`` in Hz; lengths in s; ages in years; ``men``: their part of all.

    ``often``: how many times as often as in reality the source is drawn; the rare ones would never be seen.
    """

    digits: int
    rate: int
    shortest: float
    mean: float
    longest: float
    age: float
    spread: float
    men: float
    often: int = 1


SOURCES = {
    "A": Source(4, 500, 6, 14, 60, age=61, spread=19, men=0.57),
    "Q": Source(4, 500, 6, 14, 60, age=66, spread=17, men=0.59),
    "I": Source(4, 257, 30, 30, 30, age=57, spread=10, men=0.58, often=10),
    "S": Source(4, 1000, 20, 30, 60, age=43, spread=17, men=0.73, often=5),
    "HR": Source(5, 500, 10, 10, 10, age=60, spread=17, men=0.52),
    "E": Source(5, 500, 10, 10, 10, age=61, spread=15, men=0.54),
}


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
def label_sets() -> tuple[tuple[str, tuple[str, ...], int], ...]:
    """The real label sets: (source, abbreviations, recordings), the sources weighted by how often they are drawn."""
    with open(LABEL_SETS, newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        (row["source"], tuple(row["labels"].split()), int(row["recordings"]) * SOURCES[row["source"]].often)
        for row in rows
    )


@cache
def classes() -> tuple[str, ...]:
    """The 24 scored classes by their abbreviations, sorted."""
    return tuple(sorted({label for _, labels, _ in label_sets() for label in labels}))


def draw_label_set(index: int, rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """The source and the label set of recording ``index``.

    Most often it is the turn of one class, all 24 in succession, and one of the sets that have it is drawn; else any
    set. Among those sets each is as frequent as in reality. So every class is in about 3 of 100 recordings or more,
    enough to be learned from a few hundred, while what is common, and what commonly goes together, stays so.
    """
    sets = label_sets()
    if rng.random() < BY_CLASS:
        wanted = classes()[index % len(classes())]
        sets = [row for row in sets if wanted in row[1]]
    counts = np.array([row[2] for row in sets])
    source, labels, _ = sets[np.searchsorted(np.cumsum(counts), rng.integers(counts.sum()), side="right")]
    return source, labels


def draw_case(index: int, rng: np.random.Generator) -> Case:
    """Recording ``index``: a person, the labels and the recorder."""
    name, labels = draw_label_set(index, rng)
    source = SOURCES[name]
    age = int(np.clip(rng.normal(source.age, source.spread), 1, 100))
    sex = "male" if rng.random() < source.men else "female"
    seconds = source.shortest + rng.exponential() * (source.mean - source.shortest)
    return Case(
        source=name,
        labels=labels,
        age=None if rng.random() < UNKNOWN else age,
        sex=None if rng.random() < UNKNOWN else sex,
        rate=source.rate,
        seconds=min(seconds, source.longest),
    )
