"""Eigenvalues of fields of symmetric matrices in closed form: no loop over pixels, any device."""

import math

import torch


def sorted_eigenvalues(matrix: dict[tuple[int, int], torch.Tensor], size: int) -> list[torch.Tensor]:
    """Return the eigenvalues in descending order, each of the shape of an entry.

    matrix: entries (row, column) with row <= column of symmetric 1x1, 2x2 or 3x3 matrices, float32, left as they are.
    """
    if size == 1:
        return [matrix[0, 0]]
    if size == 2:
        a, b, c = matrix[0, 0], matrix[1, 1], matrix[0, 1]
        mean = (a + b).mul_(0.5)
        half = (a - b).mul_(0.5)
        root = half.mul_(half).addcmul_(c, c).sqrt_()
        return [mean + root, mean - root]
    return _eigenvalues_3x3(matrix)


def _eigenvalues_3x3(m: dict[tuple[int, int], torch.Tensor]) -> list[torch.Tensor]:
    """Smith's trigonometric formula (Communications of the ACM 4:168, 1961), in float64.

    Where two eigenvalues are equal the angle loses half of the digits: float32 would be wrong by 3e-4 of the norm.
    """
    a, b, c = m[0, 0].double(), m[1, 1].double(), m[2, 2].double()
    d, e, f = m[0, 1].double(), m[0, 2].double(), m[1, 2].double()
    mean = (a + b).add_(c).div_(3)
    a, b, c = a.sub_(mean), b.sub_(mean), c.sub_(mean)
    dd, ee, ff = d * d, e * e, f * f
    p = (a * a).addcmul_(b, b).addcmul_(c, c).add_(dd + ee + ff, alpha=2).div_(6).sqrt_()
    determinant = (b * c).sub_(ff).mul_(a).sub_(dd.mul_(c)).sub_(ee.mul_(b)).addcmul_(d.mul_(e), f, value=2)
    cube = (p * p).mul_(p).mul_(2).clamp_min_(torch.finfo(p.dtype).tiny)  # zero only for multiples of the identity
    angle = determinant.div_(cube).clamp_(-1, 1).acos_().div_(3)
    p.mul_(2)
    first = torch.cos(angle).mul_(p).add_(mean)
    last = angle.add_(2 * math.pi / 3).cos_().mul_(p).add_(mean)
    middle = mean.mul_(3).sub_(first).sub_(last)
    return [first.float(), middle.float(), last.float()]
