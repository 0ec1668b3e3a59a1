"""The entry, from top to bottom: train the SE-ResNet ensemble, search its thresholds, load it, run it.

After Zhao et al., "Analysis of an adaptive lead weighted ResNet for multiclass classification of 12-lead ECGs", arXiv
2112.01496. The organisers' scripts call training_code, load_model and run_model. The parts below them (a header, a
convolution block, a metric) are in ecg/.
"""

import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ecg import progress
from ecg.classes import Weights, write_weights
from ecg.data.packed import PackedRecordings
from ecg.data.preprocessing import NetworkInput, network_input
from ecg.data.record import Record, read_record
from ecg.data.signal_check import make_ecg_record, require_ecg
from ecg.data.windows import training_windows
from ecg.decision.calibration import calibration_shifts
from ecg.decision.clinical import clinical_thresholds
from ecg.decision.coordinate_ascent import CoordinateAscent
from ecg.decision.labels import apply_thresholds, cut_points
from ecg.errors import NonFiniteError
from ecg.evaluation import metrics
from ecg.evaluation.cross_validation import cross_validate, format_table, write_out_of_fold
from ecg.interruption import uninterrupted
from ecg.model.answers import WindowAnswers, answer_by_window, recording_features, recording_probabilities
from ecg.model.compute import Compute, pick_compute
from ecg.model.description import History, read_description
from ecg.model.ensemble import mean_over_windows, probabilities, run_windows
from ecg.model.folder import MODEL_WEIGHTS, Model, build_network, read_model, save_model
from ecg.model.network import SEResNet
from ecg.recipe import RECIPES, Recipe
from ecg.training.augmentation import augment
from ecg.training.checkpoint import Checkpoint, TrainingState
from ecg.training.epoch_log import EPOCH_LOG, format_epoch
from ecg.training.pretrained import shared_pretraining
from ecg.training.schedule import learning_rate
from ecg.training.setup import FitTask, Training, prepare
from ecg.training.starting import fine_tuning, starting_weights
from ecg.training.work_dir import training_lock

# ---------------------------------------------------------------------------------------------------- training


def training_code(
    data_directory: str | os.PathLike,
    model_directory: str | os.PathLike,
    recipe: Recipe | None = None,
    compute: Compute | None = None,
    patients: str | os.PathLike | None = None,
    classes: str | os.PathLike | None = None,
    start: str | os.PathLike | None = None,
    pretrained: str | os.PathLike | None = None,
) -> None:
    """Train an ensemble, one network for each fold.

    A training that was interrupted resumes when it is started again. On a CPU with the same number of threads it ends
    with the same weights. A model that is already there stays whole until the new one replaces it.

    Parameters
    ----------
    data_directory : path
        The folder of the labelled recordings. It is only read.
    model_directory : path
        The folder for the model. Nothing is written elsewhere, unless ``pretrained`` is given.
    recipe : Recipe, optional
        The settings of the training; the default is ``best``, or fine-tuning by the recipe of the model to start with.
    compute : Compute, optional
        Device and dtype; the default is the fastest here.
    patients : path, optional
        A csv of recordings and patients; keeps each patient in one fold.
    classes : path, optional
        A table of own classes, or another weights.csv (docs/classes.md); the default is the Challenge's weights.csv.
    start : path, optional
        The folder of a model to fine-tune: each network starts with the weights of one of its networks.
    pretrained : path, optional
        A folder that keeps networks pretrained on simulated recordings for later trainings on the same machine.

    Raises
    ------
    EntryError
        If nothing can be trained on, or the model folder has a running training or an unfinished one of other data.
    """
    model = Path(model_directory)
    recipe = recipe or (fine_tuning(read_description(Path(start)).recipe) if start else RECIPES["best"])
    with training_lock(model):
        options = patients, classes, start, pretrained
        train_ensemble(prepare(Path(data_directory), model, recipe, compute or pick_compute(), *options), model)


def train_ensemble(training: Training, model: Path) -> None:
    """Train the networks that are not trained yet, and write the ensemble to the folder ``model``."""
    recipe, weights = training.recipe, training.weights
    networks, histories = zip(*(train_fold(training, fold) for fold in range(recipe.folds)))
    p, thresholds = validate(training, networks)
    labels, p, fold_of = (rows[training.real] for rows in (training.labels, p, training.fold_of))
    searches = {"step 1": search_common, "steps 1 and 2": search_grid, "exact": search_exact}
    figures = cross_validate(recipe, weights, labels, p, fold_of, searches, training.hospitals)
    progress.print_line(format_table(figures))
    clinical = clinical_thresholds(recipe, labels, p)
    write_out_of_fold(model / "out_of_fold.csv", training.names, fold_of, weights, p)
    os.replace(training.work_dir / EPOCH_LOG, model / EPOCH_LOG)
    write_weights(model / MODEL_WEIGHTS, weights)
    save_model(model, training.describe(thresholds, clinical, histories, figures, p.mean(axis=0)), networks)
    shutil.rmtree(training.work_dir / "store")  # first the patients' data, in case this is interrupted
    shutil.rmtree(training.work_dir)
    progress.print_line(f"The model is in {model}. Run it: python driver.py {model} DATA OUTPUTS")


