"""Eigenvalues of fields of symmetric matrices in closed form: no loop over pixels, any device."""

import math

import torch


def sorted_eigenvalues(matrix: dict[tuple[int, int], torch.Tensor], size: int) -> list[torch.Tensor]:
    """Return the eigenvalues in descending order, each of the shape of an entry.

    matrix: entries (row, column) with row <= column of symmetric 1x1, 2x2 or 3x3 matrices, float32.
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
    """Smith's trigonometric formula (Communications of the ACM 4:168, 1961), on matrices of trace zero and norm one.

    The normalisation keeps float32 safe for tiny and huge entries; multiples of the identity give three equal values.
    """
    mean = (m[0, 0] + m[1, 1] + m[2, 2]) / 3
    a, b, c = m[0, 0] - mean, m[1, 1] - mean, m[2, 2] - mean
    d, e, f = m[0, 1], m[0, 2], m[1, 2]
    largest = torch.stack([x.abs() for x in (a, b, c, d, e, f)]).amax(0).clamp_min_(torch.finfo(mean.dtype).tiny)
    a, b, c, d, e, f = (x / largest for x in (a, b, c, d, e, f))
    p = ((a * a + b * b + c * c + 2 * (d * d + e * e + f * f)) / 6).clamp_min_(1e-12).sqrt_()
    determinant = a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)
    angle = torch.acos((determinant / (2 * p * p * p)).clamp_(-1, 1)) / 3
    scale = 2 * p * largest
    first = mean + scale * torch.cos(angle)
    last = mean + scale * torch.cos(angle + 2 * math.pi / 3)
    return [first, 3 * mean - first - last, last]
