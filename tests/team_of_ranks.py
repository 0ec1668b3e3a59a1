"""Started by torchrun in test_ranks.py: trains a small network in float64 for some batches; the first rank saves it.

``python -m torch.distributed.run ... tests/team_of_ranks.py FILE``; without torchrun the same by one process alone.
"""

import sys
from pathlib import Path

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg.model.compute import Compute
from ecg.model.network import SEResNet
from ecg.training import distributed
from ecg.training.distributed import SharedCompute

CPU = Compute(torch.device("cpu"), torch.float32)
BATCHES = (8, 7, 1, 3, 8)  # windows; the smallest has fewer than there are ranks


def train(compute: Compute) -> SEResNet:
    torch.manual_seed(1)
    network = SEResNet(classes=5, width=8, reduction=4, scale=True).double()
    learner = compute.learner(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.003)
    for batch in BATCHES:
        windows = 100 * torch.randn(batch, 12, 256, dtype=torch.float64)
        demographics, labels = torch.rand(batch, 5, dtype=torch.float64), torch.rand(batch, 5, dtype=torch.float64)
        learner.train()
        loss = functional.binary_cross_entropy_with_logits(learner(windows, demographics), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


if __name__ == "__main__":
    torch.set_num_threads(1)
    if distributed.several():
        with distributed.joined() as everyone:
            network = train(SharedCompute(CPU.device, CPU.number, everyone))
            if everyone.leads:
                torch.save(network.state_dict(), sys.argv[1])
    else:
        torch.save(train(CPU).state_dict(), sys.argv[1])
