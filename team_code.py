"""The entry, from top to bottom: train the SE-ResNet ensemble, search its thresholds, load it, run it.

After Zhao et al., "Analysis of an adaptive lead weighted ResNet for multiclass classification of 12-lead ECGs",
arXiv 2112.01496. The organisers' scripts call training_code, load_model and run_model; what is below them (a header,
a convolution block, a metric) lies in ecg/.
"""

import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ecg import progress
from ecg.classes import Weights, load_weights
from ecg.data import preprocessing
from ecg.data.header import parse_header
from ecg.data.listing import find_headers
from ecg.data.packed import PackedRecordings, pack
from ecg.data.record import make_record
from ecg.data.windows import covering_windows, training_windows
from ecg.decision.calibration import logit_shifts
from ecg.decision.expected_metric import apply_temperature, maximise_expected_metric
from ecg.decision.labels import apply_thresholds, decide_labels
from ecg.errors import EntryError
from ecg.evaluation import metrics
from ecg.evaluation.cross_validation import Figures, summarise_folds, table
from ecg.files import file_digest, write_csv
from ecg.interruption import uninterrupted
from ecg.model import folder as model_folder
from ecg.model.compute import Compute, pick_compute
from ecg.model.folder import Member
from ecg.model.network import SEResNet
from ecg.recipe import RECIPES, Recipe
from ecg.training import checkpoint
from ecg.training.augmentation import augment
from ecg.training.checkpoint import Progress
from ecg.training.epoch_log import EPOCH_LOG, write_epoch_log
from ecg.training.folds import assign_folds, patients_of
from ecg.training.store import Store, fingerprint, open_store

# ---------------------------------------------------------------------------------------------------- training

SIMULATED = 1_000_000  # the first stream of random numbers for simulated recordings; the folds' own are 0, 1 ...


@dataclass(frozen=True)
class Training:
    """What all networks of a training share; the arrays have a row a recording of the ``store``."""

    recipe: Recipe
    compute: Compute
    weights: Weights
    store: Store
    recordings: PackedRecordings  # on the device where it holds them
    labels: np.ndarray  # bool (recordings, classes)
    fold_of: np.ndarray  # (recordings,); -1 where a recording takes no part, as the simulated ones do not
    work_dir: Path  # for what is needed to go on after an interruption

    def learning(self, fold: int) -> np.ndarray:
        """The recordings that the fold's network learns from: those of the other folds."""
        return np.flatnonzero((self.fold_of != fold) & (self.fold_of >= 0))

    def held_out(self, fold: int) -> np.ndarray:
        return np.flatnonzero(self.fold_of == fold)

    @property
    def real(self) -> np.ndarray:
        return np.flatnonzero(~self.store.simulated)

    @property
    def simulated(self) -> np.ndarray:
        return np.flatnonzero(self.store.simulated)


@dataclass(frozen=True)
class Course:
    """What one network learns from and is judged by: recordings, as indices into a training's arrays."""

    name: str  # of what is kept of it
    title: str  # of its lines in the log
    stream: int  # of the random numbers
    recipe: Recipe
    learned: np.ndarray
    rehearsed: np.ndarray  # some of them, drawn anew, are learned with each epoch too
    judged: np.ndarray


def training_code(
    data_directory: str | os.PathLike,
    model_directory: str | os.PathLike,
    recipe: Recipe = RECIPES["best"],
    compute: Compute | None = None,
    patients: str | os.PathLike | None = None,
) -> None:
    """Trains one network a fold on the recordings of ``data_directory``; the ensemble is in ``model_directory`` then.

    ``patients``, a csv of recordings' names and patients, keeps all of a patient's recordings in one fold.

    Started again after an interruption, it goes on where that came, or after the last whole epoch where it could not be
    foreseen, and on a processor with the same number of threads ends with the same weights. Writes to
    ``model_directory`` alone; a model that is there stays whole until the new one replaces it. Raises EntryError where
    there is nothing to train on, another training runs there, or an unfinished one of something else lies there.
    """
    model = Path(model_directory)
    with checkpoint.training_lock(model):
        train_ensemble(prepare(Path(data_directory), model, recipe, compute or pick_compute(), patients), model)


