"""Weights of a pyramid network in one safetensors file: half precision, the network's shape and recipe in its header. No pickle.

Shipped weights are called by name ("photographs"), one's own by path.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from parmesan_engine.encoders.pyramid_net import PyramidNet
from parmesan_engine.errors import FormatError

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "encoders"
SUFFIX = ".safetensors"
MAX_BYTES = 256 << 20
LIMITS = {"spatial_dims": 3, "channels": 16, "widths": 4096, "depths": 64, "outputs": 1024, "stem": 16}  # of each number in a shape
MAX_STAGES = 8


def path_of(weights: str) -> Path:
    """Return the file of shipped weights by name, or of a path. Raises FormatError when there is none."""
    path = SHIPPED / f"{weights}{SUFFIX}" if Path(weights).name == weights and not weights.endswith(SUFFIX) else Path(weights)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in SHIPPED.glob(f"*{SUFFIX}"))) or "none"
        raise FormatError(f"shipped weights ({known}) or the path of a {SUFFIX} file", repr(weights), "correct the encoder's weights")
    return path


def save(path: str | Path, net: PyramidNet, recipe: dict[str, Any]) -> None:
    """Write a network beside and rename it into place. recipe: how it was made, any JSON."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().to("cpu", torch.float16 if value.is_floating_point() else value.dtype).contiguous()
               for name, value in net.state_dict().items()}
    beside = path.with_name(path.name + ".new")
    save_file(tensors, beside, metadata={"shape": json.dumps(net.shape), "recipe": json.dumps(recipe)})
    beside.replace(path)


def load(weights: str) -> tuple[PyramidNet, dict[str, Any]]:
    """Return the network, ready for inference, and its recipe. Raises FormatError for what is not a network of ours."""
    path = path_of(weights)
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"at most {MAX_BYTES >> 20} MiB of weights", f"{path.stat().st_size >> 20} MiB", "use a smaller network")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            shape, recipe = _shape(json.loads(about["shape"])), json.loads(about["recipe"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        with torch.device("meta"):  # no memory and no random numbers before the tensors are known to fit
            net = PyramidNet(**shape)
        net.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, assign=True)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise FormatError("weights saved by the pretrain command", f"{path}: {str(error).splitlines()[0]}", "make them again") from error
    return net.eval().requires_grad_(False), recipe


def digest(weights: str) -> str:
    """Return 16 hex digits over the bytes of the file: other weights, other features."""
    with path_of(weights).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def _shape(shape: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of a network after checking it, so that a hostile header allocates nothing. Raises ValueError."""
    if set(shape) != set(LIMITS):
        raise ValueError(f"a shape of {', '.join(LIMITS)} instead of {', '.join(map(str, shape))}")
    for name, most in LIMITS.items():
        numbers = shape[name] if name in ("widths", "depths") else [shape[name]]
        if not 1 <= len(numbers) <= MAX_STAGES or not all(isinstance(n, int) and 1 <= n <= most for n in numbers):
            raise ValueError(f"{name} of 1 to {most} instead of {shape[name]}")
    if len(shape["widths"]) != len(shape["depths"]) or shape["stem"] % 2:
        raise ValueError("one depth for each width, and an even stem")
    return shape