def train_fold(training: Training, fold: int) -> tuple[SEResNet, History]:
    """Fit the fold's network to the recordings of the other folds, pretrained or from the model to start with."""
    task = training.fold_task(fold)
    if training.start is None:
        return fit(training, task, pretrain(training, fold))
    labels = training.labels[task.train]
    return fit(training, task, starting_weights(training.start, fold, training.weights.classes, labels))


def pretrain(training: Training, fold: int) -> dict[str, torch.Tensor] | None:
    """The weights of a network fitted to the simulated recordings alone; None if the recipe has none.

    Rare diagnoses and small datasets gain most from simulated recordings. Each fold pretrains its own network: networks
    with the same beginning make the same errors, and gain little together.
    """
    if not training.recipe.simulated:
        return None
    with shared_pretraining(training):
        return fit(training, training.pretraining_task(fold))[0].state_dict()


def fit(training: Training, task: FitTask, start: dict[str, torch.Tensor] | None = None) -> tuple[SEResNet, History]:
    """Fit one network, from the weights ``start`` or random ones; return it with the history of its epochs.

    The network is that of the last epoch, or of the best one, as the recipe says. The best epoch has the highest
    Challenge metric on the validation part, with one threshold for all classes.
    """
    recipe, compute = task.recipe, training.compute
    seed = np.random.SeedSequence([recipe.seed, task.stream])
    torch.manual_seed(int(seed.generate_state(1)[0]))
    network = build_network(recipe, len(training.weights.classes))
    if start is not None:
        network.load_state_dict(start)
    wrapped = compute.wrap(network)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    scaler = compute.gradient_scaler()
    checkpoint = Checkpoint(training.work_dir, task.name, task.title, network, optimiser, scaler)
    state = checkpoint.state
    with checkpoint.saved_on_interruption(recipe.epochs):
        while state.epoch < recipe.epochs:
            loss, rate = train_epoch(training, task, wrapped, optimiser, scaler, state)
            trained = time.monotonic()
            if not math.isfinite(loss):
                raise NonFiniteError(f"{task.title}, epoch {state.epoch + 1}: the loss is not finite; try --float32")
            figures = {"loss": loss, "learning_rate": learning_rate(recipe, state.epoch, 1.0)}
            if len(task.validation):
                outputs = apply_thresholds(predict_with(training, network, task.validation), recipe.epoch_threshold)
                labels = training.labels[task.validation]
                figures["challenge_metric"] = metrics.challenge_metric(training.weights, labels, outputs)
            checkpoint.end_epoch(figures, recipe.keep)
            time_left = training.time_left.end_epoch(training.work_dir, task.name, rate, time.monotonic() - trained)
            progress.print_line(format_epoch(task.title, recipe, state.history, rate) + time_left)
    network.load_state_dict(state.kept)
    return network, state.history


def train_epoch(
    training: Training,
    task: FitTask,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    state: TrainingState,
) -> tuple[float, float]:
    """Run one epoch, or the rest of an interrupted one; return the mean loss and the speed in recordings/s.

    An epoch can be repeated: all random draws (order, crops, augmentation, dropout) come from seed, task and epoch.
    """
    recipe, recordings, compute = task.recipe, training.recordings, training.compute
    random = np.random.default_rng([recipe.seed, task.stream, state.epoch])
    compute.seed(int(random.integers(2**63)))
    train = task.recordings_of_epoch(random)
    batches = training_windows(train, recordings.lengths, recipe, random)
    remaining = batches[state.step :]
    if state.step:
        compute.set_random_state(state.random)
    network.train()
    total = torch.tensor(state.loss, device=compute.device)  # on the device, so that the CPU never waits for it
    started = time.monotonic()
    try:
        title = f"{task.title}  epoch {state.epoch + 1}/{recipe.epochs}{training.time_left.text}"
        for batch in progress.bar(remaining, len(remaining), title, "batches"):
            with uninterrupted():
                rate = learning_rate(recipe, state.epoch, state.step / len(batches))
                for group in optimiser.param_groups:
                    group["lr"] = rate
                windows = compute.share(batch)
                labels = torch.from_numpy(training.labels[windows.recording])
                labels = labels.to(compute.device, non_blocking=True).float()
                signals, demographics = recordings.cut(windows, compute.device)
                if recipe.augment:
                    signals = augment(signals, recipe.rate)
                with compute.autocast():
                    logits = network(signals, demographics)
                known = training.known_labels(windows.recording)
                mask = None if known is None else torch.from_numpy(known).to(logits, non_blocking=True)
                loss = functional.binary_cross_entropy_with_logits(logits, labels, mask)
                optimiser.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimiser)
                scaler.update()
                total += loss.detach() * len(batch.recording)
                state.step += 1
    finally:
        with uninterrupted():
            state.loss, state.random = float(total), compute.random_state()
    speed = sum(len(batch.recording) for batch in remaining) / (time.monotonic() - started)
    return compute.average(state.loss / len(train)), speed


