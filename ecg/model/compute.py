"""Device and dtype."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from ecg.data.windows import Windows
from ecg.errors import EntryError


@dataclass(frozen=True)
class Compute:
    """A device and the dtype of the residual blocks. Weights, stem and head stay in float32."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def wrap(self, network: nn.Module) -> nn.Module:
        """Move ``network`` to the device and return the module to call in training."""
        return network.to(self.device)

    def share(self, windows: Windows) -> Windows:
        """The part of a training batch that this process computes: all of it."""
        return windows

    def average(self, value: float) -> float:
        """The mean of ``value`` over the processes that share a batch: ``value`` itself."""
        return value

    def seed(self, seed: int) -> None:
        """Seed PyTorch's random numbers."""
        torch.manual_seed(seed)

    def gradient_scaler(self) -> torch.amp.GradScaler:
        """A scaler that keeps small float16 gradients from becoming zero; it does nothing for other dtypes."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def random_state(self) -> dict[str, torch.Tensor]:
        """The state of the random number generators of a training step (dropout and augmentation)."""
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def set_random_state(self, state: dict[str, torch.Tensor]) -> None:
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def fits(self, size: int) -> bool:
        """Whether ``size`` bytes of recordings fit on the GPU and leave as much memory again for the networks."""
        return self.device.type == "cuda" and 2 * size < torch.cuda.mem_get_info(self.device)[0]

    def __str__(self) -> str:
        return f"{self.device} in {str(self.dtype).removeprefix('torch.')}"


def pick_compute(device: str | None = None, float32: bool = False) -> Compute:
    """Choose device and dtype.

    Parameters
    ----------
    device : str, optional
        A PyTorch device such as ``cpu`` or ``cuda:1``. The default is the GPU if there is one, else the CPU. Each
        process that torchrun starts takes its own GPU.
    float32 : bool
        True: compute in float32. False: the fastest dtype of the device, bfloat16, or float16 on older GPUs, or float32
        on older CPUs.

    Returns
    -------
    Compute

    Raises
    ------
    EntryError
        If the device does not exist.

    Examples
    --------
    >>> print(pick_compute("cpu", float32=True))
    cpu in float32
    """
    wanted = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device("cuda", _own_gpu()) if wanted == "cuda" else torch.device(wanted)
        torch.zeros(1, device=picked)
    except (RuntimeError, AssertionError) as error:
        raise EntryError(f"--device {wanted}: not available here; try --device cpu") from error
    torch.backends.cudnn.allow_tf32 = not float32  # TF32 has only 10 bits of mantissa
    return Compute(picked, torch.float32 if float32 else _fastest_dtype(picked))


def _own_gpu() -> int:
    rank, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if 0 < gpus <= rank:
        raise EntryError(f"{gpus} GPUs are too few for process {rank + 1}; start one for each, or give --device cpu")
    return rank


def _fastest_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    units = torch.cpu.get_capabilities()
    return torch.bfloat16 if units.get("avx512_bf16") or units.get("amx_bf16") else torch.float32
