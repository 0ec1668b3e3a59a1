#!/usr/bin/env python
"""Every stage beside the plain way of doing the same work, in one run:  python benchmarks/bench.py

The plain ways are in plain.py, and are those of the recipe `published` throughout: beside `best` a ratio is that of the
faster way and of the cheaper recipe together. Each pair is timed in turn, several times; the ratio is that of the
medians, with the lowest and the highest of the pairs. Speed alone is measured: the networks are untrained, the
recordings noise.
"""

import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import driver  # noqa: E402
import team_code  # noqa: E402
from benchmarks import plain  # noqa: E402
from benchmarks.material import CLASSES, label_sets, write_headers, write_model, write_recordings  # noqa: E402
from benchmarks.measuring import against, matmul_rate, peak_memory, processor_name, timed  # noqa: E402
from ecg.classes import WEIGHTS_FILE  # noqa: E402
from ecg.data.header import read_header  # noqa: E402
from ecg.data.packed import PackedRecordings  # noqa: E402
from ecg.data.record import read_signal  # noqa: E402
from ecg.data.windows import training_windows  # noqa: E402
from ecg.evaluation.outputs import format_outputs  # noqa: E402
from ecg.files import read_text  # noqa: E402
from ecg.model.compute import Compute, pick_compute  # noqa: E402
from ecg.model.folder import Model, build_network  # noqa: E402
from ecg.model.network import SEResNet  # noqa: E402
from ecg.recipe import RECIPES, Recipe  # noqa: E402
from ecg.training.checkpoint import TrainingState  # noqa: E402
from ecg.training.setup import Training, prepare  # noqa: E402
from ecg.training.store import open_store  # noqa: E402

CHALLENGE = 37_749  # recordings with a scored class in the Challenge's training data
PUBLISHED, BEST = RECIPES["published"], RECIPES["best"]


@dataclass(frozen=True)
class Row:
    """One line of the table; ``plain`` and ``ours`` in units a second or in seconds, as ``unit`` says."""

    stage: str
    unit: str
    plain: float
    ours: float
    ratio: str
    aim: str = ""


def main() -> None:
    started = time.monotonic()
    compute = pick_compute()
    print(f"{processor_name()}, {torch.get_num_threads()} threads; {compute}")
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}", flush=True)
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as name:
        for stage in (store, training, running, folder, thresholds, evaluation):
            print(f"{stage.__name__} ...", flush=True)
            place = Path(name, stage.__name__)
            place.mkdir()
            new_rows, new_notes = stage(place, compute)
            rows, notes = rows + new_rows, notes + new_notes
            shutil.rmtree(place)
    print(f"\n{'stage':44s} {'unit':14s} {'plain':>9s} {'ours':>9s}  {'ratio (lowest to highest)':27s} aim")
    for row in rows:
        print(f"{row.stage:44s} {row.unit:14s} {row.plain:9.3g} {row.ours:9.3g}  {row.ratio:27s} {row.aim}")
    print("\n".join(["", *notes, f"{(time.monotonic() - started) / 60:.1f} minutes"]))


def store(place: Path, compute: Compute) -> tuple[list[Row], list[str]]:
    """Decoding and resampling a folder; and reading one epoch's windows afterwards."""
    headers = write_recordings(place / "data", 2000)
    some = headers[:300]
    workers = place / "store"

    def build(chosen: list[Path], recipe: Recipe = BEST) -> None:
        shutil.rmtree(workers, ignore_errors=True)
        open_store(chosen, workers, CLASSES, recipe)

    def plainly() -> None:
        for path in some:
            plain.read(path)

    rows = []
    build(headers)  # the workers' start is paid once a training
    for recipe in (PUBLISHED, BEST):
        pair = against(plainly, lambda recipe=recipe: build(headers, recipe), 3, len(some), len(headers))
        rows.append(Row(f"store: a folder decoded, once, {recipe.name}", "recordings/s", *pair, ">= 1500 recordings/s"))
    growth = [timed(lambda n=n: build(headers[:n])) / n * 1e3 for n in (500, 1000, 2000)]
    memory = peak_memory(
        "from pathlib import Path; from ecg.training.store import open_store; from ecg.classes import load_weights;"
        "from ecg.recipe import RECIPES; from ecg.data.listing import find_headers;"
        f"open_store(find_headers({str(place / 'data')!r}), Path({str(place / 'store2')!r}), load_weights(),"
        " RECIPES['best'])"
    )
    opened = open_store(headers, workers, CLASSES, BEST)
    recordings = PackedRecordings.over(opened.signals, opened.lengths, opened.demographics)

    def epoch() -> None:
        for windows in training_windows(np.arange(len(opened)), recordings.lengths, BEST, np.random.default_rng(0)):
            recordings.cut(windows, torch.device("cpu"))

    pair = against(plainly, epoch, 3, len(some), len(opened))
    rows.append(Row("store: an epoch's windows, every epoch, best", "recordings/s", *pair, "memory speed"))
    return rows, [
        "store: ms a recording with 500, 1000, 2000 of them: " + ", ".join(f"{ms:.2f}" for ms in growth),
        f"store: peak memory {memory:.0f} MB",
    ]


