"""Folders of small models with random weights, of the same classes as the real ones."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
import transformers as hf

PLAIN = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "initializer_range": 0.2}
DINO2 = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 70, "patch_size": 14, "initializer_range": 0.2}
NETWORK = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}
KINDS = {
    "dinov2": (hf.Dinov2Config, hf.Dinov2Model, DINO2),
    "dinov2_registers": (hf.Dinov2WithRegistersConfig, hf.Dinov2WithRegistersModel, DINO2 | {"num_register_tokens": 4}),
    "dinov3": (hf.DINOv3ViTConfig, hf.DINOv3ViTModel, PLAIN | {"num_register_tokens": 4}),
    "dinov3_convnext": (hf.DINOv3ConvNextConfig, hf.DINOv3ConvNextModel, NETWORK),
    "convnext": (hf.ConvNextConfig, hf.ConvNextForImageClassification, NETWORK),  # its head is left out
    "vit": (hf.ViTConfig, hf.ViTModel, PLAIN | {"image_size": 64}),
    "clip": (hf.CLIPVisionConfig, hf.CLIPVisionModel, PLAIN | {"image_size": 64, "patch_size": 16}),
    "swin": (hf.SwinConfig, hf.SwinModel, {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "image_size": 64, "window_size": 4}),
}
TRANSFORMERS = ("dinov2", "dinov2_registers", "dinov3", "vit", "clip")
REGISTERS = {"dinov2_registers": 4, "dinov3": 4}


def write_model(kind: str, folder: Path, *, seed: int = 0, change=None, **options) -> Path:
    """Write a model of a kind with random weights into a folder; change: called with the model before it is saved; options: settings."""
    config, model, settings = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = model(config(**settings | options)).eval()
    if change is not None:
        with torch.no_grad():
            change(made)
    made.save_pretrained(folder)
    return folder


@cache
def shared_model(kind: str = "dinov2") -> Path:
    """Return the folder of a model that several tests read and none changes."""
    return write_model(kind, Path(mkdtemp(prefix=f"tiny-{kind}-")))
