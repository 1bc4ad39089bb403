"""What is fitted: log weights (overall, per kind, scale, group and feature), a mixing matrix, a temperature.

    z = standard feature * exp(log weight);  key = (LIFT z (B + M), 1) / length;  logit = -(1 - cos) / (tau LIFT^2)

B, fixed, are the axes kept (`scaling.axes`); M, fitted, has at most MAX_OUTPUTS columns, however many features there are. Weights
of features of one kind or one scale move together cheaply and apart at a price (`penalty`), so few entries give a metric near
plain standardisation and many entries one of their own. The gradient is written out: NumPy then needs a third of the time of an
autograd engine, and the bits do not depend on the number of threads or on a device.
"""

import numpy as np

LIFT = 1 / 4  # far entries saturate from about 4 units of z, which keeps the vote broad where nothing is near
START_DISTANCE = 8.0  # mean of half the squared distance to the mean at the start, in units of the temperature
MAX_OUTPUTS = 63  # a key is one number longer (the lift): 64
# Price of the square of each kind of parameter, in units of the log-likelihood of one entry. The mixing of more than MAX_OUTPUTS
# features costs in proportion more: what can be mixed grows, what is known does not.
PRICES = {"overall": 10.0, "by_group": 2.0, "by_feature": 6.0, "log_tau": 4.0, "mixing": 100.0}


class Model:
    """The parameters of one fit and their gradient.

    groups: "kind@scale" or "kind" of each feature; basis: (D, outputs) axes that the mixing starts from.
    """

    def __init__(self, groups: tuple[str, ...], basis: np.ndarray, dtype: type = np.float32) -> None:
        columns = [groups, [g.partition("@")[0] for g in groups], [g.partition("@")[2] for g in groups]]
        self.member = np.concatenate([_one_hot(names) for names in columns], axis=1).astype(dtype)  # (D, G)
        features = len(groups)
        self.start = dtype(0.5 * np.log(2 * START_DISTANCE / features))
        self.basis = basis.astype(dtype)
        self.values = {
            "overall": np.zeros(1, dtype),
            "by_group": np.zeros(self.member.shape[1], dtype),
            "by_feature": np.zeros(features, dtype),
            "log_tau": np.zeros(1, dtype),
            "mixing": np.zeros(basis.shape, dtype),
        }

    def log_weight(self) -> np.ndarray:
        return self.start + self.values["overall"] + self.member @ self.values["by_group"] + self.values["by_feature"]

    def penalty_gradient(self) -> dict[str, np.ndarray]:
        """Return the gradient of the price of the parameters, sum of PRICES times squares."""
        prices = {**PRICES, "mixing": PRICES["mixing"] * max(1.0, len(self.basis) / MAX_OUTPUTS)}
        return {name: 2 * prices[name] * value for name, value in self.values.items()}

    def loss_and_gradient(self, rows: np.ndarray, targets: np.ndarray, apart: np.ndarray, anchors: np.ndarray,
                          loss_of_vote) -> tuple[float, dict[str, np.ndarray]]:
        """Return the anchors' loss under the vote of all entries outside their own sample, and its gradient.

        rows: (n, D) standardised features; targets: (n, L); apart: (n,) sample codes; anchors: (a,) distinct rows;
        loss_of_vote: ((a, L) vote, (a, L) targets) -> (loss, (a, L) gradient by the vote).
        """
        weighted = rows * np.exp(self.log_weight())
        mixing = LIFT * (self.basis + self.values["mixing"])
        points = weighted @ mixing
        length = np.sqrt(1 + np.square(points).sum(axis=1, keepdims=True))
        keys = np.concatenate([points, np.ones_like(length)], axis=1) / length
        sharp = np.exp(-self.values["log_tau"]) / LIFT**2
        logits = (sharp * keys[anchors]) @ keys.T  # less the constant -sharp, which the softmax cancels
        vote = _softmax(logits.copy(), apart[anchors, None] == apart)
        answer = vote @ targets
        loss, by_answer = loss_of_vote(answer, targets[anchors])

        by_logit = by_answer @ targets.T  # from here in place: fresh pages for large temporaries cost most of the time
        by_logit -= (by_answer * answer).sum(axis=1, keepdims=True)
        by_logit *= vote
        by_key = by_logit.T @ (sharp * keys[anchors])
        by_key[anchors] += sharp * (by_logit @ keys)
        by_point = ((by_key - keys * (keys * by_key).sum(axis=1, keepdims=True)) / length)[:, :-1]
        by_weighted = by_point @ mixing.T
        by_log_weight = (by_weighted * weighted).sum(axis=0)
        return loss, {
            "overall": by_log_weight.sum(keepdims=True),
            "by_group": self.member.T @ by_log_weight,
            "by_feature": by_log_weight,
            "log_tau": -np.einsum("an,an->", by_logit, logits).reshape(1),
            "mixing": LIFT * (weighted.T @ by_point),
        }

    def projection(self) -> np.ndarray:
        """Return the (D, outputs) float64 matrix from standard features to keys before the lift, LIFT included."""
        weight = np.exp(self.log_weight().astype(np.float64))
        return LIFT * weight[:, None] * (self.basis + self.values["mixing"])

    @property
    def tau(self) -> float:
        """The fitted temperature, in units of the cosine distance of keys."""
        return float(np.exp(self.values["log_tau"][0])) * LIFT**2


def _one_hot(names: list[str] | tuple[str, ...]) -> np.ndarray:
    """Return the (D, G) membership of features in the groups named."""
    kinds = sorted(set(names))
    return np.eye(len(kinds))[[kinds.index(name) for name in names]]


def _softmax(logits: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """Turn (a, n) logits into shares, in place; where `excluded`, 0 (all equal where a whole row is)."""
    np.putmask(logits, excluded, -1e30)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