def train_ensemble(training: Training, model: Path) -> None:
    """Trains what is not trained yet; the ensemble and what is known of it are in the folder ``model`` then."""
    recipe, weights, labels = training.recipe, training.weights, training.labels
    networks, histories = zip(*(train_fold(training, fold, pretrain(training, fold)) for fold in range(recipe.folds)))
    out_of_fold, thresholds = judge(training, networks)
    folds = [{"thresholds": row.tolist(), "history": history} for row, history in zip(thresholds, histories)]
    real = training.real
    figures = cross_validation(weights, labels[real], out_of_fold[real], training.fold_of[real], recipe.temperature)
    progress.print_line(table(figures))
    write_out_of_fold(model / "out_of_fold.csv", training, out_of_fold)
    os.replace(training.work_dir / EPOCH_LOG, model / EPOCH_LOG)
    model_folder.save_model(model, recipe, weights, networks, folds, figures)
    shutil.rmtree(training.work_dir / "store")  # before what a restart would need, were this cut short
    shutil.rmtree(training.work_dir)


def prepare(
    data: Path, model: Path, recipe: Recipe, compute: Compute, patients: str | os.PathLike | None = None
) -> Training:
    """Reads the recordings of ``data`` into a store in ``model`` and deals them into folds, as training_code says."""
    work_dir, weights = checkpoint.work_dir(model), load_weights()
    if work_dir.resolve() in (data.resolve(), *data.resolve().parents):
        raise EntryError(f"{data}: is where the training keeps its own files; give another model folder")
    headers = list_folder(data)
    checkpoint.claim(work_dir, recipe, fingerprint(headers, weights, recipe), patients and file_digest(patients))
    store, recordings = read_recordings(headers, work_dir / "store", weights, recipe, compute, recipe.simulated)
    real, fold_of = ~store.simulated, np.full(len(store), -1)
    of_real = patients and patients_of((name for name, is_real in zip(store.names(), real) if is_real), patients)
    fold_of[real] = assign_folds(store.labels[real], store.sources[real], recipe.folds, recipe.seed, of_real)
    progress.print_line(f"recipe {recipe.name}: {recipe.folds} folds x {recipe.epochs} epochs on {compute}")
    return Training(recipe, compute, weights, store, recordings, store.labels, fold_of, work_dir)


def list_folder(data: Path) -> list[Path]:
    """The headers of the recordings of ``data``; what can be none of them is named and left out."""
    return find_headers(data, refuse=lambda error: progress.print_line(f"left out: {error}"))


def read_recordings(
    headers: Sequence[Path], place: Path, weights: Weights, recipe: Recipe, compute: Compute, simulated: int = 0
) -> tuple[Store, PackedRecordings]:
    """Those of the recordings with a scored label, and behind them ``simulated`` ones, kept in ``place``.

    They are on the device where it holds them.
    """
    store = open_store(headers, place, weights, recipe, simulated)
    recordings = PackedRecordings.over(store.signals, store.lengths, store.demographics)
    if compute.holds(recordings.counts.nbytes):
        recordings = recordings.to(compute.device)
    return store, recordings


def pretrain(training: Training, fold: int) -> dict[str, torch.Tensor] | None:
    """What the fold's network begins with: it knows simulated recordings, and no patient's. None: random numbers.

    Textbook first: where a diagnosis is rare, or the recordings are few, most of what is learned comes from here. Each
    fold learns it by itself: networks with one beginning err alike, and together gain little.
    """
    recipe, none = training.recipe, np.zeros(0, int)
    if not recipe.simulated:
        return None
    alone = replace(recipe, epochs=recipe.simulated_epochs, keep="last")
    name, title = f"simulated-{fold + 1}", f"fold {fold + 1}/{recipe.folds}, simulated recordings"
    course = Course(name, title, SIMULATED + fold, alone, training.simulated, none, none)
    return learn(training, course, None)[0].state_dict()


def train_fold(training: Training, fold: int, start: dict[str, torch.Tensor] | None) -> tuple[SEResNet, list[dict]]:
    """The fold's network, begun with ``start``, and the history of its epochs."""
    return learn(training, course_of_fold(training, fold), start)


def course_of_fold(training: Training, fold: int) -> Course:
    title = f"fold {fold + 1}/{training.recipe.folds}"
    learned, judged = training.learning(fold), training.held_out(fold)
    return Course(f"fold-{fold + 1}", title, fold, training.recipe, learned, training.simulated, judged)