def training(place: Path, compute: Compute) -> tuple[list[Row], list[str]]:
    """An epoch of 128 recordings of 10 s, in two batches; the full network."""
    headers = write_recordings(place / "data", 160)
    rows, notes = [], []
    for recipe in (PUBLISHED, BEST):
        matmul = matmul_rate(compute)
        recipe = replace(recipe, folds=5, batch=64, simulated=0)  # a simulated recording takes as long as another
        ready = prepare(place / "data", place / recipe.name, recipe, compute)
        task = ready.fold_task(0)
        network = build_network(recipe, len(CLASSES.classes)).to(compute.device)
        optimiser = torch.optim.Adam(network.parameters(), fused=True)
        scaler = compute.gradient_scaler()
        plain_network = SEResNet().to(compute.device)

        def ours(ready=ready, task=task, network=network, optimiser=optimiser, scaler=scaler) -> None:
            team_code.train_epoch(ready, task, network, optimiser, scaler, TrainingState())

        def plainly(network=plain_network, ready=ready, train=task.train) -> None:
            plain.train(network, [headers[i] for i in train], ready.labels[train])

        pair = against(plainly, ours, 3, len(task.train), len(task.train))
        rows.append(Row(f"training, {recipe.name}", "recordings/s", *pair, ">= 3.5" if recipe.name == "best" else ""))
        operations, matmul = training_operations(ready, network), max(matmul, matmul_rate(compute))
        reached = pair[1] * operations
        notes.append(
            f"training, {recipe.name}: {operations / 1e9:.1f} GFLOP a recording, {reached / 1e9:.0f} GFLOP/s,"
            f" {100 * reached / matmul:.0f} % of this machine's matrix products ({matmul / 1e9:.0f} GFLOP/s)"
        )
    return rows, notes


def running(place: Path, compute: Compute) -> tuple[list[Row], list[str]]:
    """run_model, one call a recording, five networks."""
    headers = write_recordings(place / "data", 10)
    given = [(read_text(path), read_signal(path, read_header(path))) for path in headers]
    models = {recipe: write_model(place / recipe.name, recipe, compute) for recipe in (PUBLISHED, BEST)}
    networks, levels = networks_and_thresholds(models[PUBLISHED])

    def plainly() -> list:
        return [plain.run(networks, levels, *plain.read(path)) for path in headers]

    rows, notes = [], []
    for recipe, model in models.items():

        def ours(model=model) -> list:
            return [team_code.run_model(model, *recording) for recording in given]

        pair = against(plainly, ours, 3, len(headers), len(headers))
        rows.append(Row(f"run_model, {recipe.name}", "recordings/s", *pair, ">= 2.5" if recipe.name == "best" else ""))
        if recipe.name == "published":
            results = list(zip(plainly(), ours()))
            labels = sum((a[0] != np.array(b[1], bool)).any() for a, b in results)
            p = max(abs(a[1] - b[2]).max() for a, b in results)
            notes.append(f"run_model, published: labels differ in {labels} recordings, probabilities by up to {p:.1e}")
    return rows, notes


