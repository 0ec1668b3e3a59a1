"""A library for bench.py: the stages, one function each, which yield rows of the table and notes below it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import team_code
from benchmarks import plain
from benchmarks.material import WEIGHTS, draw_labels, write_headers, write_model, write_recordings
from benchmarks.measuring import ROOT, compare, peak_memory, time_call
from driver import write_outputs
from ecg.classes import NORMAL, WEIGHTS_FILE
from ecg.data.packed import PackedRecordings
from ecg.data.signal_files import read_counts
from ecg.data.windows import training_windows
from ecg.evaluation.outputs import format_outputs
from ecg.files import read_text
from ecg.model.compute import Compute
from ecg.model.folder import build_network
from ecg.model.network import SEResNet
from ecg.recipe import RECIPES, Recipe
from ecg.training.checkpoint import TrainingState
from ecg.training.setup import FitTask, Training, prepare
from ecg.training.store import Store, open_store

CHALLENGE = 37_749  # recordings with a scored class in the Challenge's training data
PUBLISHED, BEST = RECIPES["published"], RECIPES["best"]
SPEED = "recordings/s"


@dataclass(frozen=True)
class Row:
    """One row of the table; ``plain`` and ``ours`` are in ``unit``."""

    stage: str
    unit: str
    plain: float
    ours: float
    ratio: str
    goal: str = ""


def store(folder: Path, compute: Compute) -> Iterator[Row | str]:
    """Decode and resample a folder once; then cut the windows of an epoch."""
    headers = write_recordings(folder / "data", 2000)
    few = headers[:300]

    def build(headers: list[Path], recipe: Recipe = BEST) -> Store:
        shutil.rmtree(folder / "store", ignore_errors=True)
        return open_store(headers, folder / "store", WEIGHTS, recipe)

    def read_plain() -> None:
        for header in few:
            plain.read(header)

    build(headers)  # starts the worker processes, which a training does only once
    for recipe in (PUBLISHED, BEST):
        speeds = compare(read_plain, partial(build, headers, recipe), 3, len(few), len(headers))
        yield Row(f"store: decode a folder once, {recipe.name}", SPEED, *speeds, ">= 1,500 a second")
    for number in (500, 1000, 2000):
        milliseconds = 1000 * time_call(partial(build, headers[:number])) / number
        yield f"store: {milliseconds:.2f} ms a recording with {number} recordings"
    code = (
        "from pathlib import Path; from ecg.training.store import open_store; from ecg.classes import load_weights;"
        "from ecg.recipe import RECIPES; from ecg.data.listing import find_recordings;"
        f"open_store(find_recordings({str(folder / 'data')!r}), Path({str(folder / 'store2')!r}), load_weights(),"
        " RECIPES['best'])"
    )
    yield f"store: peak memory {peak_memory('-c', code):.0f} MB"

    opened = build(headers)
    recordings = PackedRecordings.over(opened.signals, opened.lengths, opened.demographics)

    def cut_epoch() -> None:
        for windows in training_windows(np.arange(len(opened)), recordings.lengths, BEST, np.random.default_rng(0)):
            recordings.cut(windows, torch.device("cpu"))

    speeds = compare(read_plain, cut_epoch, 3, len(few), len(opened))
    yield Row("windows of an epoch, best", SPEED, *speeds, "memory speed")


def training(folder: Path, compute: Compute) -> Iterator[Row | str]:
    """Train an epoch of 128 recordings of 10 s, in two batches, with the full network."""
    headers = write_recordings(folder / "data", 160)
    yield from train_recipe(headers, PUBLISHED, folder, compute, "")
    yield from train_recipe(headers, BEST, folder, compute, ">= 3.5")


def train_recipe(headers: list[Path], recipe: Recipe, folder: Path, compute: Compute, goal: str) -> Iterator[Row | str]:
    recipe = replace(recipe, folds=5, batch=64, simulated=0)  # a simulated recording takes as long as a real one
    setup = prepare(folder / "data", folder / recipe.name, recipe, compute)
    task = setup.fold_task(0)
    network = build_network(recipe, len(WEIGHTS.classes)).to(compute.device)
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    scaler = compute.gradient_scaler()
    plain_network = SEResNet().to(compute.device)

    def train_plain() -> None:
        plain.train(plain_network, [headers[i] for i in task.train], setup.labels[task.train])

    def train_ours() -> None:
        team_code.train_epoch(setup, task, network, optimiser, scaler, TrainingState())

    matmul = matmul_speed(compute)
    speeds = compare(train_plain, train_ours, 3, len(task.train), len(task.train))
    matmul = max(matmul, matmul_speed(compute))
    yield Row(f"training, {recipe.name}", SPEED, *speeds, goal)
    operations = training_operations(setup, task, network)
    reached = speeds[1] * operations
    yield (
        f"training, {recipe.name}: {operations / 1e9:.1f} GFLOP a recording, {reached / 1e9:.0f} GFLOP/s,"
        f" {100 * reached / matmul:.0f} % of the speed of large matrix products here ({matmul / 1e9:.0f} GFLOP/s)"
    )


def training_operations(setup: Training, task: FitTask, network: SEResNet) -> float:
    """Floating-point operations of a recording, forward and backward."""
    windows = training_windows(task.train, setup.recordings.lengths, setup.recipe, np.random.default_rng(0))[0]
    batch = setup.recordings.cut(windows, setup.compute.device)
    with FlopCounterMode(display=False) as counter:
        logits = network(*batch)
        functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits)).backward()
    return counter.get_total_flops() / len(batch[0])


def matmul_speed(compute: Compute, size: int = 2048) -> float:
    """Floating-point operations a second of a large matrix product in the dtype of ``compute``."""
    a = torch.randn(size, size, device=compute.device, dtype=compute.dtype)

    def multiply() -> None:
        for _ in range(5):
            torch.mm(a, a)
        if compute.device.type == "cuda":
            torch.cuda.synchronize()

    multiply()
    return 5 * 2 * size**3 / min(time_call(multiply) for _ in range(5))


def run_model(folder: Path, compute: Compute) -> Iterator[Row | str]:
    """Call run_model for one recording after another, with five networks."""
    headers = write_recordings(folder / "data", 10)
    inputs = [(read_text(header), read_counts(header)[1]) for header in headers]
    models = {recipe: write_model(folder / recipe.name, recipe, compute) for recipe in (PUBLISHED, BEST)}
    networks, thresholds = models[PUBLISHED].networks, models[PUBLISHED].description.thresholds

    def run_plain() -> list[tuple[np.ndarray, np.ndarray]]:
        return [plain.run(networks, thresholds, *plain.read(header)) for header in headers]

    def run_ours(recipe: Recipe) -> list[tuple]:
        return [team_code.run_model(models[recipe], *recording) for recording in inputs]

    for recipe, goal in ((PUBLISHED, ""), (BEST, ">= 2.5")):
        speeds = compare(run_plain, partial(run_ours, recipe), 3, len(headers), len(headers))
        yield Row(f"run_model, {recipe.name}", SPEED, *speeds, goal)
    pairs = list(zip(run_plain(), run_ours(PUBLISHED)))
    different = sum(plain_labels.tolist() != list(map(bool, labels)) for (plain_labels, _), (_, labels, _) in pairs)
    largest = max(np.abs(plain_p - p).max() for (_, plain_p), (_, _, p) in pairs)
    yield f"run_model, published: labels differ in {different} recordings, probabilities by up to {largest:.1e}"


def driver(folder: Path, compute: Compute) -> Iterator[Row | str]:
    """Run driver.py on a folder, with five networks."""
    headers = write_recordings(folder / "data", 192)
    few = headers[:24]
    models = {recipe: write_model(folder / recipe.name, recipe, compute) for recipe in (PUBLISHED, BEST)}
    networks, thresholds = models[PUBLISHED].networks, models[PUBLISHED].description.thresholds
    for name in ("plain", "ours"):
        (folder / name).mkdir()
    run_plain = partial(plain.run_folder, networks, thresholds, few, WEIGHTS.classes, folder / "plain")
    for recipe, goal, our_headers in ((PUBLISHED, "", headers[:64]), (BEST, ">= 5", headers)):
        run_ours = partial(write_outputs, models[recipe], our_headers, folder / "ours", "challenge")
        speeds = compare(run_plain, run_ours, 3, len(few), len(our_headers))
        yield Row(f"driver.py, {recipe.name}", SPEED, *speeds, goal)

    outputs = folder / "outputs"
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, ROOT / "driver.py", folder / "best", folder / "data", outputs])
    while process.poll() is None and not any(outputs.glob("*.csv")):
        time.sleep(0.01)
    yield f"driver.py, best: {time.monotonic() - started:.1f} s from its start to its first output (goal: < 5 s)"
    if process.wait():
        raise RuntimeError(f"driver.py ended with code {process.returncode}")
    write_recordings(folder / "one", 1)
    write_recordings(folder / "long", 2, seconds=1800)
    for name, title in (("one", "1 recording"), ("data", f"{len(headers)} recordings"), ("long", "2 of 30 minutes")):
        memory = peak_memory("driver.py", folder / "best", folder / name, folder / f"{name}-outputs")
        yield f"driver.py, best: peak memory {memory:.0f} MB with {title}"


def thresholds(folder: Path, compute: Compute) -> Iterator[Row | str]:
    """Search the thresholds of the Challenge's recordings, by the published grid and exactly."""
    labels = draw_labels(CHALLENGE)
    p = np.random.default_rng(0).random(labels.shape)
    metrics = 11 + 101 * len(WEIGHTS.classes)  # that the grid computes

    def compute_metric() -> float:
        return plain.challenge_metric(WEIGHTS.matrix, labels, plain.apply_thresholds(p, 0.8), WEIGHTS.column[NORMAL])

    for title, search, goal in (
        ("grid", team_code.search_grid, "< 10 s"),
        ("exact search", team_code.search_exact, "< 1 s"),
    ):
        seconds = compare(compute_metric, partial(search, WEIGHTS, labels, p), 3, plain_calls=metrics)
        yield Row(f"thresholds of {CHALLENGE:,} recordings, {title}", "s", *seconds, goal)
    yield f"thresholds: the plain time of both is the grid's: the measured time of one metric times {metrics}"