# -------------------------------------------------------------------------------- predictions and calibration


def predict(
    networks: Sequence[SEResNet], recordings: PackedRecordings, chosen: np.ndarray, recipe: Recipe, compute: Compute
) -> np.ndarray:
    """Probabilities (networks, chosen, classes) of the ``chosen`` recordings (indices), averaged over windows.

    Raises NonFiniteError if one of them is not finite.
    """
    batches = run_windows(probabilities, networks, recordings, chosen, recipe, compute)
    return mean_over_windows(batches, (len(networks), len(chosen), networks[0].head.out_features), "probability")


def predict_with(training: Training, network: SEResNet, chosen: np.ndarray) -> np.ndarray:
    """Probabilities (chosen, classes) of the training's ``chosen`` recordings (indices) by one network."""
    return predict([network], training.recordings, chosen, training.recipe, training.compute)[0]


def predict_held_out(training: Training, networks: Sequence[SEResNet]) -> np.ndarray:
    """Probabilities (recordings, classes): each fold by its own network, zeros in folds without a network.

    ``networks`` are those of the first folds.
    """
    p = np.zeros(training.labels.shape)
    for fold, network in enumerate(networks):
        held_out = training.held_out(fold)
        p[held_out] = predict_with(training, network, held_out)
    return p


def calibrate(training: Training, networks: Sequence[SEResNet]) -> None:
    """Shift the log-odds of the ``networks``, those of the first folds, to fit held-out recordings.

    A network is calibrated on the other folds, each predicted by its own network. So no label of the network's own fold
    is used. A single network has no other folds and is calibrated on its own. Each window is shifted, not the mean over
    a recording's windows, so the shifts of recordings with several windows are approximate.
    """
    p = predict_held_out(training, networks)
    for fold, network in enumerate(networks):
        others = [other for other in range(len(networks)) if other != fold] or [fold]
        chosen = np.flatnonzero(np.isin(training.fold_of, others))
        labels, sources = training.labels[chosen], training.store.sources[chosen]
        network.shift(calibration_shifts(p[chosen], labels, sources, training.weights.normal))


def validate(training: Training, networks: Sequence[SEResNet]) -> tuple[np.ndarray, np.ndarray]:
    """Calibrate the ``networks`` if the recipe says so, predict their held-out folds, and search their thresholds.

    Returns probabilities (recordings, classes), as predict_held_out has them, and thresholds (networks, classes).
    """
    if training.recipe.calibrate:
        calibrate(training, networks)
    p, search = predict_held_out(training, networks), SEARCHES[training.recipe.threshold_search]
    thresholds = []
    for fold in range(len(networks)):
        held_out = training.held_out(fold)
        thresholds.append(search(training.weights, training.labels[held_out], p[held_out]))
    return p, np.array(thresholds)


# ------------------------------------------------------------------------------------------ the threshold search


