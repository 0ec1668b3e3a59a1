"""Everything about a trained ensemble except its weights: model.json, or the metadata of an ONNX file.

This file is free of torch. A description may come from a stranger, so every claim is checked before it is used.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecg.classes import LARGEST_REWARD
from ecg.decision.adaptation import Adaptation
from ecg.decision.clinical import decide_clinically
from ecg.decision.hospitals import Hospitals
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.files import read_bytes
from ecg.model.trained_on import TrainedOn
from ecg.recipe import CHOICES, Recipe
from ecg.version import VERSION

DESCRIPTION = "model.json"
LARGEST_DESCRIPTION = 50 << 20  # bytes
MODEL_FORMAT = 4
OLDEST_FORMAT = 2  # formats 2 and 3 have other names for some fields of a recipe, which Recipe.from_json knows
MOST_CLASSES = 200  # the time and memory of a decision grow with the cube of the classes
CODE = re.compile(r"[^\s,#]{1,200}")  # a class code that can stand in an output file

History = Sequence[dict[str, float]]  # one dict per epoch: its number, loss, learning rate, Challenge metric


@dataclass(frozen=True)
class Description:
    """How an ensemble prepares a recording, and how its networks' probabilities become labels.

    ``classes`` are codes, ``rewards`` (classes, classes) is the Challenge's reward matrix, ``thresholds`` has the shape
    (networks, classes). ``clinical_thresholds`` (classes,) is None for a model that was trained before format 4.
    ``histories`` and ``cross_validation`` record the training. ``version`` is that of the entry that trained the
    ensemble, empty before 1.0.0. ``started_from`` names the model that the training started with, "" if it
    started from nothing. ``adapted`` is None unless tools/adapt.py made the model. ``hospitals`` are those that a
    recording may come from, None if only from the training's. ``mean_probabilities`` (classes,) are those of the
    training's held-out recordings, None for a model that was trained before they were kept.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    rewards: np.ndarray
    thresholds: np.ndarray
    clinical_thresholds: np.ndarray | None = None
    trained_on: TrainedOn = TrainedOn()
    histories: Sequence[History] = ()
    cross_validation: dict[str, Any] = field(default_factory=dict)
    version: str = VERSION
    started_from: str = ""
    adapted: Adaptation | None = None
    hospitals: Hospitals | None = None
    mean_probabilities: np.ndarray | None = None

    def decide(self, p: np.ndarray, decision: str | None = None) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Labels, bool, and scores, both (recordings, classes), and a remark on each recording, "" if there is none.

        ``p`` is (networks, recordings, classes). ``decision``: "challenge", "clinical", or None for the recipe's.
        Raises EntryError if the model has no such decision.
        """
        thresholds = self.clinical_thresholds_for(decision)
        if thresholds is None:
            decided = decide_labels(self.recipe, self.rewards, p, self.thresholds, self.hospitals)
            return *decided, [""] * p.shape[1]
        return decide_clinically(self.classes, p, thresholds)

    def clinical_thresholds_for(self, decision: str | None) -> np.ndarray | None:
        """The clinical thresholds if ``decision`` is clinical, else None; EntryError if there is no such decision."""
        decision = decision or self.recipe.decide
        if decision not in CHOICES["decide"]:
            raise EntryError(f"no decision {decision!r}; there are {', '.join(CHOICES['decide'])}")
        if decision == "clinical" and self.clinical_thresholds is None:
            raise EntryError("the model has no clinical thresholds: an earlier version trained it; train it again")
        return self.clinical_thresholds if decision == "clinical" else None

    def as_json(self) -> dict[str, Any]:
        folds: list[dict[str, Any]] = [{"thresholds": row.tolist()} for row in self.thresholds]
        for fold, history in zip(folds, self.histories):
            if history:
                fold["history"] = list(history)
        content: dict[str, Any] = {
            "format": MODEL_FORMAT,
            "version": self.version,
            "recipe": self.recipe.as_json(),
            "classes": list(self.classes),
            "rewards": self.rewards.tolist(),
            "folds": folds,
            "clinical_thresholds": _as_numbers(self.clinical_thresholds),
            "trained_on": self.trained_on.as_json(),
            "cross_validation": self.cross_validation,
        }
        if self.started_from:
            content["started_from"] = self.started_from
        if self.adapted:
            content["adapted"] = self.adapted.as_json(self.classes)
        if self.hospitals:
            content["hospitals"] = self.hospitals.as_json(self.classes)
        if self.mean_probabilities is not None:
            content["mean_probabilities"] = dict(zip(self.classes, self.mean_probabilities.tolist()))
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any], path: Path) -> "Description":
        """Check and convert what ``as_json`` made; ``path`` names the file in errors. Raises EntryError."""
        try:
            if not OLDEST_FORMAT <= content["format"] <= MODEL_FORMAT:
                age = "a newer" if content["format"] > MODEL_FORMAT else "an older"
                raise EntryError(f"{path}: made by {age} version of this entry (format {content['format']}); use that")
            recipe = Recipe.from_json(content["recipe"])
            classes = tuple(content["classes"])
            rewards = np.array(content["rewards"], float)
            thresholds = [[float(value) for value in fold["thresholds"]] for fold in content["folds"]]
            if len(classes) > MOST_CLASSES:
                raise EntryError(f"{path}: {len(classes)} classes are more than {MOST_CLASSES}; train again")
            if not classes or not all(isinstance(code, str) and CODE.fullmatch(code) for code in classes):
                raise EntryError(f"{path}: its classes are not codes; train again")
            if not thresholds or any(
                len(row) != len(classes) or not all(map(math.isfinite, row)) for row in thresholds
            ):
                raise EntryError(f"{path}: does not hold one threshold for each class and fold; train again")
            clinical = content.get("clinical_thresholds")
            if clinical is not None:
                clinical = np.array([math.inf if value is None else float(value) for value in clinical])
            trained_on = TrainedOn.from_json(content["trained_on"]) if "trained_on" in content else TrainedOn()
            histories = [_check_history(fold.get("history", [])) for fold in content["folds"]]
            cross_validation = dict(content.get("cross_validation", {}))
            version = str(content.get("version", ""))
            started_from = str(content.get("started_from", ""))
            adapted = Adaptation.from_json(content["adapted"], classes) if "adapted" in content else None
            hospitals = Hospitals.from_json(content["hospitals"], classes) if "hospitals" in content else None
            means = content.get("mean_probabilities")
            if means is not None:
                means = np.array([float(means[code]) for code in classes])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise EntryError(f"{path}: not a model of this entry ({error}); train again or fetch it again") from error
        if clinical is not None and (clinical.shape != (len(classes),) or np.isnan(clinical).any()):
            raise EntryError(f"{path}: does not hold one clinical threshold for each class; train again")
        if rewards.shape != (len(classes),) * 2 or not (abs(rewards) <= LARGEST_REWARD).all():
            raise EntryError(f"{path}: does not hold one reward for each pair of classes; train again")
        if means is not None and not ((means >= 0) & (means <= 1)).all():
            raise EntryError(f"{path}: does not hold one mean probability for each class; train again")
        return cls(
            recipe,
            classes,
            rewards,
            np.array(thresholds),
            clinical,
            trained_on,
            histories,
            cross_validation,
            version,
            started_from,
            adapted,
            hospitals,
            means,
        )


def read_description(folder: Path) -> Description:
    """The description in ``folder``; EntryError if there is no trained model or the description is damaged."""
    file = folder / DESCRIPTION
    if not file.exists():
        raise EntryError(f"{folder}: holds no trained model (no {DESCRIPTION}); run train_model.py first")
    try:
        content = json.loads(read_bytes(file, LARGEST_DESCRIPTION).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise EntryError(f"{file}: not a model of this entry ({error}); train again or fetch it again") from error
    return Description.from_json(content, file)


def _as_numbers(thresholds: np.ndarray | None) -> list[float | None] | None:
    """JSON has no infinity: a class that is never positive has None."""
    return None if thresholds is None else [value if math.isfinite(value) else None for value in thresholds.tolist()]


def _check_history(history: Any) -> History:
    """A list of dicts of numbers; other values raise an error that from_json catches."""
    return [
        {str(name): float(value) for name, value in epoch.items()} | {"epoch": int(epoch["epoch"])} for epoch in history
    ]