def evaluate_model(folder: Path, compute: Compute) -> Iterator[Row | str]:
    """Run evaluate_model.py as a process on as many headers and outputs as the Challenge has."""
    random = np.random.default_rng(0)
    outputs = folder / "outputs"
    outputs.mkdir()
    labels = draw_labels(CHALLENGE)
    for header, row in zip(write_headers(folder / "labels", labels), labels):
        p = np.clip(0.6 * row + 0.4 * random.random(len(row)), 0, 1)
        text = format_outputs(header.stem, WEIGHTS.classes, (p >= 0.38).astype(int), p.tolist())
        (outputs / f"{header.stem}.csv").write_text(text)
    plain_figures: dict[str, float] = {}
    printed: list[str] = []

    def evaluate_plain() -> None:
        plain_figures.update(plain.evaluate(folder / "labels", outputs, WEIGHTS_FILE))

    def evaluate_ours() -> None:
        command = [sys.executable, str(ROOT / "evaluate_model.py"), str(folder / "labels"), str(outputs)]
        printed[:] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    seconds = compare(evaluate_plain, evaluate_ours, 2)
    yield Row(f"evaluate_model.py, {CHALLENGE:,} recordings", "s", *seconds, ">= 12")
    expected = ",".join(f"{figure:.3f}" for figure in plain_figures.values())
    yield f"evaluate_model.py: {'the same figures' if printed[1] == expected else 'OTHER FIGURES'}: {expected}"
