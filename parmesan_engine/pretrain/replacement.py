"""Replacement Learning: chosen blocks have no weights of their own but blend those of the blocks before and after them.

An implementation from the public description (Zhang et al. 2024, arXiv 2410.01239; no code is public): block i computes with
theta_i = a_i theta_(i-1) + b_i theta_(i+1), where only the numbers a_i and b_i are learned. Which blocks, that both begin at 1/2, and the
choice whether the neighbours also learn through block i (`share_gradient`) are ours. Normalisation layers keep their own statistics.
"""

import copy

import torch
from torch import nn
from torch.func import functional_call

from parmesan_engine.errors import LimitError, ShapeError


class Blend(nn.Module):
    """A block that computes with `a` times the weights of one block plus `b` times those of another.

    It has the buffers of the block that it replaces (running statistics), and of its weights only their names.
    """

    def __init__(self, block: nn.Module, *, share_gradient: bool) -> None:
        super().__init__()
        self.share_gradient = share_gradient
        empty = copy.deepcopy(block).to("meta")
        self._template = [empty]  # in a list: its empty weights are no weights of ours
        self._buffer_names = {name: name.replace(".", "/") for name, _ in block.named_buffers()}  # a module allows no dots
        self._unsaved = {name for name in self._buffer_names if name not in block.state_dict()}
        for name, buffer in block.named_buffers():
            self.register_buffer(self._buffer_names[name], buffer.detach().clone(), persistent=name not in self._unsaved)
        self.a = nn.Parameter(torch.tensor(0.5))
        self.b = nn.Parameter(torch.tensor(0.5))

    def train(self, mode: bool = True) -> "Blend":
        """Set training mode, of the layers without weights too."""
        self._template[0].train(mode)
        return super().train(mode)

    def weights(self, before: nn.Module, after: nn.Module) -> dict[str, torch.Tensor]:
        """Return the blended weights by name."""
        behind, ahead = dict(before.named_parameters()), dict(after.named_parameters())
        if not self.share_gradient:
            behind, ahead = ({name: weight.detach() for name, weight in one.items()} for one in (behind, ahead))
        return {name: self.a * weight + self.b * ahead[name] for name, weight in behind.items()}

    def forward(self, x: torch.Tensor, before: nn.Module, after: nn.Module) -> torch.Tensor:
        """Return what the replaced block makes of x with blended weights."""
        own = {name: getattr(self, kept) for name, kept in self._buffer_names.items()}
        return functional_call(self._template[0], {**self.weights(before, after), **own}, (x,))

    def plain(self, before: nn.Module, after: nn.Module) -> nn.Module:
        """Return an ordinary block with copies of the blended weights."""
        block = copy.deepcopy(self._template[0]).to_empty(device=self.a.device)
        state = {name: weight.detach().clone() for name, weight in self.weights(before, after).items()}
        state |= {name: getattr(self, kept) for name, kept in self._buffer_names.items()}
        with torch.no_grad():
            for name, value in [*block.named_parameters(), *block.named_buffers()]:
                value.copy_(state[name])
        return block


class BlendedStage(nn.Sequential):
    """A stage of equal-shaped blocks some of which are blends of their neighbours."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x after all blocks."""
        blocks = list(self)
        for number, block in enumerate(blocks):
            x = block(x, blocks[number - 1], blocks[number + 1]) if isinstance(block, Blend) else block(x)
        return x

    def plain(self) -> nn.Sequential:
        """Return an ordinary stage that computes the same."""
        blocks = list(self)
        return nn.Sequential(*(block.plain(blocks[i - 1], blocks[i + 1]) if isinstance(block, Blend) else copy.deepcopy(block)
                               for i, block in enumerate(blocks)))


def replaced_blocks(blocks: int, every: int) -> list[int]:
    """Return which blocks of a stage are replaced: every so-manieth from the second on, never the last, never two in a row.

    >>> replaced_blocks(6, 2), replaced_blocks(6, 3), replaced_blocks(6, 4), replaced_blocks(2, 2)
    ([1, 3], [1, 4], [1], [])
    """
    return list(range(1, blocks - 1, every))


def replace_blocks(stages: nn.ModuleList, every: int, *, share_gradient: bool = True) -> int:
    """Replace every so-manieth block inside each stage, in place; return how many. The new blocks start halfway between neighbours.

    Raises LimitError for `every` below 2 or where no stage has a block to replace, ShapeError where neighbours differ in shape.
    """
    if every < 2:
        raise LimitError("at most every 2nd block replaced: a blend needs neighbours with weights", f"every {every}", "choose from 2 on")
    count = 0
    for number, stage in enumerate(stages):
        blocks = list(stage)
        chosen = replaced_blocks(len(blocks), every)
        for i in chosen:
            _check_shapes(blocks[i - 1:i + 2], f"block {i + 1} of stage {number + 1}")
            blocks[i] = Blend(blocks[i], share_gradient=share_gradient)
        if chosen:
            stages[number] = BlendedStage(*blocks)
            stages[number].train(stage.training)
        count += len(chosen)
    if not count:
        raise LimitError("a stage of at least 3 blocks", f"stages of {', '.join(str(len(s)) for s in stages)}", "train a deeper network")
    return count


def bake(stages: nn.ModuleList) -> None:
    """Give replaced blocks weights of their own, in place: afterwards the network is an ordinary one that computes the same."""
    for number, stage in enumerate(stages):
        if isinstance(stage, BlendedStage):
            stages[number] = stage.plain().train(stage.training)


def _check_shapes(blocks: list[nn.Module], where: str) -> None:
    shapes = [{name: tuple(weight.shape) for name, weight in block.named_parameters()} for block in blocks]
    if shapes[0] != shapes[1] or shapes[1] != shapes[2]:
        odd = next(name for one in shapes for name in one if len({shape.get(name) for shape in shapes}) > 1)
        raise ShapeError(f"equal weights in {where} and both its neighbours", f"{odd} of {[shape.get(odd) for shape in shapes]}",
                         "replace blocks only where shapes do not change")