def learn(training: Training, course: Course, start: dict[str, torch.Tensor] | None) -> tuple[SEResNet, list[dict]]:
    """The network of the last epoch or the best one, as the recipe says, and the history of all.

    The best epoch has the highest Challenge metric on the recordings it is judged by, with one threshold for all
    classes.
    """
    recipe, weights = course.recipe, training.weights
    seed = np.random.SeedSequence([recipe.seed, course.stream])
    torch.manual_seed(int(seed.generate_state(1)[0]))
    network = model_folder.build_network(recipe, len(weights.classes))
    if start is not None:
        network.load_state_dict(start)
    learner = training.compute.learner(network)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    scaler = training.compute.gradient_scaler()
    file = training.work_dir / f"{course.name}.safetensors"
    state = checkpoint.load_training_state(file, network, optimiser, scaler)
    log = training.work_dir / EPOCH_LOG
    write_epoch_log(log, course.name, state.history)
    if (state.epoch or state.step) and state.epoch < recipe.epochs:
        progress.print_line(f"{course.title}: going on after {state}")
    try:
        while state.epoch < recipe.epochs:
            loss, rate = train_epoch(training, course, learner, optimiser, scaler, state)
            if not math.isfinite(loss):
                raise EntryError(
                    f"{course.title}, epoch {state.epoch + 1}: the loss is not a number; is the data in counts?"
                )
            figures, told = {"loss": loss, "learning_rate": learning_rate(recipe, state.epoch, 1.0)}, ""
            if len(course.judged):
                outputs = apply_thresholds(probabilities_of(training, course.judged, network), recipe.epoch_threshold)
                metric = metrics.challenge_metric(weights, training.labels[course.judged], outputs)
                figures["challenge_metric"] = metric
                told = f"  Challenge metric {metric:6.3f} (best {max(metric, state.best_metric):.3f})"
            with uninterrupted():
                state.end_epoch(network, figures, recipe.keep)
                checkpoint.save_training_state(file, network, optimiser, scaler, state)
                write_epoch_log(log, course.name, state.history)
            progress.print_line(
                f"{course.title}  epoch {state.epoch:2d}/{recipe.epochs}  loss {loss:.4f}{told}"
                f"  {rate:.0f} recordings/s"
            )
    except KeyboardInterrupt as interruption:
        with uninterrupted():
            checkpoint.save_training_state(file, network, optimiser, scaler, state)
        where = f"{course.title}, after {state}"
        interruption.args = (f"interrupted in {where}; all is kept in {file.parent}: the same command goes on",)
        raise
    network.load_state_dict(state.kept)
    return network, state.history


def train_epoch(
    training: Training,
    course: Course,
    learner: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    state: Progress,
) -> tuple[float, float]:
    """One pass over what is to be learned, or what is left of it, in random order; the mean loss, and recordings/s.

    All its draws (order, crops, augmentation, dropout) come from the seed, the course and the epoch, so an epoch can be
    repeated.
    """
    recipe, recordings, compute = course.recipe, training.recordings, training.compute
    random = np.random.default_rng([recipe.seed, course.stream, state.epoch])
    torch.manual_seed(int(random.integers(2**63)))
    learned = what_is_learned(course, random)
    batches = training_windows(learned, recordings.lengths, recipe, random)
    left = batches[state.step :]
    if state.step:
        compute.set_random_state(state.random)
    learner.train()
    total = torch.tensor(state.loss, device=compute.device)  # stays there: to ask for it would let the device wait
    started = time.monotonic()
    try:
        for windows in progress.bar(left, len(left), f"{course.title} epoch {state.epoch + 1}", "batches"):
            with uninterrupted():
                rate = learning_rate(recipe, state.epoch, state.step / len(batches))
                for group in optimiser.param_groups:
                    group["lr"] = rate
                labels = torch.from_numpy(training.labels[windows.recording])
                labels = labels.to(compute.device, non_blocking=True).float()
                seen, demographics = recordings.cut(windows, compute.device)
                if recipe.augment:
                    seen = augment(seen, recipe.rate)
                with compute.autocast():
                    logits = learner(seen, demographics)
                loss = functional.binary_cross_entropy_with_logits(logits, labels)
                optimiser.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimiser)
                scaler.update()
                total += loss.detach() * len(labels)
                state.step += 1
    finally:
        with uninterrupted():
            state.loss, state.random = float(total), compute.random_state()
    rate = sum(len(windows.recording) for windows in left) / (time.monotonic() - started)
    return state.loss / len(learned), rate


def what_is_learned(course: Course, random: np.random.Generator) -> np.ndarray:
    """The recordings of one epoch: all that are to be learned, and those that are rehearsed this time."""
    recipe, simulated = course.recipe, len(course.rehearsed)
    wanted = max(round(recipe.rehearsal * len(course.learned)), round(recipe.fewest_rehearsed * simulated))
    return np.append(course.learned, random.choice(course.rehearsed, min(wanted, simulated), replace=False))


