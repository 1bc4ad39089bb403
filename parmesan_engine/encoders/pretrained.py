"""A Hugging Face vision model as a function from pixels to feature maps: transformers without class or register tokens, and networks.

The classes of `AutoBackbone` where there is one (`AutoBackbone.from_pretrained` itself asks the hub even for a folder), else
`AutoModel` with its hidden states. No code of a model's folder is run (`trust_remote_code` stays off), no pickle is read.
"""

import inspect
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import torch

from parmesan_engine.encoders.beside import dtype_of
from parmesan_engine.encoders.model_folder import transformers
from parmesan_engine.encoders.workers import on_one_thread
from parmesan_engine.errors import FormatError, UnknownNameError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet: for models that do not say theirs
PROBE = 256  # edge in pixels of the picture that tells the strides of models without patches
MADE_ANEW = ("hidden_states_norms.", "pooler.", "head.", "mask_token")  # what may be missing: starts as identity, or is not used here
TODO = "give the folder of a vision backbone (DINOv2, DINOv3, ConvNeXt, ViT, ...)"


@dataclass(frozen=True)
class Pretrained:
    """One loaded model. layers, strides, channels: of each chosen feature map, in order; all: how many it has.

    patch: pixels along the edge of a patch of a plain transformer, 0 for networks whose maps have several strides.
    multiple: of which the input's sides must be.
    """

    model: torch.nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patch: int
    multiple: int
    layers: tuple[int, ...]
    strides: tuple[int, ...]
    channels: tuple[int, ...]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Return (batch, channels, rows, columns) float32 of each chosen map; pixels: (batch, 3, height, width) in [0, 1]."""
        first = next(self.model.parameters())
        mean, std = (torch.tensor(v, device=first.device).view(1, -1, 1, 1) for v in (self.mean, self.std))
        with self._lock:  # one at a time: bounds memory, and a model's hooks need not know threads
            found = _all_maps(self.model, ((pixels.to(first.device) - mean) / std).to(first.dtype))
        return [found[i].float() for i in self.layers]


def load(folder: Path, layers: tuple[int, ...], precision: str, device: str) -> Pretrained:
    """Load a model's folder. layers: which maps, 0 being what comes before the first layer; none: the last one of a plain transformer,
    of a network every stage.

    Raises FormatError for what is no vision backbone or lacks weights, UnknownNameError for layers or a precision that are not there.
    """
    dtype, package = dtype_of(precision), transformers()
    from safetensors import SafetensorError  # comes with it

    try:
        model, config = _model(folder, dtype)
        model.eval().requires_grad_(False).to(device)
        patch = _patch_of(config)
        side = 16 * patch or PROBE
        with torch.no_grad():
            probe = _all_maps(model, torch.zeros(1, 3, side, side, device=device, dtype=dtype))
    except (OSError, ValueError, KeyError, AttributeError, TypeError, ImportError, RuntimeError, SafetensorError) as error:  # odd models
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"a vision backbone that transformers {package.__version__} can load, {folder}",
                          f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", TODO) from error
    strides = [round(side / m.shape[2]) for m in probe]
    plain = bool(patch) and set(strides) == {patch}
    chosen = layers or ([len(probe) - 1] if plain else range(1, len(probe)))
    if unknown := [i for i in chosen if not -len(probe) <= i < len(probe)]:
        raise UnknownNameError(f"layers from 0 to {len(probe) - 1} of this model", f"{unknown}", "correct layers=")
    chosen = tuple(i % len(probe) for i in chosen)
    mean, std = _intensities(folder)
    return Pretrained(model, mean, std, patch if plain else 0, max(strides), chosen, tuple(strides[i] for i in chosen),
                      tuple(probe[i].shape[1] for i in chosen))


def _model(folder: Path, dtype: torch.dtype):
    """Return (model, its config). Raises FormatError where weights are missing, and whatever transformers raises."""
    package = transformers()
    options = {"local_files_only": True, "trust_remote_code": False}
    config = package.AutoConfig.from_pretrained(folder, **options)
    if getattr(config, "num_channels", 3) != 3 or hasattr(config, "text_config"):
        raise FormatError("a model of pictures in colour", f"{config.model_type} in {folder}", TODO)
    kinds, cls = package.MODEL_FOR_BACKBONE_MAPPING, package.AutoModel
    if type(config) in kinds:
        cls = kinds[type(config)]
        config.out_indices = list(range(len(config.stage_names)))
        del options["trust_remote_code"]  # a class of the package itself
    verbosity, bars = package.logging.get_verbosity(), package.logging.is_progress_bar_enabled()
    package.logging.set_verbosity_error()  # weights of heads that are left out would be told as a warning
    package.logging.disable_progress_bar()
    try:
        model, told = cls.from_pretrained(folder, config=config, use_safetensors=True, dtype=dtype, output_loading_info=True, **options)
    finally:
        package.logging.set_verbosity(verbosity)
        if bars:
            package.logging.enable_progress_bar()
    missing = sorted(key for key in told["missing_keys"] if not key.startswith(MADE_ANEW))
    if missing or told["mismatched_keys"]:  # they would be random
        raise FormatError(f"all weights of a {type(model).__name__} in {folder}",
                          f"{len(missing)} missing ({', '.join(missing[:3])}), {len(told['mismatched_keys'])} of another shape", TODO)
    return model, config


def _all_maps(model: torch.nn.Module, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Return every (batch, channels, rows, columns) feature map, first to last. Raises FormatError."""
    known = inspect.signature(model.forward).parameters
    asked = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in known else {}
    found = on_one_thread(lambda shown: model(pixel_values=shown, output_hidden_states=True, **asked), pixels)
    maps = getattr(found, "feature_maps", None)
    if maps is not None:
        return list(maps)
    states = list(found.hidden_states or ())
    last = found.get("last_hidden_state")
    if states and last is not None and last.shape == states[-1].shape:
        states[-1] = last  # normalised, as the model's own heads get it
    return [_without_tokens(state, model.config, pixels.shape[2:]) for state in states]


