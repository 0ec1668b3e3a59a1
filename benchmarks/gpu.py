#!/usr/bin/env python
"""Check a GPU and measure it:  python benchmarks/gpu.py DATA MODEL

For each dtype: the answers of MODEL to recordings of DATA, in one batch and one recording at a time, beside those of
the CPU in float32; and the training of `published` and `best` on DATA, by one process and by several at a time on the
one GPU. The rates are recordings/s and shares of the rate of a large matrix product. The time of five folds on all of
the Challenge's recordings is arithmetic. It leaves out validation and the store.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stages import BEST, CHALLENGE, PUBLISHED, matmul_speed, training_operations
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import find_recordings
from ecg.data.preprocessing import network_input
from ecg.data.record import read_record
from ecg.errors import EntryError
from ecg.model.compute import Compute, pick_compute
from ecg.model.folder import build_network
from ecg.recipe import Recipe
from ecg.training.checkpoint import TrainingState
from ecg.training.setup import Training, prepare
from team_code import load_model, run_recordings, train_epoch

PATIENCE = 600  # s that a process waits for the others
ANSWERED = 150  # recordings


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="a folder of recordings with labels")
    arguments.add_argument("model", type=Path, help="a model folder")
    arguments.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4], help="trainings at a time (1 2 4)")
    arguments.add_argument("--dtypes", nargs="+", default=["bfloat16", "float16", "float32"])
    arguments.add_argument("--steps", type=int, default=60, help="training steps of a measurement (60)")
    arguments.add_argument("--matrix", type=int, default=8192, help="rows and columns of the large matrix (8192)")
    arguments.add_argument("--device", default="cuda", help="cuda, cuda:1 ... (cuda)")
    args = arguments.parse()
    dtypes = [getattr(torch, name) for name in args.dtypes]
    together("the device", 1, describe, args.device)
    for dtype in dtypes:
        together("the answers", 1, compare_answers, args.data, args.model, args.device, dtype)
    print("\n| Recipe | dtype | Processes | recordings/s | of the matrix rate | five folds, hours | memory, GB |")
    print("|---" * 7 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for recipe in (PUBLISHED, BEST):
            cpu = pick_compute("cpu", float32=True)
            training = prepare(args.data, Path(folder) / recipe.name, replace(recipe, simulated=0), cpu)
            for dtype in dtypes:
                for number in args.processes if dtype == dtypes[0] else args.processes[:1]:
                    found = together("a training", number, train, training, args.device, dtype, args.steps, args.matrix)
                    speed = sum(of_process[0] for of_process in found)
                    share, memory = speed * found[0][1] / found[0][2], sum(of_process[3] for of_process in found)
                    hours = challenge_steps(recipe) / speed / 3600
                    name = str(dtype).removeprefix("torch.")
                    cells = f"{speed:,.0f} | {100 * share:.1f} % | {hours:.2f} | {memory:.1f}"
                    print(f"| {recipe.name} | {name} | {number} | {cells} |", flush=True)
    return ALL_WELL


def together(what: str, number: int, work: Callable, *arguments: object) -> list[Any]:
    """What ``number`` processes return that run ``work`` at the same time.

    They are forked before the GPU is used, so the recordings are in memory once.
    """
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(number, timeout=PATIENCE), context.SimpleQueue()
    processes = [
        context.Process(target=lambda: results.put(work(barrier, *arguments)), daemon=True) for _ in range(number)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise EntryError(f"{what}: a process failed; its message is above")
    return [results.get() for _ in processes]


def on_gpu(compute: Compute) -> bool:
    return compute.device.type == "cuda"


def use(device: str, dtype: torch.dtype) -> Compute:
    return replace(pick_compute(device, float32=dtype == torch.float32), dtype=dtype)


def describe(barrier: Barrier, device: str) -> None:
    compute = pick_compute(device)
    name = torch.cuda.get_device_name(device) if on_gpu(compute) else "not a GPU"
    print(f"{name}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}; the default is {compute}", flush=True)


def compare_answers(barrier: Barrier, data: Path, folder: Path, device: str, dtype: torch.dtype) -> None:
    """Print how the answers of a model differ from those of the CPU in float32."""
    wanted = load_model(folder, compute=pick_compute("cpu", float32=True))
    model = load_model(folder, compute=use(device, dtype))
    headers = find_recordings(data)[:ANSWERED]
    inputs = [network_input(read_record(header), model.recipe) for header in headers]
    labels, p, _ = run_recordings(wanted, inputs)
    for how, parts in (("in one batch", [inputs]), ("one at a time", [[one] for one in inputs])):
        run_recordings(model, parts[0])  # the first call chooses the GPU's kernels
        answers: list[tuple] = []
        started = time.perf_counter()
        answers.extend(run_recordings(model, part) for part in parts)
        seconds = time.perf_counter() - started
        other = np.any(np.concatenate([answer[0] for answer in answers]) != labels, axis=1).sum()
        largest = np.abs(np.concatenate([answer[1] for answer in answers]) - p).max()
        print(
            f"{model.compute}, {how}: {1000 * seconds / len(inputs):.2f} ms a recording, other labels in {other} of "
            f"{len(inputs)}, probabilities differ by up to {largest:.4f}",
            flush=True,
        )


def train(
    barrier: Barrier, training: Training, device: str, dtype: torch.dtype, measured: int, matrix: int
) -> tuple[float, float, float, float]:
    """Speed in recordings/s, operations a recording, operations/s of a matrix product, and memory in GB."""
    compute = use(device, dtype)
    torch.manual_seed(0)
    network = build_network(training.recipe, len(training.weights.classes)).to(compute.device)
    training = replace(training, compute=compute, recordings=training.recordings.to(compute.device))
    task, scaler = training.fold_task(0), compute.gradient_scaler()
    optimiser = torch.optim.Adam(network.parameters(), fused=True)

    def steps(number: int) -> float:
        train = np.resize(task.train, number * task.recipe.batch)
        return train_epoch(training, replace(task, train=train), network, optimiser, scaler, TrainingState())[1]

    steps(measured // 4 + 1)  # the first steps choose the GPU's kernels
    barrier.wait()
    speed = steps(measured)
    memory = torch.cuda.max_memory_reserved(compute.device) / 1e9 if on_gpu(compute) else float("nan")
    return speed, training_operations(training, task, network), matmul_speed(compute, matrix), memory


def challenge_steps(recipe: Recipe) -> float:
    """How many recordings, counted in each epoch, a training on all of the Challenge's recordings takes."""
    real = CHALLENGE * (recipe.folds - 1) / recipe.folds
    replayed = min(max(recipe.replay * real, recipe.min_replay * recipe.simulated), recipe.simulated)
    return recipe.folds * (recipe.simulated * recipe.simulated_epochs + recipe.epochs * (real + replayed))


if __name__ == "__main__":
    run(main)