def folder(place: Path, compute: Compute) -> tuple[list[Row], list[str]]:
    """driver.py on a folder, five networks."""
    headers = write_recordings(place / "data", 192)
    few = headers[:24]
    models = {recipe: write_model(place / recipe.name, recipe, compute) for recipe in (PUBLISHED, BEST)}
    networks, levels = networks_and_thresholds(models[PUBLISHED])
    for name in ("plain", "ours"):
        (place / name).mkdir()

    def plainly() -> None:
        plain.run_folder(networks, levels, few, CLASSES.classes, place / "plain")

    rows, notes = [], []
    for recipe, model in models.items():
        many = headers if recipe is BEST else headers[:64]

        def ours(model=model, many=many) -> None:
            driver.write_outputs(model, many, place / "ours")

        pair = against(plainly, ours, 3, len(few), len(many))
        rows.append(Row(f"driver.py, {recipe.name}", "recordings/s", *pair, ">= 5" if recipe.name == "best" else ""))

    outputs = place / "outputs"
    process = subprocess.Popen([sys.executable, ROOT / "driver.py", place / "best", place / "data", outputs])
    started = time.monotonic()
    while process.poll() is None and not (outputs.exists() and any(outputs.glob("*.csv"))):
        time.sleep(0.01)
    notes.append(f"driver.py, best: {time.monotonic() - started:.1f} s from its start to its first output (aim: < 5 s)")
    if process.wait():
        raise RuntimeError(f"driver.py ended with code {process.returncode}")
    write_recordings(place / "long", 2, seconds=1800)
    write_recordings(place / "one", 1)
    for name, what in (("one", "1 recording of 10 s"), ("data", "192 recordings of 10 s"), ("long", "2 of 30 minutes")):
        memory = peak_memory(script=["driver.py", place / "best", place / name, place / f"{name}-outputs"])
        notes.append(f"driver.py, best: peak memory {memory:.0f} MB with {what}")
    return rows, notes


def thresholds(place: Path, compute: Compute) -> tuple[list[Row], list[str]]:
    """The published search and the exact one on 37,749 x 24; the plain way's time is that of one metric, many times."""
    labels, p = label_sets(CHALLENGE), np.random.default_rng(0).random((CHALLENGE, len(CLASSES.classes)))
    metrics = 11 + 101 * len(CLASSES.classes)
    rows = []
    for name, search, aim in (("grid", team_code.search_grid, "< 10 s"), ("exact", team_code.search_exact, "< 1 s")):
        plain_seconds, ours, ratio = against(
            lambda: plain.challenge_metric(CLASSES.matrix, labels, plain.apply_thresholds(p, 0.8), CLASSES.normal),
            lambda search=search: search(CLASSES, labels, p),
            3,
            times=metrics,
        )
        rows.append(Row(f"thresholds, {name}, {CHALLENGE} x 24", "s", plain_seconds, ours, ratio, aim))
    return rows, [f"thresholds: the plain way, of both, is the grid: one metric, measured, times {metrics}"]


def evaluation(place: Path, compute: Compute) -> tuple[list[Row], list[str]]:
    """evaluate_model.py as a process of its own, on 37,749 headers and outputs."""
    random = np.random.default_rng(0)
    (place / "outputs").mkdir()
    labels = label_sets(CHALLENGE)
    headers = write_headers(place / "labels", labels)
    for path, row in zip(headers, labels):
        p = np.clip(0.6 * row + 0.4 * random.random(len(row)), 0, 1)
        (place / "outputs" / f"{path.stem}.csv").write_text(
            format_outputs(path.stem, CLASSES.classes, (p >= 0.38).astype(int), p.tolist())
        )
    results = {}

    def plainly() -> None:
        results["plain"] = plain.evaluate(place / "labels", place / "outputs", WEIGHTS_FILE)

    def ours() -> None:
        command = [sys.executable, ROOT / "evaluate_model.py", place / "labels", place / "outputs"]
        results["ours"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    pair = against(plainly, ours, 2)
    expected = ",".join(f"{figure:.3f}" for figure in results["plain"].values())
    same = expected == results["ours"].splitlines()[1]
    return [Row(f"evaluate_model.py, {CHALLENGE} recordings", "s", *pair, ">= 12")], [
        f"evaluate_model.py: {'the same figures' if same else 'OTHER FIGURES'}: {expected}"
    ]


def networks_and_thresholds(model: Model) -> tuple[list[SEResNet], np.ndarray]:
    return model.networks, model.description.thresholds


def training_operations(ready: Training, network: SEResNet) -> float:
    """Floating-point operations, forward and backward, of a recording."""
    train = ready.fold_task(0).train
    windows = training_windows(train, ready.recordings.lengths, ready.recipe, np.random.default_rng(0))[0]
    batch = ready.recordings.cut(windows, ready.compute.device)
    with FlopCounterMode(display=False) as counter:
        logits = network(*batch)
        functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits)).backward()
    return counter.get_total_flops() / len(batch[0])


if __name__ == "__main__":
    main()
