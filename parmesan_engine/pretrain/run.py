"""Pre-training from options to a file of weights: which network, which objective, which blocks are replaced."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from parmesan_engine.device import device_of
from parmesan_engine.encoders import weights
from parmesan_engine.encoders.pyramid_net import PyramidNet
from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.pretrain import checkpoint, replacement
from parmesan_engine.pretrain.categories import Categories
from parmesan_engine.pretrain.objectives import DenseContrast
from parmesan_engine.pretrain.perspective import Perspective
from parmesan_engine.pretrain.photographs import Photographs
from parmesan_engine.pretrain.training import Growth, Moment, Objective, Training
from parmesan_engine.pretrain.unlabelled import Unlabelled

NETWORKS = {  # signals and volumes have one channel, volumes fewer and finer levels: they are small along each axis
    1: {"channels": 1, "widths": (32, 64, 96, 128), "depths": (2, 2, 4, 2), "outputs": 32, "stem": 4},
    2: {},
    3: {"channels": 1, "widths": (24, 48, 96), "depths": (2, 3, 3), "outputs": 24, "stem": 2},
}


def pretrain(out: str | Path, *, images: Path | None = None, categories: bool = False, procedural: bool = False,
             perspective: bool = False, dims: int = 2, widths: Sequence[int] | None = None, depths: Sequence[int] | None = None,
             every: int | None = None, share_gradient: bool = False, steps: int | None = None, minutes: float | None = None, seed: int = 0,
             resume: bool = False, device: str = "cpu", growth: Growth | None = None, reading: Callable[[float], None] | None = None,
             progress: Callable[[Moment], None] | None = None) -> dict[str, Any]:
    """Train an encoder on images, procedural scenes or both in turn, write it to `out` and return what was done.

    categories: the names of the images carry them, NAME_0001.jpg, and they are learned; else images are compared with themselves.
    procedural: dead leaves, compared with themselves; perspective: streets and rooms whose kinds, normals and distances are learned. every:
    replace every so-manieth block inside each stage (Replacement Learning), share_gradient: its neighbours learn through it too; the file
    holds an ordinary network. growth: sizes of pictures and batches, see `training`. progress, and reading while images are read, may
    raise to cancel: a checkpoint beside `out` then lets `resume` go on, with the same options. Raises FormatError, LimitError.
    """
    device_of(device)
    if Path(out).suffix != weights.SUFFIX:
        raise FormatError(f"a file name that ends in {weights.SUFFIX}", f"{out}", "correct --out")
    saved_at = checkpoint.path_beside(out)
    if not resume and saved_at.exists():  # hours of work, perhaps
        raise FormatError("no unfinished run", f"{saved_at}", "give --resume to go on with it, or delete that file")
    if not Path(out).parent.is_dir():
        raise FormatError("a folder that exists for --out", f"{Path(out).parent}", "make it, or give another")
    net = network(dims, widths, depths, seed)
    plain = parameters(net)
    replaced = replacement.replace_blocks(net.stages, every, share_gradient=share_gradient) if every else 0
    objectives = objectives_of(images, categories, procedural, net.shape, perspective=perspective, seed=seed, reading=reading)
    recipe = {"images": images and Path(images).name, "objectives": [objective.name for objective in objectives], "shape": net.shape,
              "replacement": every, "share_gradient": share_gradient, "steps": steps, "minutes": minutes, "seed": seed, "growth": growth}
    training = Training(net, objectives, steps=steps, minutes=minutes, seed=seed, device=device, growth=growth)
    if resume:
        training.resume(recipe, saved_at)
    training.run(recipe, saved_at=saved_at, progress=progress)
    trained, moment = training.average, training.moment
    replacement.bake(trained.stages)
    weights.save(out, trained, {**recipe, "steps_taken": moment.step, "seconds": round(moment.seconds, 1)})
    saved_at.unlink(missing_ok=True)
    return {"out": str(out), "steps": moment.step, "seconds": moment.seconds, "seconds_per_step": moment.seconds / max(moment.step, 1),
            "loss": moment.loss, "parameters": plain, "learnable": parameters(net), "replaced_blocks": replaced}


def network(dims: int, widths: Sequence[int] | None, depths: Sequence[int] | None, seed: int) -> PyramidNet:
    """Return a network for samples of `dims` axes with random weights that the seed decides. Raises LimitError."""
    if seed < 0:
        raise LimitError("a seed from 0 on", f"{seed}", "correct --seed")
    chosen = {"spatial_dims": dims, **NETWORKS[dims], **({"widths": widths} if widths else {}), **({"depths": depths} if depths else {})}
    if ("widths" in chosen) != ("depths" in chosen) or len(chosen.get("widths", ())) != len(chosen.get("depths", ())):
        raise LimitError("as many widths as depths", f"widths {widths}, depths {depths}", "give both, one number for each stage")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PyramidNet(**chosen)


def objectives_of(images: Path | None, categories: bool, procedural: bool, shape: dict[str, Any], *, perspective: bool = False,
                  seed: int = 0, reading: Callable[[float], None] | None = None) -> list[Objective]:
    """Return what a network of this shape is trained for, in turn. Raises FormatError, and what reading raises."""
    dims, channels, found = shape["spatial_dims"], shape["channels"], []
    if categories and (images is None or dims != 2):
        got = f"samples of {dims} axes" if images else "no images"
        raise FormatError("images for --categories", got, "give --images DIR with --dims 2, or leave out --categories")
    if procedural:
        found.append(DenseContrast.of_scenes(dims, channels))
    if perspective and (dims, channels) != (2, 3):
        raise FormatError("pictures of three channels for --perspective", f"samples of {dims} axes", "give --dims 2, or leave it out")
    photographs = Photographs(images) if categories else None
    if perspective:
        found.append(Perspective(seed=seed, pictures=photographs and photographs.images, progress=reading))
    if photographs:
        found.append(Categories(photographs))
    elif images is not None:
        found.append(DenseContrast.of_pictures(Unlabelled(images, spatial_dims=dims, channels=channels, progress=reading), dims))
    if not found:
        raise FormatError("a source to learn from", "none", "give --images DIR, --procedural, --perspective, or several")
    return found


def parameters(net: torch.nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(weight.numel() for weight in net.parameters())
