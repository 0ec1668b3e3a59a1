"""Several processes that train or run as one, started by ``torchrun``: who does what, and a batch that they share.

Each rank draws what one process would draw (order, crops, augmentation, dropout) for the whole of every batch, and
computes its part of it. So the recordings, the batches and, but for the order in which numbers are added, the weights
are those of one process, whatever the number of ranks.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ecg import progress
from ecg.cli import NOTHING_DONE
from ecg.errors import EntryError
from ecg.interruption import SIGNALS
from ecg.model.compute import Compute
from ecg.model.network import Dropout

LONGEST_WAIT = timedelta(days=7)  # for the slowest rank: a store of millions of recordings takes its time to be built


def several() -> bool:
    """Whether ``torchrun`` has started several processes of which this is one."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


@dataclass(frozen=True)
class Team:
    """The ranks that share every batch of a course, and which of them this one is."""

    group: dist.ProcessGroup
    rank: int
    size: int

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def part(self, whole: int) -> slice:
        """This rank's part of a batch of ``whole`` windows."""
        return slice(whole * self.rank // self.size, whole * (self.rank + 1) // self.size)

    def from_first(self, do: Callable[[], Any]) -> Any:
        """What ``do()`` gives on the first rank, for all; where it fails there, the others end in silence."""
        result, failed = None, None
        if self.leads:
            try:
                result = do()
            except EntryError as error:
                failed = error
        told = [result, failed]
        dist.broadcast_object_list(told, group=self.group, group_src=0)
        result, failed = told
        if failed is not None:
            raise failed if self.leads else SystemExit(NOTHING_DONE)
        return result

    def first_alone(self, do: Callable[[], Any]) -> Any:
        """``do()`` on each rank, on the first before the others; where it fails there, they end in silence."""
        done = []
        self.from_first(lambda: done.append(do()))
        return done[0] if self.leads else do()

    def wait(self) -> None:
        """Until all are here."""
        dist.barrier(group=self.group)

    def gather(self, part: Any) -> list[Any]:
        """The ``part`` of each rank, on the first; on the others only their own."""
        parts = [None] * self.size if self.leads else None
        dist.gather_object(part, parts, group=self.group, group_dst=0)
        return parts or [part]


@contextmanager
def joined() -> Iterator[Team]:
    """All ranks, as long as this lasts; only the first one shows what it does.

    An interruption ends a rank at once: the others would wait for its part of the batch. So a training goes on after
    the last whole epoch then.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    gpus = torch.cuda.is_available() and dist.is_nccl_available()
    store, rank, size = next(dist.rendezvous("env://", timeout=LONGEST_WAIT))
    # What ranks told each other before torchrun started them again is still there.
    store = dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    everyone = Team(dist.group.WORLD, dist.get_rank(), dist.get_world_size())
    try:
        progress.show(lines=everyone.leads, bars=everyone.leads)
        yield everyone
    finally:
        dist.destroy_process_group()


def teams(everyone: Team, folds: int) -> tuple[Team, range]:
    """This rank's team and the folds it trains: a fold or several for each rank, or several ranks for each fold."""
    number = min(folds, everyone.size)
    members = [range(team, everyone.size, number) for team in range(number)]
    groups = [dist.new_group(list(ranks), timeout=LONGEST_WAIT) for ranks in members]  # each rank has to say it of all
    mine = everyone.rank % number
    team = Team(groups[mine], everyone.rank // number, len(members[mine]))
    progress.show(lines=team.leads, bars=everyone.leads)
    return team, range(mine, folds, number)


def shared(training: Any, team: Team) -> Any:
    """``training`` (a ``team_code.Training``) as this member of ``team`` does it.

    The first one keeps what is needed to go on. The others begin with what that has kept, and keep theirs apart.
    """
    place = training.work_dir
    if not team.leads:
        place = place / f"rank-{dist.get_rank()}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for kept in training.work_dir.glob("*.safetensors"):
            (place / kept.name).symlink_to(kept.resolve())  # replaced by their own with the first epoch
    return replace(
        training, work_dir=place, compute=SharedCompute(training.compute.device, training.compute.number, team)
    )


@dataclass(frozen=True)
class SharedCompute(Compute):
    """Where the networks compute, and with which other ranks they share a batch."""

    team: Team

    def learner(self, network: nn.Module) -> nn.Module:
        network.to(self.device)
        return SharedBatches(network, self.team) if self.team.size > 1 else network


class SharedBatches(nn.Module):
    """``network`` in training: takes whole batches, computes its team's part of each here, and gives all logits."""

    def __init__(self, network: nn.Module, team: Team):
        super().__init__()
        self.team = team
        # In place, so that the weights and their names stay: whoever has the network has what is learned here.
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.__class__, module.team = TeamBatchNorm, team
            elif isinstance(module, Dropout):
                module.__class__, module.team, module.whole = TeamDropout, team, 0
        self.dropouts = [module for module in network.modules() if isinstance(module, TeamDropout)]
        self.network = DistributedDataParallel(network, process_group=team.group, forward_sync_buffers=False)

    def forward(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        whole = len(windows)
        for dropout in self.dropouts:
            dropout.whole = whole
        part = self.team.part(whole)
        return _Gathered.apply(self.network(windows[part], demographics[part]), whole, self.team)


class TeamBatchNorm(nn.BatchNorm1d):
    """Normalises by the whole batch's mean and variance. (nn.SyncBatchNorm does, but on GPUs alone.)"""

    team: Team

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(features)
        seen = features.to(torch.promote_types(features.dtype, torch.float32))
        number = _Summed.apply(seen.new_tensor([seen.shape[0] * seen.shape[2]]), self.team)
        mean = _Summed.apply(seen.sum(dim=(0, 2)), self.team) / number
        centred = seen - mean[:, None]
        variance = _Summed.apply(centred.square().sum(dim=(0, 2)), self.team) / number
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * number / (number - 1).clamp(min=1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None] + self.bias[:, None]).to(features.dtype)


class TeamDropout(Dropout):
    """Drops what one process would drop: draws for the ``whole`` batch, and takes the part of it that is here."""

    team: Team
    whole: int

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return features
        kept = super().forward(features.new_ones(self.whole, *features.shape[1:]))
        return features * kept[self.team.part(self.whole)]


class _Summed(torch.autograd.Function):
    """The sum over the ranks of a team."""

    @staticmethod
    def forward(ctx, part: torch.Tensor, team: Team) -> torch.Tensor:
        ctx.team, total = team, part.clone()
        dist.all_reduce(total, group=team.group)
        return total

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total, group=ctx.team.group)
        return total, None


class _Gathered(torch.autograd.Function):
    """The rows of all ranks. Each computes the whole loss from them; its gradient here is that of its own rows.

    DistributedDataParallel takes the mean of the ranks' gradients; the whole batch's is their sum: hence the factor.
    """

    @staticmethod
    def forward(ctx, part: torch.Tensor, whole: int, team: Team) -> torch.Tensor:
        ctx.team, rows = team, part.new_zeros(whole, *part.shape[1:])
        rows[team.part(whole)] = part
        dist.all_reduce(rows, group=team.group)
        return rows

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient[ctx.team.part(len(gradient))] * ctx.team.size, None, None
