"""The state of a training run in one safetensors file, its plain values as JSON in the header. No pickle.

A run that goes on from it takes the very steps that it would have taken: weights, their running mean, and the optimiser's moments are
kept bit for bit, and batches follow from the number of their step.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from parmesan_engine.errors import FormatError

SUFFIX = ".checkpoint"


def path_beside(out: str | Path) -> Path:
    """Return where the checkpoint of a run that writes `out` lies."""
    out = Path(out)
    return out.with_name(out.name + SUFFIX)


def save(path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, about: dict[str, Any]) -> None:
    """Write the tensors of named modules and of the optimiser, and `about` (any JSON); the file is whole or the old one."""
    tensors = {f"{part}/{name}": value for part, module in modules.items() for name, value in module.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{name}": value for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}  # safetensors shares no memory
    save_file(copies, beside, metadata={"about": json.dumps(about)})
    beside.replace(path)


def load(path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, recipe: dict[str, Any]) -> dict[str, Any]:
    """Fill modules and optimiser from a file and return its `about`. Raises FormatError when there is none or its recipe is another."""
    if not path.is_file():
        raise FormatError("the checkpoint of a run that was interrupted", f"no {path.name}", "start without --resume")
    recipe = json.loads(json.dumps(recipe))  # as it was written: tuples become lists
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            other = {name for name in {*recipe, *about["recipe"]} if recipe.get(name) != about["recipe"].get(name)}
            if other:
                was = ", ".join(f"{name} {about['recipe'].get(name)}" for name in sorted(other))
                now = ", ".join(f"{name} {recipe.get(name)}" for name in sorted(other))
                raise FormatError(f"the options of the interrupted run ({was})", now, "give the same options, or start without --resume")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        _fill(modules, optimizer, tensors)
    except FormatError:
        raise
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise FormatError("a checkpoint of this program", f"{path.name}: {str(error).splitlines()[0]}", "start without --resume") from error
    return about


def _fill(modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Give modules and optimiser their tensors. Raises RuntimeError or KeyError for other names or shapes."""
    for part, module in modules.items():
        module.load_state_dict({name.split("/", 1)[1]: value for name, value in tensors.items() if name.startswith(part + "/")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        part, number, kind = (name.split("/") + ["", ""])[:3]
        if part == "optimizer":
            state.setdefault(int(number), {})[kind] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
