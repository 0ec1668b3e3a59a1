"""A recipe: all numbers of a training, by name: ``published`` is the paper, ``best`` what was measured to be better."""

from dataclasses import asdict, dataclass, fields, replace
from typing import get_origin

from ecg.errors import EntryError

# What a recipe's words and numbers can be: a model folder may come from a stranger.
KINDS = {
    "resampling": ("interpolate", "average"),
    "schedule": ("steps", "one-cycle"),
    "keep": ("best", "last"),
    "threshold_search": ("grid", "exact"),
    "decision": ("vote", "expected"),
}
LARGEST_BATCH = 2_000_000  # samples of its windows
BOUNDS = {
    "rate": (1, 4000),
    "window": (1, 1_000_000),
    "shortest_window": (1, 1_000_000),
    "overlap": (0, 999_999),
    "width": (1, 4096),
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
    "rehearsal": (0, 100),
    "fewest_rehearsed": (0, 1),
    "temperature": (0.01, 100),
}


@dataclass(frozen=True)
class Recipe:
    """The defaults are the published method's (Zhao et al., arXiv 2112.01496, and the authors' code)."""

    name: str = "published"

    # what the network sees
    rate: float = 257.0  # Hz
    resampling: str = "interpolate"  # "interpolate", as published: no filter against aliasing; or "average"
    trim: bool = False  # silence at the ends, where no lead changes any more, is cut off
    window: int = 4096  # samples, just under 16 s; of a longer recording several
    shortest_window: int = 4096  # samples; a shorter recording is padded to so many
    overlap: int = 256  # samples two windows of a long recording share

    # the network
    width: int = 64  # channels of the first group; 128, 256 and 512 follow
    stem_kernel: int = 15
    kernel: int = 7
    dropout: float = 0.2
    reduction: int = 16  # of the squeeze-and-excite units
    scale: bool = False  # each window is divided by its amplitude, which is told to the network beside age and sex

    # its training
    folds: int = 5
    epochs: int = 50
    batch: int = 64
    learning_rate: float = 0.003
    schedule: str = "steps"  # of the learning rate: "steps", as published, or "one-cycle": up to it and down to 0
    learning_rate_drops: tuple[float, ...] = (0.4, 0.8)  # x 0.1 after these parts of the epochs: 20 and 40 of 50
    warm_up: float = 0.3  # of "one-cycle": the part of the training in which the learning rate rises
    weight_decay: float = 1e-5
    augment: bool = False  # windows are changed at random, as ecg/training/augmentation.py says
    simulated: int = 0  # simulated recordings to learn from first (0: none)
    simulated_epochs: int = 4  # passes over them
    rehearsal: float = 1.0  # so many of them, drawn anew, for each recording of a later epoch,
    fewest_rehearsed: float = 0.1  # and no fewer than this part of them: few recordings would have the rest forgotten
    keep: str = "best"  # the network of the "best" epoch, on the recordings held out, or of the "last"
    seed: int = 2020

    # its decisions
    epoch_threshold: float = 0.2  # one threshold for all classes while the best epoch is chosen
    threshold_search: str = "grid"  # "grid", as published, or "exact"
    decision: str = (
        "vote"  # of the networks, by thresholds, as published, or the label set of "expected" highest metric
    )
    calibrate: bool = False  # most classes' log-odds are shifted to be right on the recordings held out
    temperature: float = 1.0  # of "expected": above 1 the probabilities are believed less

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            kind = get_origin(field.type) or field.type
            if not isinstance(value, (int, float) if kind is float else kind):
                raise EntryError(f"recipe {self.name:.100}: {field.name} {value!r:.100} is no {kind.__name__}")
        for name, known in KINDS.items():
            if getattr(self, name) not in known:
                raise EntryError(
                    f"recipe {self.name:.100}: {name} {getattr(self, name)!r} is none of {', '.join(known)}"
                )
        for name, (lowest, highest) in BOUNDS.items():
            if not lowest <= getattr(self, name) <= highest:
                raise EntryError(f"recipe {self.name:.100}: {name} {getattr(self, name)} is not {lowest} to {highest}")
        if max(self.window, self.shortest_window) * self.batch > LARGEST_BATCH:
            raise EntryError(f"recipe {self.name:.100}: batch {self.batch} of such windows would fill the memory")
        if self.kernel % 2 == 0 or self.stem_kernel % 2 == 0:
            raise EntryError(f"recipe {self.name:.100}: kernel and stem_kernel must be odd")
        if self.overlap >= self.window:
            raise EntryError(f"recipe {self.name:.100}: overlap {self.overlap} must be below window {self.window}")
        if self.reduction > self.width:
            raise EntryError(f"recipe {self.name:.100}: reduction {self.reduction} is more than width {self.width}")
        if self.folds < 2 or self.epochs < 1:
            raise EntryError("a training needs at least 2 folds (one to learn from, one to choose on) and 1 epoch")
        if not 0 <= self.seed < 2**32:
            raise EntryError(f"--seed {self.seed}: must be from 0 to {2**32 - 1}")

    def as_dict(self) -> dict:
        return asdict(self)


PUBLISHED = Recipe()

# What was measured to be better, each departure with its figures in docs/results.md.
BEST = Recipe(
    name="best",
    rate=100.0,
    resampling="average",
    trim=True,
    window=1600,
    shortest_window=512,
    overlap=100,
    width=32,
    scale=True,
    epochs=20,
    batch=32,
    schedule="one-cycle",
    augment=True,
    simulated=10_000,
    keep="last",
    decision="expected",
    calibrate=True,
    temperature=1.2,
)

# Half of the width: for the demo, for tests, for a laptop. Not for a leaderboard.
SMALL = replace(BEST, name="small", width=16, folds=3, epochs=10, batch=16, simulated=2000, threshold_search="exact")

RECIPES = {recipe.name: recipe for recipe in (PUBLISHED, BEST, SMALL)}


def recipe(name: str = "best", **changes) -> Recipe:
    """The recipe called ``name``, with ``changes`` to its numbers (those that are None are left as they are)."""
    if name not in RECIPES:
        raise EntryError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return changed(RECIPES[name], **changes)


def changed(recipe: Recipe, **changes) -> Recipe:
    """``recipe`` with ``changes`` to its numbers (those that are None are left as they are)."""
    return replace(recipe, **{key: value for key, value in changes.items() if value is not None})


def parse_recipe(text: str) -> Recipe:
    """``NAME,number=value,...``: a recipe with other numbers; of several, ``number=value/value``."""
    name, *changes = text.split(",")
    numbers = recipe(name).as_dict()
    kinds = {bool: {"True": True, "False": False}.__getitem__, int: int, float: float, str: str}
    kinds[tuple] = lambda parts: tuple(map(float, parts.split("/")))
    try:
        changed = dict(change.split("=") for change in changes)
        return recipe(name, **{key: kinds[type(numbers[key])](value) for key, value in changed.items()})
    except (ValueError, KeyError) as error:
        raise EntryError(f"{text}: is not NAME,number=value,... with numbers of a recipe ({error})") from error
