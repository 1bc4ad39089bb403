"""What is fitted: log weights (overall, per kind, scale, group and feature), a mixing matrix, a temperature.

    z = (f - mean) / scale * exp(log weight);  key = (LIFT (z + z M), 1) / length;  logit = -(1 - cos) / (tau LIFT^2)

Weights of features of one kind or one scale move together cheaply and apart at a price (`penalty`), so few entries give a
metric near plain standardisation and many entries one of their own.
"""

import numpy as np
import torch

from parmesan_engine.metric.frozen import Metric

LIFT = 1 / 4  # far entries saturate from about 4 units of z, which keeps the vote broad where nothing is near
START_DISTANCE = 8.0  # mean of half the squared distance to the mean at the start, in units of the temperature
SHRINK_GROUP, SHRINK_FEATURE, SHRINK_MIXING, SHRINK_TAU = 2.0, 6.0, 100.0, 4.0  # in entries: divided by their number
MAX_OUTPUTS = 63  # a key is one number longer (the lift): 64


def standardise(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and scale of each feature, scales shrunk towards the typical one: few or constant entries do no harm."""
    variance = keys.var(axis=0)
    typical = float(np.median(variance)) or float(variance.mean()) or 1.0
    variance = (len(keys) * variance + 4 * typical) / (len(keys) + 4)
    return keys.mean(axis=0), np.sqrt(np.maximum(variance, 1e-4 * typical))


class Model:
    """The parameters of one fit, on one device."""

    def __init__(self, groups: tuple[str, ...], device: str) -> None:
        columns = [groups, [g.partition("@")[0] for g in groups], [g.partition("@")[2] for g in groups]]
        self.member = torch.cat([_one_hot(names, device) for names in columns], dim=1)  # (D, groups + kinds + scales)
        features = len(groups)
        start = 0.5 * float(np.log(2 * START_DISTANCE / features))
        self.overall = torch.full((1,), start, device=device).requires_grad_()
        self.by_group = torch.zeros(self.member.shape[1], device=device, requires_grad=True)
        self.by_feature = torch.zeros(features, device=device, requires_grad=True)
        self.log_tau = torch.zeros(1, device=device, requires_grad=True)
        self.mixing = torch.zeros((features, features), device=device, requires_grad=True)

    @property
    def weights(self) -> list[torch.Tensor]:
        """The parameters that learn fast: all but the mixing matrix."""
        return [self.overall, self.by_group, self.by_feature, self.log_tau]

    def log_weight(self) -> torch.Tensor:
        return self.overall + self.member @ self.by_group + self.by_feature

    def logits(self, rows: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
        """Return (a, n) logits of the vote of all (n, D) standardised rows for the anchors among them."""
        points = rows * self.log_weight().exp()
        points = LIFT * (points + points @ self.mixing)
        keys = torch.nn.functional.pad(points, (0, 1), value=1.0)
        keys = keys / keys.norm(dim=1, keepdim=True)
        return (keys[anchors] @ keys.T - 1.0) * ((-self.log_tau).exp() / LIFT**2)

    def penalty(self) -> torch.Tensor:
        """Return the price of the parameters, in units of the log-likelihood of one entry."""
        return (SHRINK_GROUP * self.by_group.square().sum() + SHRINK_FEATURE * self.by_feature.square().sum()
                + SHRINK_MIXING * self.mixing.square().sum() + SHRINK_TAU * self.log_tau.square().sum())

    def freeze(self, mean: np.ndarray, scale: np.ndarray, rows: torch.Tensor, *, k: int, score: float,
               fitted: int) -> Metric:
        """Return the metric, its outputs rotated to the principal axes of the (n, D) rows and cut to MAX_OUTPUTS of them."""
        weight = self.log_weight().detach().double().exp().cpu().numpy()
        mixing = self.mixing.detach().double().cpu().numpy()
        projection = LIFT * weight[:, None] * (np.eye(len(weight)) + mixing)
        if len(weight) > MAX_OUTPUTS:
            points = rows.double().cpu().numpy() @ projection
            axes = np.linalg.eigh(points.T @ points)[1][:, ::-1]
            projection = projection @ axes[:, :MAX_OUTPUTS]
        tau = float(self.log_tau.detach().exp()) * LIFT**2
        return Metric(mean, projection / scale[:, None], tau, k, score, fitted)


def _one_hot(names: list[str] | tuple[str, ...], device: str) -> torch.Tensor:
    """Return the (D, G) membership of features in the groups named."""
    kinds = sorted(set(names))
    return torch.nn.functional.one_hot(torch.tensor([kinds.index(n) for n in names], device=device), len(kinds)).float()
