"""A recipe: all settings of a training run, by name. ``published`` is the paper, ``best`` the default."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_origin

from ecg.errors import EntryError

# The allowed values of a recipe's fields: a model folder may come from a stranger.
CHOICES = {
    "resampling": ("interpolate", "average"),
    "schedule": ("steps", "one-cycle"),
    "keep": ("best", "last"),
    "threshold_search": ("grid", "exact"),
    "challenge_labels": ("vote", "expected"),
    "decide": ("challenge", "clinical"),
    "clinical_target": ("f1", "sensitivity", "ppv"),
}
LARGEST_BATCH = 2_000_000  # samples of its windows
BOUNDS = {
    "rate": (1, 4000),
    "window": (1, 1_000_000),
    "shortest_window": (1, 1_000_000),
    "overlap": (0, 999_999),
    "width": (1, 4096),
    "wide_from": (0, 100_000_000),
    "stem_kernel": (1, 999),
    "kernel": (1, 999),
    "dropout": (0, 0.999),
    "reduction": (1, 4096),
    "batch": (1, 100_000),
    "learning_rate": (0, 1000),
    "warm_up": (0.001, 0.999),
    "weight_decay": (0, 1000),
    "epoch_threshold": (0, 1),
    "simulated": (0, 1_000_000),
    "simulated_epochs": (1, 10_000),
    "replay": (0, 100),
    "min_replay": (0, 1),
    "temperature": (0.01, 100),
    "elsewhere": (0, 0.99),
    "clinical_level": (0.01, 1),
}
RENAMED = {  # names in model folders of formats 2 and 3
    "rehearsal": "replay",
    "fewest_rehearsed": "min_replay",
    "decision": "challenge_labels",
}


@dataclass(frozen=True)
class Recipe:
    """The defaults are the published method's (Zhao et al., arXiv 2112.01496, and the authors' code)."""

    name: str = "published"

    # the network's input
    rate: float = 257.0  # Hz
    resampling: str = "interpolate"  # "interpolate" (published, no anti-alias filter) or "average"
    trim: bool = False  # cut off both ends of a recording where no lead changes
    window: int = 4096  # samples, just under 16 s; a longer recording has several windows
    shortest_window: int = 4096  # samples; a shorter recording is padded to this length
    overlap: int = 256  # samples that two windows of a long recording share

    # the network
    width: int = 64  # channels of the first group; 128, 256 and 512 follow
    wide_from: int = 0  # recordings from which a training doubles the width (0: never)
    stem_kernel: int = 15
    kernel: int = 7
    dropout: float = 0.2
    reduction: int = 16  # of the squeeze-and-excite units
    scale: bool = False  # divide each window by its amplitude, and give the amplitude to the network beside age and sex

    # its training
    folds: int = 5
    epochs: int = 50
    batch: int = 64
    learning_rate: float = 0.003
    schedule: str = "steps"  # of the learning rate: "steps" (published) or "one-cycle"
    learning_rate_drops: tuple[float, ...] = (0.4, 0.8)  # x 0.1 after these fractions of the epochs: 20 and 40 of 50
    warm_up: float = 0.3  # "one-cycle": the fraction of the training in which the learning rate rises
    weight_decay: float = 1e-5
    augment: bool = False  # change windows at random, see ecg/training/augmentation.py
    simulated: int = 0  # simulated recordings for pretraining and replay (0: none)
    simulated_epochs: int = 4  # epochs of pretraining
    replay: float = 1.0  # simulated recordings in each later epoch, as a multiple of the training recordings,
    min_replay: float = 0.1  # but at least this fraction of all simulated ones: small datasets forget them otherwise
    keep: str = "best"  # the network of the "best" epoch on the held-out fold, or of the "last" epoch
    seed: int = 2020

    # its decisions
    epoch_threshold: float = 0.2  # the threshold of all classes for choosing the best epoch
    threshold_search: str = "grid"  # "grid" (published) or "exact"
    calibrate: bool = False  # shift most classes' log-odds to fit the held-out folds
    decide: str = "challenge"  # the labels unless others are asked for: for the "challenge" metric, or "clinical" ones
    challenge_labels: str = "vote"  # "vote" of the networks by thresholds (published), or highest "expected" metric
    temperature: float = 1.0  # "expected": above 1 makes the probabilities less confident
    elsewhere: float = 0.0  # "expected": the probability that a recording is of a hospital like one of the Challenge's
    clinical_target: str = "f1"  # of each class's clinical threshold: highest "f1", or a "sensitivity" or "ppv"
    clinical_level: float = 0.9  # of at least this

    def __post_init__(self) -> None:
        where = f"recipe {self.name:.100}"
        for field in fields(self):
            value: Any = getattr(self, field.name)
            kind: Any = get_origin(field.type) or field.type
            if not isinstance(value, (int, float) if kind is float else kind):
                raise EntryError(f"{where}: {field.name} {value!r:.100} is not of type {kind.__name__}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise EntryError(f"{where}: {name} {getattr(self, name)!r} is not one of {', '.join(choices)}")
        for name, (lowest, highest) in BOUNDS.items():
            if not lowest <= getattr(self, name) <= highest:
                raise EntryError(f"{where}: {name} {getattr(self, name)} is not between {lowest} and {highest}")
        if max(self.window, self.shortest_window) * self.batch > LARGEST_BATCH:
            raise EntryError(f"{where}: batch {self.batch} of such windows would fill the memory")
        if self.kernel % 2 == 0 or self.stem_kernel % 2 == 0:
            raise EntryError(f"{where}: kernel and stem_kernel must be odd")
        if self.overlap >= self.window:
            raise EntryError(f"{where}: overlap {self.overlap} must be below window {self.window}")
        if self.reduction > self.width:
            raise EntryError(f"{where}: reduction {self.reduction} is more than width {self.width}")
        if self.folds < 2 or self.epochs < 1:
            raise EntryError("a training needs at least 2 folds (train on one, validate on the other) and 1 epoch")
        if not 0 <= self.seed < 2**32:
            raise EntryError(f"--seed {self.seed}: must be from 0 to {2**32 - 1}")

    def as_json(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Recipe":
        """The recipe that ``as_json`` made. Raises EntryError or TypeError if it is not one."""
        values: dict[str, Any] = {}
        for name, value in content.items():
            values[RENAMED.get(name, name)] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


PUBLISHED = Recipe()

# Each departure from the paper was measured to be better; docs/results.md has the figures.
BEST = Recipe(
    name="best",
    rate=100.0,
    resampling="average",
    trim=True,
    window=1600,
    shortest_window=512,
    overlap=100,
    width=32,
    wide_from=3000,
    scale=True,
    epochs=20,
    batch=32,
    schedule="one-cycle",
    augment=True,
    simulated=10_000,
    keep="last",
    calibrate=True,
    challenge_labels="expected",
    temperature=1.2,
    elsewhere=0.6,
)

# `best` at half its width: for the demo, for tests, for a laptop. Not for a leaderboard.
SMALL = replace(BEST, name="small", width=16, wide_from=0, folds=3, epochs=10, batch=16, simulated=2000)
SMALL = replace(SMALL, threshold_search="exact")

RECIPES = {recipe.name: recipe for recipe in (PUBLISHED, BEST, SMALL)}


def changed(recipe: Recipe, **changes: Any) -> Recipe:
    """``recipe`` with other values; a change that is None is ignored."""
    return replace(recipe, **{name: value for name, value in changes.items() if value is not None})


def parse_recipe(text: str) -> Recipe:
    """Parse ``NAME`` or ``NAME,field=value,...``; the values of a tuple are separated by slashes.

    A width that is named is kept, however many recordings there are.

    Raises EntryError if there is no such recipe or field, or a value is out of bounds.

    >>> parse_recipe("best,width=64,learning_rate_drops=0.5/0.9").learning_rate_drops
    (0.5, 0.9)
    """
    name, *changes = text.split(",")
    if name not in RECIPES:
        raise EntryError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    parsers: dict[type, Any] = {bool: {"True": True, "False": False}.__getitem__, int: int, float: float, str: str}
    parsers[tuple] = lambda parts: tuple(map(float, parts.split("/")))
    fields_now = asdict(RECIPES[name])
    try:
        pairs = dict(change.split("=") for change in changes)
        if "width" in pairs:
            pairs = {"wide_from": "0", **pairs}
        return changed(RECIPES[name], **{key: parsers[type(fields_now[key])](value) for key, value in pairs.items()})
    except (ValueError, KeyError) as error:
        raise EntryError(f"{text}: is not NAME,field=value,... with fields of a recipe ({error})") from error
