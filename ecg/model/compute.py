"""Where the networks compute, and in which numbers."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from ecg.errors import EntryError


@dataclass(frozen=True)
class Compute:
    """A device, and the numbers that the residual blocks compute in; weights, stem and head stay in float32."""

    device: torch.device
    number: torch.dtype

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, self.number, enabled=self.number != torch.float32)

    def learner(self, network: nn.Module) -> nn.Module:
        """``network`` on the device, as its training calls it."""
        return network.to(self.device)

    def gradient_scaler(self) -> torch.amp.GradScaler:
        """Keeps small gradients out of float16's zero; passes those of other numbers through."""
        return torch.amp.GradScaler(self.device.type, enabled=self.number == torch.float16)

    def random_state(self) -> dict[str, torch.Tensor]:
        """Where the random numbers stand that a training step draws (of dropout and augmentation)."""
        state = {"cpu": torch.get_rng_state()}
        return state | {"cuda": torch.cuda.get_rng_state(self.device)} if self.device.type == "cuda" else state

    def set_random_state(self, state: dict[str, torch.Tensor]) -> None:
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def holds(self, size: int) -> bool:
        """Whether ``size`` bytes of recordings can lie on the device and leave the networks at least as much."""
        return self.device.type == "cuda" and 2 * size < torch.cuda.mem_get_info(self.device)[0]

    def __str__(self) -> str:
        return f"{self.device} in {str(self.number).removeprefix('torch.')}"


def pick_compute(device: str | None = None, float32: bool = False) -> Compute:
    """The device called ``device``, or the GPU where there is one, or the processor.

    Of several GPUs each process that torchrun started picks its own. In the fastest numbers it has units for: bfloat16,
    on older GPUs float16, on older processors float32; with ``float32`` in those anywhere. EntryError where the device
    is not to be had.
    """
    wanted = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device("cuda", _own_gpu()) if wanted == "cuda" else torch.device(wanted)
        torch.zeros(1, device=picked)
    except (RuntimeError, AssertionError) as error:
        raise EntryError(f"--device {wanted}: not to be had here; try --device cpu") from error
    torch.backends.cudnn.allow_tf32 = not float32  # float32 in name only: 10 bits of mantissa
    return Compute(picked, torch.float32 if float32 else _fastest_number(picked))


def _own_gpu() -> int:
    rank, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if 0 < gpus <= rank:
        raise EntryError(f"{gpus} GPUs are too few for process {rank + 1}; start one for each, or give --device cpu")
    return rank


def _fastest_number(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    units = torch.cpu.get_capabilities()
    return torch.bfloat16 if units.get("avx512_bf16") or units.get("amx_bf16") else torch.float32
