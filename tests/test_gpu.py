"""What only a GPU does, on a machine without one: a fake of two GPUs, and the meta device, which has no values."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import nn

from ecg.errors import EntryError
from ecg.model.compute import Compute, pick_compute
from ecg.model.folder import build_network
from ecg.recipe import parse_recipe
from ecg.training import distributed
from ecg.training.checkpoint import TrainingState
from ecg.training.distributed import Team, TeamCompute
from ecg.training.setup import prepare
from team_code import train_epoch
from tests.conftest import CPU

GPU = Compute(torch.device("cuda", 1), torch.bfloat16)


@pytest.fixture
def two_gpus(monkeypatch):
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, device=None: zeros(*size))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    return monkeypatch


def test_the_default_is_the_first_gpu(two_gpus):
    assert str(pick_compute()) == "cuda:0 in bfloat16"
    assert torch.backends.cudnn.allow_tf32
    assert str(pick_compute("cuda:1")) == "cuda:1 in bfloat16"
    assert str(pick_compute("cpu", float32=True)) == "cpu in float32"


def test_float32_is_whole_float32(two_gpus):
    assert str(pick_compute(float32=True)) == "cuda:0 in float32"
    assert not torch.backends.cudnn.allow_tf32


def test_an_older_gpu_computes_in_float16(two_gpus):
    two_gpus.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert str(pick_compute()) == "cuda:0 in float16"


def test_each_process_takes_its_own_gpu(two_gpus):
    two_gpus.setenv("LOCAL_RANK", "1")
    assert str(pick_compute()) == "cuda:1 in bfloat16"
    two_gpus.setenv("LOCAL_RANK", "2")
    with pytest.raises(EntryError, match="2 GPUs are too few for process 3"):
        pick_compute()


def test_recordings_go_to_a_gpu_that_has_room_for_them_and_as_much_again(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 8000))
    assert GPU.fits(499)
    assert not GPU.fits(500)
    assert not CPU.fits(0)


def test_a_checkpoint_has_the_random_state_of_its_gpu(monkeypatch):
    states = {GPU.device: torch.tensor([1, 2])}
    monkeypatch.setattr(torch.cuda, "get_rng_state", states.__getitem__)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: states.update({device: state}))
    kept = GPU.random_state()
    other = Compute(torch.device("cuda", 0), torch.bfloat16)
    other.set_random_state(kept)
    assert states[other.device] is states[GPU.device]
    CPU.set_random_state(kept)  # a training can move to a machine without a GPU
    GPU.set_random_state(CPU.random_state())
    assert states[GPU.device].tolist() == [1, 2]


def test_gpus_that_share_batches_share_their_statistics(monkeypatch):
    monkeypatch.setattr(nn.Module, "to", lambda module, device: module)
    monkeypatch.setattr(distributed, "DistributedDataParallel", lambda network, process_group: network)
    network = nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2))
    wrapped = TeamCompute(GPU.device, GPU.dtype, Team("group", 0, 2)).wrap(network)
    assert isinstance(wrapped[1], nn.SyncBatchNorm)
    assert wrapped[1].process_group == "group"


@pytest.mark.parametrize("recipe", ["small", "published"])
def test_no_training_step_waits_for_the_gpu(training_data, tmp_path, monkeypatch, recipe):
    """Reading a value from the meta device is an error. The only one is at the epoch's end, where the loss is read."""
    chosen = parse_recipe(f"{recipe},width=4,reduction=2,folds=2,batch=4")
    chosen = replace(chosen, simulated=min(chosen.simulated, 8))
    training = prepare(training_data, tmp_path / "model", chosen, CPU)
    compute = Compute(torch.device("meta"), torch.float32)
    training = replace(training, compute=compute, recordings=training.recordings.to(compute.device))
    task, state = training.fold_task(0), TrainingState()
    network = build_network(chosen, len(training.weights.classes)).to(compute.device)
    optimiser = torch.optim.SGD(network.parameters())
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # there is none for the meta device
    with pytest.raises(RuntimeError, match="meta tensors"):
        train_epoch(training, task, network, optimiser, scaler, state)
    assert state.step == -(-(len(task.train) + task.replayed) // chosen.batch) > 1
