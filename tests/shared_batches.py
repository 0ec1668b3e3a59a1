"""Fits a small network to shared batches; the first process saves it. test_distributed.py starts this with torchrun.

``python -m torch.distributed.run ... tests/shared_batches.py FILE``; the test calls ``fit`` for a single process. The
network stays in evaluation mode and in float64, so that only the sharing of batches could change its weights.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg.data.windows import Windows
from ecg.model.compute import Compute
from ecg.model.network import SEResNet
from ecg.training import distributed
from ecg.training.distributed import TeamCompute

BATCHES = (8, 4, 8)  # windows; every number of processes that the test starts divides them


def fit(compute: Compute) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    network = SEResNet(classes=5, width=8, reduction=4, scale=True).double().eval()
    wrapped = compute.wrap(network)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    total = 0.0
    for batch in BATCHES:
        windows = 100 * torch.randn(batch, 12, 256, dtype=torch.float64)
        demographics, labels = torch.rand(batch, 5, dtype=torch.float64), torch.rand(batch, 5, dtype=torch.float64)
        part = compute.share(Windows(np.arange(batch), np.zeros(batch, int), 256)).recording
        loss = functional.binary_cross_entropy_with_logits(wrapped(windows[part], demographics[part]), labels[part])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach())
    return network.state_dict() | {"loss": torch.tensor(compute.average(total), dtype=torch.float64)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.all_processes() as everyone:
        fitted = fit(TeamCompute(torch.device("cpu"), torch.float32, everyone))
        if everyone.is_first:
            torch.save(fitted, sys.argv[1])
