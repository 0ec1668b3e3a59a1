"""Cases: age, sex, labels, source and length of recordings, drawn as in the Challenge's training data.

``label_sets.csv`` counts the sets of scored classes in the headers of the six sources of the 2020 Challenge. Equivalent
codes are merged, and the sets of Q, HR and E that occur only once are left out. Each row also has the mean and standard
deviation of age and the fraction of men, smoothed as if the set had ten more recordings with the values of the whole
source.

Names, sampling rates and lengths follow the sources too, but the half-hour recordings of I are simulated with 30 s, and
all others with at most 60 s.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ecg.classes import ABBREVIATIONS, Weights

LABEL_SETS = Path(__file__).with_name("label_sets.csv")
BALANCED_FRACTION = 0.7  # fraction of recordings that are drawn to show a given class
UNKNOWN_FRACTION = 0.005  # fraction of recordings without an age, and of those without a sex


@dataclass(frozen=True)
class Source:
    """The format of a source's recordings.

    ``digits``: of the number in a recording's name. ``rate``: Hz. ``oversampling``: how many times as often as in the
    real data the source is drawn; without it, small sources would not appear.
    """

    digits: int
    rate: int
    min_seconds: float
    mean_seconds: float
    max_seconds: float
    oversampling: int = 1


SOURCES = {
    "A": Source(4, 500, 6, 14, 60),
    "Q": Source(4, 500, 6, 14, 60),
    "I": Source(4, 257, 30, 30, 30, oversampling=10),
    "S": Source(4, 1000, 20, 30, 60, oversampling=5),
    "HR": Source(5, 500, 10, 10, 10),
    "E": Source(5, 500, 10, 10, 10),
}


@dataclass(frozen=True)
class LabelSet:
    """The real recordings of one source that have the same labels.

    ``labels``: abbreviations. ``recordings``: their number, times the source's ``oversampling``. Ages are in years.
    """

    source: str
    labels: tuple[str, ...]
    recordings: int
    age_mean: float
    age_sd: float
    male_fraction: float


@dataclass(frozen=True)
class Case:
    """One recording to simulate.

    ``labels``: abbreviations, in the order of weights.csv. ``age`` in years and ``sex`` are None if unknown. ``rate``:
    Hz.
    """

    source: str
    labels: tuple[str, ...]
    age: int | None
    sex: str | None
    rate: int
    seconds: float


@cache
def label_sets() -> tuple[LabelSet, ...]:
    with open(LABEL_SETS, newline="") as file:
        return tuple(
            LabelSet(
                source=row["source"],
                labels=tuple(row["labels"].split()),
                recordings=int(row["recordings"]) * SOURCES[row["source"]].oversampling,
                age_mean=float(row["age_mean"]),
                age_sd=float(row["age_sd"]),
                male_fraction=float(row["male_fraction"]),
            )
            for row in csv.DictReader(file)
        )


@cache
def scored_classes() -> tuple[str, ...]:
    """The abbreviations of the 24 scored classes, sorted."""
    return tuple(sorted({label for label_set in label_sets() for label in label_set.labels}))


def simulated_classes(weights: Weights) -> np.ndarray:
    """bool (classes,): the classes of ``weights`` that simulated recordings can show, by one of their codes."""
    return weights.encode(code for code, name in ABBREVIATIONS.items() if name in scored_classes())


def draw_label_set(index: int, rng: np.random.Generator) -> LabelSet:
    """The label set of recording ``index``.

    Most recordings take a set with a given class; the 24 classes take turns. The others take any set. In both cases, a
    set is as frequent as in the real data. So every class is in at least about 3 % of the recordings, enough to train
    on a few hundred of them, while common classes and combinations stay common.
    """
    sets = list(label_sets())
    if rng.random() < BALANCED_FRACTION:
        wanted = scored_classes()[index % len(scored_classes())]
        sets = [label_set for label_set in sets if wanted in label_set.labels]
    counts = np.array([label_set.recordings for label_set in sets])
    return sets[np.searchsorted(np.cumsum(counts), rng.integers(counts.sum()), side="right")]


def draw_case(index: int, rng: np.random.Generator) -> Case:
    """The case of recording ``index``."""
    label_set = draw_label_set(index, rng)
    source = SOURCES[label_set.source]
    age = int(np.clip(rng.normal(label_set.age_mean, label_set.age_sd), 1, 100))
    sex = "male" if rng.random() < label_set.male_fraction else "female"
    seconds = source.min_seconds + rng.exponential() * (source.mean_seconds - source.min_seconds)
    return Case(
        source=label_set.source,
        labels=label_set.labels,
        age=None if rng.random() < UNKNOWN_FRACTION else age,
        sex=None if rng.random() < UNKNOWN_FRACTION else sex,
        rate=source.rate,
        seconds=min(seconds, source.max_seconds),
    )
