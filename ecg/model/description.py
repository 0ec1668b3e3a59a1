"""What a model says of itself beside its networks: in model.json, or in the metadata of an ONNX file.

It may come from a stranger: nothing that it claims is believed before it has been measured.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecg.errors import EntryError
from ecg.recipe import Recipe

FORMAT = 2
MOST_CLASSES = 200  # a decision takes time and memory with their cube
LARGEST_REWARD = 1000.0
CODE = re.compile(r"[^\s,#]{1,200}")  # of a class; so it can stand in an output file


@dataclass(frozen=True)
class Description:
    """Of an ensemble: how it sees a recording, and how its networks' probabilities become labels."""

    recipe: Recipe
    classes: tuple[str, ...]
    rewards: np.ndarray  # (classes, classes): the Challenge metric's
    thresholds: np.ndarray  # (members, classes)


def read_description(path: Path, read: Callable[[], dict[str, Any]]) -> Description:
    """The description in what ``read`` gets from ``path``: format, recipe, classes, rewards and each fold's thresholds.

    EntryError where one of them is not right.
    """
    try:
        content = read()
        if content["format"] != FORMAT:
            age = "a newer" if content["format"] > FORMAT else "an older"
            raise EntryError(f"{path}: of {age} version of this entry (format {content['format']}); use that one")
        recipe = Recipe(**{key: tuple(v) if isinstance(v, list) else v for key, v in content["recipe"].items()})
        classes = tuple(content["classes"])
        rewards = np.array(content["rewards"], float)
        thresholds = [[float(value) for value in fold["thresholds"]] for fold in content["folds"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise EntryError(f"{path}: not a model of this entry ({error}); train again or fetch it again") from error
    if len(classes) > MOST_CLASSES:
        raise EntryError(f"{path}: {len(classes)} classes are more than {MOST_CLASSES}; train again")
    if not classes or not all(isinstance(code, str) and CODE.fullmatch(code) for code in classes):
        raise EntryError(f"{path}: its classes are no codes; train again")
    if not thresholds or any(len(row) != len(classes) or not all(map(math.isfinite, row)) for row in thresholds):
        raise EntryError(f"{path}: does not hold one threshold a class for each fold; train again")
    if rewards.shape != (len(classes),) * 2 or not (abs(rewards) <= LARGEST_REWARD).all():
        raise EntryError(f"{path}: does not hold one reward for each two classes; train again")
    return Description(recipe, classes, rewards, np.array(thresholds))