def _without_tokens(state: torch.Tensor, config, size: torch.Size) -> torch.Tensor:
    """Return patch tokens as a map: class and register tokens, which come first, left out. Raises FormatError."""
    if state.ndim == 4:
        return state
    patch = _patch_of(config)
    rows, columns = (n // patch for n in size) if patch else (0, 0)
    extra = state.shape[1] - rows * columns
    if extra not in {0, 1, 2, 1 + getattr(config, "num_register_tokens", 0)}:
        raise FormatError(f"a token for each of {rows} x {columns} patches, and a few before them",
                          f"{state.shape[1]} tokens of {config.model_type}", TODO)
    return state[:, extra:].transpose(1, 2).reshape(len(state), -1, rows, columns)


def _patch_of(config) -> int:
    """Return the edge of a square patch in pixels; 0 where a model says none."""
    patch = getattr(config, "patch_size", None) or 0
    sides = set(patch) if isinstance(patch, list | tuple) else {patch}
    return sides.pop() if len(sides) == 1 else 0


def _intensities(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation of intensities in [0, 1] that the model wants, per colour."""
    try:
        told = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return MEAN, STD
    except ValueError as error:
        raise FormatError("a readable preprocessor_config.json", f"{folder}: {error}", "download the model again") from error
    if told.get("do_normalize") is False:
        return (0.0,) * 3, (1.0,) * 3
    mean, std = told.get("image_mean", MEAN), told.get("image_std", STD)
    if any(not isinstance(v, list | tuple) or len(v) != 3 for v in (mean, std)) or min(std) <= 0:
        raise FormatError("three numbers each for image_mean and image_std", f"{mean}, {std} in {folder}",
                          "correct preprocessor_config.json")
    return tuple(map(float, mean)), tuple(map(float, std))
