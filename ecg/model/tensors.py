"""Tensors and a few facts in one safetensors file. Nothing is unpickled, so a stranger's file can be opened."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save

from ecg.errors import EntryError
from ecg.files import write_whole


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], facts: dict[str, Any] | None = None) -> None:
    """Write ``tensors`` and ``facts`` (JSON values) to ``path``, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"facts": json.dumps(facts or {})}
    write_whole(path, lambda temporary: temporary.write_bytes(save(tensors, metadata)))


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the tensors and facts that ``save_tensors`` wrote; EntryError if the file is missing or damaged."""
    with _opened(path) as file:
        facts = json.loads((file.metadata() or {}).get("facts", "{}"))
        return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118


def tensor_shapes(path: Path) -> dict[str, tuple[list[int], bool]]:
    """Each tensor's shape and whether it is floating-point, without reading the tensors."""
    with _opened(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: (part.get_shape(), part.get_dtype() in ("F32", "F16", "BF16")) for name, part in slices.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not os.path.isfile(path):
        raise EntryError(f"{path}: is missing, or no file; train again or fetch it again")
    try:
        with safetensors.safe_open(path, "pt") as file:
            yield file
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise EntryError(f"{path}: cannot be read as weights ({error}); train again or fetch it again") from error