def learning_rate(recipe: Recipe, epoch: int, part: float) -> float:
    """The learning rate after ``epoch`` whole epochs and ``part`` (0 to 1) of the next."""
    if recipe.schedule == "steps":
        drops = sum(epoch >= max(1, round(drop * recipe.epochs)) for drop in recipe.learning_rate_drops)
        return recipe.learning_rate * 0.1**drops
    # one cycle, after Smith and Topin, arXiv 1708.07120: a cosine up from 1/25, then a cosine down to 0
    done, warm = (epoch + part) / recipe.epochs, recipe.warm_up
    if done < warm:
        return recipe.learning_rate * (1 + 24 * (1 - math.cos(math.pi * done / warm)) / 2) / 25
    return recipe.learning_rate * (1 + math.cos(math.pi * (done - warm) / (1 - warm))) / 2


def probabilities_of(training: Training, chosen: np.ndarray, network: SEResNet) -> np.ndarray:
    """(chosen, classes): what ``network`` thinks of the ``chosen`` recordings (indices)."""
    return probabilities([network], training.recordings, chosen, training.recipe, training.compute)[0]


def held_out_probabilities(training: Training, networks: Sequence[SEResNet]) -> np.ndarray:
    """(recordings, classes): what each of the ``networks``, of the first folds, thinks of its fold; elsewhere zeros."""
    out_of_fold = np.zeros(training.labels.shape)
    for fold, network in enumerate(networks):
        here = training.held_out(fold)
        out_of_fold[here] = probabilities_of(training, here, network)
    return out_of_fold


def calibrate(training: Training, networks: Sequence[SEResNet]) -> None:
    """Shifts the log-odds of the ``networks``, of the first folds, to be right on recordings that are held out.

    For each network these are the other folds, each answered for by its own network: no label of its own fold is
    compared with anything, though the networks that answer learned from it. (A single network has no others: its own
    fold it is then.) A source that never has a class does not label it; where most recordings are of such sources, the
    class stays as it is. So does sinus rhythm: how many have it is the hospital's own, and what is right at one would
    be wrong at the next. Of recordings of several windows, each of which is shifted, and not their mean, the shifts
    are right nearly.
    """
    out_of_fold = held_out_probabilities(training, networks)
    if not np.isfinite(out_of_fold).all():
        raise EntryError("a network gives no number for a recording held out from it; with --float32 it may")
    for fold, network in enumerate(networks):
        others = [other for other in range(len(networks)) if other != fold] or [fold]
        judged = np.flatnonzero(np.isin(training.fold_of, others))
        labels, sources = training.labels[judged], training.store.sources[judged]
        labelling = sum((sources == source).sum() * labels[sources == source].any(axis=0) for source in set(sources))
        shifts = logit_shifts(out_of_fold[judged], labels)
        shifts[2 * labelling < len(judged)] = 0
        shifts[training.weights.normal] = 0
        network.shift(shifts)


def judge(training: Training, networks: Sequence[SEResNet]) -> tuple[np.ndarray, list[np.ndarray]]:
    """What the ``networks``, of the first folds, think of what is held out from them, and each one's thresholds there.

    They are calibrated before, where the recipe says so. (recordings, classes), zeros outside their folds; (classes,).
    """
    if training.recipe.calibrate:
        calibrate(training, networks)
    out_of_fold, search = held_out_probabilities(training, networks), SEARCHES[training.recipe.threshold_search]
    held_out = [training.held_out(fold) for fold in range(len(networks))]
    return out_of_fold, [search(training.weights, training.labels[here], out_of_fold[here]) for here in held_out]


# ------------------------------------------------------------------------------------------------ probabilities


@torch.inference_mode()
def probabilities(
    networks: Sequence[SEResNet], recordings: PackedRecordings, chosen: np.ndarray, recipe: Recipe, compute: Compute
) -> np.ndarray:
    """(networks, chosen, classes): of each of the ``chosen`` recordings (indices) the mean over its windows."""
    for network in networks:
        network.eval()
    total = np.zeros((len(networks), len(chosen), networks[0].head.out_features))
    parts = np.zeros(len(chosen))
    for windows in covering_windows(recordings.lengths[chosen], recipe):
        batch = recordings.cut(replace(windows, recording=chosen[windows.recording]), compute.device)
        with compute.autocast():
            logits = torch.stack([network(*batch) for network in networks])
        p = torch.sigmoid(logits).double().cpu().numpy()
        np.add.at(total, (slice(None), windows.recording), p)
        np.add.at(parts, windows.recording, 1)
    return total / parts[:, np.newaxis]