def search_common(weights: Weights, labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Step 1 of the paper's grid search: one common threshold in steps of 0.1, as (classes,).

    ``labels``, bool, and the probabilities ``p`` are (recordings, classes).
    """
    steps = np.arange(11) / 10
    scores = [metrics.challenge_metric(weights, labels, apply_thresholds(p, threshold)) for threshold in steps]
    return np.full(p.shape[1], steps[int(np.argmax(scores))])


def search_grid(weights: Weights, labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Steps 1 and 2 of the paper's constrained grid search: thresholds (classes,).

    Step 2 searches each class's threshold in turn, once, in steps of 0.01.
    """
    ascent = CoordinateAscent(weights, labels, p, search_common(weights, labels, p))
    steps = np.arange(101) / 100
    for k in range(p.shape[1]):
        below = np.searchsorted(ascent.sorted_p[k], steps, side="left")
        ascent.improve(k, below, steps)
    return ascent.thresholds


def search_exact(weights: Weights, labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Thresholds (classes,) that no change of a single class's threshold improves.

    The search starts at the grid search's thresholds, so the metric is never below theirs on the same recordings. It
    cycles over the classes until nothing improves. Each threshold lies halfway between the two probabilities it
    separates.
    """
    ascent = CoordinateAscent(weights, labels, p, search_grid(weights, labels, p))
    candidates = [cut_points(sorted_p) for sorted_p in ascent.sorted_p]
    improved = True
    while improved:
        improved = sum(ascent.improve(k, *candidates[k]) for k in range(p.shape[1])) > 0
    return ascent.thresholds


SEARCHES = {"grid": search_grid, "exact": search_exact}


# --------------------------------------------------------------------------------------------------- the entry


def load_model(
    model_directory: str | os.PathLike, leads: Sequence[str] | None = None, compute: Compute | None = None
) -> Model:
    """Load the ensemble that training_code wrote.

    Parameters
    ----------
    model_directory : path
        The model folder.
    leads : sequence of str, optional
        The official argument of 2021. It changes nothing: one ensemble serves every set of leads.
    compute : Compute, optional
        Device and dtype; the default is the fastest here.

    Raises
    ------
    EntryError
        If the folder holds no model, or one that is damaged.

    Examples
    --------
    >>> len(load_model("models/open").networks)
    4
    """
    return read_model(Path(model_directory), compute or pick_compute())


def run_model(
    model: Model,
    header: str | Sequence[str],
    recording: np.ndarray,
    units: str = "counts",
    decision: str | None = None,
) -> tuple[list, list, list]:
    """Classify one recording.

    Parameters
    ----------
    model : Model
        The loaded ensemble.
    header : str or sequence of str
        The header file's text, or the list of its lines.
    recording : array (leads, samples)
        ADC counts of any number type, in the header's order of leads.
    units : str
        The unit of ``recording``: "counts", which are taken for 1 uV each, "uV", "mV" or "V".
    decision : str, optional
        "challenge" or "clinical" labels; the default is the recipe's, and that is "challenge".

    Returns
    -------
    classes, labels, probabilities : lists
        Class codes, labels (0 or 1), and probabilities. No clinical label is 1 if the networks are inconclusive.

    Raises
    ------
    RecordError
        If the header and the recording contradict each other, or the signal is no ECG, for example in another unit.
    NonFiniteError
        If the networks give no finite probability.

    Examples
    --------
    >>> header = "A0001 2 500 5000\\nA0001.mat 16+24 1000/mV 16 0 0 0 0 I\\nA0001.mat 16+24 1000/mV 16 0 0 0 0 II"
    >>> signal = np.sin(np.arange(10_000).reshape(2, 5000) / 50)
    >>> classes, labels, p = run_model(load_model("models/open"), header, signal, units="mV")
    >>> len(classes), len(labels), len(p)
    (24, 24, 24)
    """
    return _run_record(model, make_ecg_record(header, recording, units), decision)


def run_recording(model: Model, path: str | os.PathLike, decision: str | None = None) -> tuple[list, list, list]:
    """Classify the recording at ``path``, a WFDB header or a file of another format, as ``driver.py`` does.

    ``decision``, the result and the errors are those of ``run_model``.
    """
    record = read_record(path, lenient=True)
    require_ecg(record, str(path))
    return _run_record(model, record, decision)


def run_by_window(
    model: Model, header: str | Sequence[str], recording: np.ndarray, units: str = "counts", decision: str | None = None
) -> WindowAnswers:
    """Classify each window of a long recording; arguments and errors are those of ``run_model``."""
    return answer_by_window(model, make_ecg_record(header, recording, units), decision)


def run_features(model: Model, header: str | Sequence[str], recording: np.ndarray, units: str = "counts") -> np.ndarray:
    """Features of one recording's signal, float32 (networks, 8 x width).

    They are the last layer's input without age and sex, the mean over the windows. Arguments and errors are those of
    ``run_model``.
    """
    return recording_features(model, [network_input(make_ecg_record(header, recording, units), model.recipe)])[:, 0]


def _run_record(model: Model, record: Record, decision: str | None) -> tuple[list, list, list]:
    labels, scores, _ = run_recordings(model, [network_input(record, model.recipe)], decision)
    return list(model.classes), labels[0].tolist(), scores[0].tolist()


def run_recordings(
    model: Model, inputs: Sequence[NetworkInput], decision: str | None = None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labels (0 or 1) and probabilities, both (recordings, classes), of network inputs, and a remark on each.

    Raises NonFiniteError if a probability is not finite.
    """
    labels, scores, remarks = model.description.decide(recording_probabilities(model, inputs), decision)
    return labels.astype(int), scores, remarks
