"""Several processes that train or run together, started by ``torchrun``.

Each process trains whole folds, so its networks are those of a single process, bit for bit. On GPUs, processes beyond
the number of folds join a fold: they share its batches by PyTorch's DistributedDataParallel with SyncBatchNorm. Such a
network differs from that of a single process by rounding and by the random numbers of augmentation and dropout. On CPUs
those processes stay idle, because SyncBatchNorm runs on GPUs only.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ecg import progress
from ecg.data.windows import Windows
from ecg.errors import EntryError, OtherProcessError
from ecg.interruption import SIGNALS
from ecg.model.compute import Compute
from ecg.training.setup import Training

TIMEOUT = timedelta(days=7)  # for the slowest process: building a store of millions of recordings takes long


def is_distributed() -> bool:
    """Whether ``torchrun`` started this process together with others."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


@dataclass(frozen=True)
class Team:
    """A group of processes, and the rank of this one in it."""

    group: dist.ProcessGroup
    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def from_first(self, action: Callable[[], Any]) -> Any:
        """Run ``action`` on the first process and give its result to all.

        If it raises EntryError there, the other processes raise OtherProcessError.
        """
        result, failure = None, None
        if self.is_first:
            try:
                result = action()
            except EntryError as error:
                failure = error
        shared = [result, failure is not None]
        dist.broadcast_object_list(shared, group=self.group, group_src=0)
        if failure is not None:
            raise failure
        if shared[1]:
            raise OtherProcessError("the first process failed")
        return shared[0]

    def first_then_others(self, action: Callable[[], Any]) -> Any:
        """Run ``action`` on every process, on the first before the others; errors are as in ``from_first``."""
        results: list[Any] = []
        self.from_first(lambda: results.append(action()))
        return results[0] if self.is_first else action()

    def wait(self) -> None:
        """Wait until all processes are here."""
        dist.barrier(group=self.group)

    def gather(self, part: Any) -> list[Any]:
        """The ``part`` of each process, on the first one; the other processes get only their own."""
        parts = [None] * self.size if self.is_first else None
        dist.gather_object(part, parts, group=self.group, group_dst=0)
        return parts or [part]


@contextmanager
def all_processes() -> Iterator[Team]:
    """The team of all processes. Only the first one prints.

    An interruption ends a process at once, because the others would wait for it. A training then resumes after its last
    whole epoch.
    """
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    gpus = torch.cuda.is_available() and dist.is_nccl_available()
    store, rank, size = next(dist.rendezvous("env://", timeout=TIMEOUT))
    # The prefix hides the messages of processes that torchrun has restarted since.
    store = dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    try:
        team = Team(dist.new_group(timeout=TIMEOUT), dist.get_rank(), dist.get_world_size())
        progress.configure(lines=team.is_first, bars=team.is_first)
        yield team
    finally:
        dist.destroy_process_group()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def split_into_teams(everyone: Team, folds: int, share_batches: bool) -> tuple[Team, range]:
    """This process's team and the folds that it trains.

    A team is one process, or with ``share_batches`` and more processes than folds, several. Otherwise the processes
    beyond the number of folds have no fold.
    """
    teams = min(folds, everyone.size) if share_batches else everyone.size
    members = [range(team, everyone.size, teams) for team in range(teams)]
    groups = [dist.new_group(list(ranks), timeout=TIMEOUT) for ranks in members]  # every process must create them all
    number = everyone.rank % teams
    if teams > folds:
        idle = teams - folds
        verb = "has" if idle == 1 else "have"
        progress.print_line(f"{teams} processes for {folds} folds: {idle} {verb} no fold to train")
    team = Team(groups[number], everyone.rank // teams, len(members[number]))
    progress.configure(lines=team.is_first, bars=everyone.is_first)
    return team, range(number, folds, teams)


def join_team(training: Training, team: Team) -> Training:
    """``training`` as this process of ``team`` runs it.

    The team's first process keeps the checkpoints. The others start from these and keep their own apart.
    """
    if team.size == 1:
        return training
    work_dir = training.work_dir
    if not team.is_first:
        work_dir = work_dir / f"rank-{dist.get_rank()}"
        shutil.rmtree(work_dir, ignore_errors=True)
        work_dir.mkdir()
        for kept in training.work_dir.glob("*.safetensors"):
            (work_dir / kept.name).symlink_to(kept.resolve())  # their own checkpoints replace the links
    compute = TeamCompute(training.compute.device, training.compute.dtype, team)
    return replace(training, work_dir=work_dir, compute=compute)


@dataclass(frozen=True)
class TeamCompute(Compute):
    """Device, dtype, and the team that shares each batch."""

    team: Team

    def wrap(self, network: nn.Module) -> nn.Module:
        network = network.to(self.device)
        if self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network, self.team.group)
        return DistributedDataParallel(network, process_group=self.team.group)

    def share(self, windows: Windows) -> Windows:
        """Every ``team.size``-th window. Parts are equal: if need be, some windows repeat, as in DistributedSampler."""
        whole, size = len(windows.recording), self.team.size
        part = np.resize(np.arange(whole), -(-whole // size) * size)[self.team.rank :: size]
        return Windows(windows.recording[part], windows.offset[part], windows.samples)

    def average(self, value: float) -> float:
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total, group=self.team.group)
        return float(total) / self.team.size

    def seed(self, seed: int) -> None:
        torch.manual_seed(seed + self.team.rank)  # each process augments its own windows