# ------------------------------------------------------------------------------------------ the threshold search
#
# With the other classes as they are, switching class k on in a recording changes its reward by a number that does not
# depend on k's threshold. Sorted by k's probability, the cumulative sum of those numbers is therefore the Challenge
# metric (up to constants) at every threshold there is: a grid reads it at its points, the exact search takes its peak.


def search_grid(weights: Weights, labels: np.ndarray, p: np.ndarray, cycles: int = 1) -> np.ndarray:
    """The paper's constrained grid search: thresholds (classes,) for ``p`` (recordings, classes).

    One common threshold in steps of 0.1, then ``cycles`` times each class in turn in steps of 0.01.
    """
    common = np.arange(11) / 10
    by_threshold = [metrics.challenge_metric(weights, labels, apply_thresholds(p, threshold)) for threshold in common]
    descent = Descent(weights, labels, p, np.full(p.shape[1], common[int(np.argmax(by_threshold))]))
    steps = np.arange(101) / 100
    for _ in range(cycles):
        for k in range(p.shape[1]):
            below = np.searchsorted(descent.sorted_p[k], steps, side="left")
            descent.improve(k, below, steps)
    return descent.thresholds


def search_exact(weights: Weights, labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Thresholds (classes,) that no change of a single class's threshold, to any real value, improves.

    Starts from the grid search's, so it is never below it on the same recordings, and cycles over the classes until
    nothing improves. A threshold is put halfway between the two probabilities it separates.
    """
    descent = Descent(weights, labels, p, search_grid(weights, labels, p))
    candidates = [between(sorted_p) for sorted_p in descent.sorted_p]
    improved = True
    while improved:
        improved = sum(descent.improve(k, *candidates[k]) for k in range(p.shape[1])) > 0
    return descent.thresholds


def between(sorted_p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All ways to cut the ascending ``sorted_p`` in two: how many are below, and a threshold that does it.

    Equal probabilities are on one side together. Halfway between neighbours may round down onto the lower one, which
    would then be positive too: there the threshold is the upper one.
    """
    distinct, first = np.unique(sorted_p, return_index=True)
    lower = np.append(0.0, distinct)
    upper = np.append(distinct, max(1.0, np.nextafter(lower[-1], 2)))
    middle = (lower + upper) / 2
    middle[1:] = np.where(middle[1:] > lower[1:], middle[1:], upper[1:])
    return np.append(first, len(sorted_p)), middle


class Descent:
    """A coordinate descent over the thresholds, with what all recordings earn kept up to date."""

    def __init__(self, weights: Weights, labels: np.ndarray, p: np.ndarray, thresholds: np.ndarray):
        self.thresholds = thresholds
        self._labels, self._p = labels, p
        self._credit = labels @ weights.matrix  # what a positive class adds to a recording's sum, before the division
        self._on = apply_thresholds(p, thresholds)
        self._earned = (self._credit * self._on).sum(axis=1)
        self._union = (labels | self._on).sum(axis=1)
        # of each class the recordings that its threshold decides, by probability; in the others it is on in any case
        favourite = p.argmax(axis=1)
        free = [np.flatnonzero(favourite != k) for k in range(p.shape[1])]
        self._order = [rows[np.argsort(p[rows, k])] for k, rows in enumerate(free)]
        self.sorted_p = [p[rows, k] for k, rows in enumerate(self._order)]

    def improve(self, k: int, below: np.ndarray, thresholds: np.ndarray) -> bool:
        """Moves class ``k`` to the best of ``thresholds`` if that is better than where it is; whether it was.

        ``below``: for each threshold how many of ``sorted_p[k]`` are below it.
        """
        rows = self._order[k]
        gains = np.append(0, np.cumsum(self._gain(k, rows)[::-1]))[::-1]  # gains[i]: with all but the lowest i positive
        best = int(np.argmax(gains[below]))
        now = np.searchsorted(self.sorted_p[k], self.thresholds[k], side="left")
        if gains[below[best]] <= gains[now] + 1e-9:
            return False
        before, after = self._on[rows, k], self._p[rows, k] >= thresholds[best]
        change = after.astype(int) - before
        self._earned[rows] += self._credit[rows, k] * change
        self._union[rows] += change * ~self._labels[rows, k]
        self._on[rows, k] = after
        self.thresholds[k] = thresholds[best]
        return True

    def _gain(self, k: int, rows: np.ndarray) -> np.ndarray:
        """What switching class ``k`` from off to on adds to the reward of each of the recordings ``rows``."""
        credit, label, on = self._credit[rows, k], self._labels[rows, k], self._on[rows, k]
        earned = self._earned[rows] - credit * on
        union = self._union[rows] - (on & ~label)
        return (earned + credit) / (union + ~label) - earned / np.maximum(union, 1)


SEARCHES = {"grid": search_grid, "exact": search_exact}


# -------------------------------------------------------------------------------------------- cross-validation


def cross_validation(
    weights: Weights, labels: np.ndarray, p: np.ndarray, fold_of: np.ndarray, temperature: float
) -> Figures:
    """The figures of the paper's table, for each way to the labels.

    The rows whose thresholds were searched on the recordings that are scored are optimistic, as the paper's are; the
    two after them search each fold's on the other folds' out-of-fold probabilities, and the last one has no thresholds.
    """
    folds = []
    for fold in range(fold_of.max() + 1):
        here, elsewhere = fold_of == fold, fold_of != fold
        ways = {
            "not tuned (0.5)": 0.5,
            "step 1, on this fold": search_grid(weights, labels[here], p[here], cycles=0),
            "steps 1 and 2, on this fold": search_grid(weights, labels[here], p[here]),
            "exact, on this fold": search_exact(weights, labels[here], p[here]),
            "steps 1 and 2, on the other folds": search_grid(weights, labels[elsewhere], p[elsewhere]),
            "exact, on the other folds": search_exact(weights, labels[elsewhere], p[elsewhere]),
        }
        decided = {way: apply_thresholds(p[here], thresholds) for way, thresholds in ways.items()}
        decided["highest expected metric"] = maximise_expected_metric(
            weights.matrix, apply_temperature(p[here], temperature)
        )
        folds.append({way: metrics.score(weights, labels[here], outputs, p[here]) for way, outputs in decided.items()})
    return summarise_folds(folds)


def write_out_of_fold(path: Path, training: Training, p: np.ndarray) -> None:
    """A csv of each recording's probabilities, from the network that did not learn from it."""
    rows = [["record", "fold", *training.weights.classes]]
    for name, fold, row in zip(training.store.names(), training.fold_of, p):
        if fold >= 0:
            rows.append([name, fold + 1, *(f"{value:.6g}" for value in row)])
    write_csv(path, rows)


# -------------------------------------------------------------------------------------------------- the entry


@dataclass(frozen=True)
class Model:
    """A loaded ensemble."""

    recipe: Recipe
    classes: tuple[str, ...]
    rewards: np.ndarray  # (classes, classes): the Challenge metric's, for decisions
    members: list[Member]
    compute: Compute


def load_model(
    model_directory: str | os.PathLike, leads: Sequence[str] | None = None, compute: Compute | None = None
) -> Model:
    """The ensemble that training_code left in ``model_directory``.

    ``leads`` is the official 2021 argument; one ensemble serves every set of leads, so it changes nothing.
    """
    recipe, classes, rewards, members = model_folder.load_model(Path(model_directory))
    compute = compute or pick_compute()
    for member in members:
        member.network.to(compute.device)
    return Model(recipe, classes, rewards, members, compute)


def run_model(model: Model, header: str | Sequence[str], recording: np.ndarray) -> tuple[list, list, list]:
    """Class codes, labels (0 or 1) and probabilities of one recording.

    ``header`` is the header file's text or the list of its lines; ``recording`` (leads, samples), of any number type,
    in the header's order of leads. RecordError where the two do not belong together.
    """
    record = make_record(parse_header(header), recording)
    labels, scores = run_recordings(model, [preprocessing.network_input(record, model.recipe)])
    return list(model.classes), labels[0].tolist(), scores[0].tolist()


def run_recordings(model: Model, views: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Labels (0 or 1) and probabilities (recordings, classes) of several recordings; of each its ``network_input``.

    ArithmeticError where one of them has no probability.
    """
    recordings = pack(views)
    networks = [member.network for member in model.members]
    p = probabilities(networks, recordings, np.arange(len(views)), model.recipe, model.compute)
    if not np.isfinite(p).all():
        raise ArithmeticError("the networks give no number for it; with --float32 they may")
    thresholds = np.array([member.thresholds for member in model.members])
    labels, scores = decide_labels(model.recipe, model.rewards, p, thresholds)
    return labels.astype(int), scores
