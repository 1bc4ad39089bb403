"""Before the metric is fitted: bend each feature so that outliers count less, bring it to unit variance, choose few axes of many.

Pure functions of a set of rows; few, constant or discrete features do no harm.
"""

import numpy as np

WIDTH = 1.5  # robust standard deviations from the centre at which a feature of very heavy tails bends
HEAVY = 1.5  # standard deviation over the robust one up to which a feature stays straight: 1 for a Gaussian
NARROWEST = 0.1  # of the reach of all but the outliers: a feature that is nearly always the same must not become a switch
CENTRING = 4  # Newton steps
CROWDED = 2  # features per axis kept, from which groups are balanced
SIGMAS = 1.349, 4.107  # from the 25 % to the 75 % quantile of a Gaussian, and from 2 % to 98 %, in standard deviations


def bends(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre and the curve (1 / width) of each of (n, D) features, for `bend`.

    Features of light tails stay straight (curve 0); the heavier the tails, the nearer to WIDTH robust deviations is the width.
    The centre is where bent features have mean 0 (an M-estimate of location, Huber 1964), so that keys lie around the pole of
    the sphere. A forest of trees knows only the order of values, so that heavy tails (gradients, a signal's spikes) cost it
    nothing; a distance without bends sees little but the tails.
    """
    lowest, low, centre, high, highest = np.quantile(rows, (0.02, 0.25, 0.5, 0.75, 0.98), axis=0)
    reach = (highest - lowest) / SIGMAS[1]
    typical = float(np.median(reach)) or float(rows.std(axis=0).max()) or 1.0
    middle = np.maximum((high - low) / SIGMAS[0], np.maximum(NARROWEST * reach, 1e-3 * typical))
    heavy = np.maximum(0, 1 - np.square(HEAVY * middle / np.maximum(rows.std(axis=0), middle)))
    curve = heavy / (WIDTH * middle)
    for _ in range(CENTRING):
        bent = bend(rows, centre, curve)
        slope = (1 - np.square(bent * curve)) ** 1.5  # of the bend, where each entry lies
        centre = centre + bent.sum(axis=0) / np.maximum(slope.sum(axis=0), 0.1 * len(rows))
    return centre, curve


def bend(rows: np.ndarray, centre: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Return (n, D) bent features: as they are near the centre, at most one width from it far away.

    >>> bend(np.array([[1.0], [1e9]]), np.array([1.0]), np.array([0.5])).round(6).tolist()
    [[0.0], [2.0]]
    """
    centred = rows - centre
    return centred / np.sqrt(1 + np.square(centred * curve))


def standardise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and scale of each feature, scales shrunk towards the typical one: few or constant entries do no harm."""
    variance = rows.var(axis=0)
    typical = float(np.median(variance)) or float(variance.mean()) or 1.0
    variance = (len(rows) * variance + 4 * typical) / (len(rows) + 4)
    return rows.mean(axis=0), np.sqrt(np.maximum(variance, 1e-4 * typical))


def axes(rows: np.ndarray, groups: tuple[str, ...], outputs: int) -> np.ndarray:
    """Return the (D, outputs) axes along which (n, D) standard features vary most; all D, unmixed, where that is not more.

    Groups are balanced as in multiple factor analysis (Escofier and Pages, 1994): each by its largest variance along any axis. Else
    two coordinates were lost among a thousand features of a network. Where nearly all axes are kept nothing can be lost, and balancing
    only hurts few entries: three volumes of 10 places a class fell from 0.40 to 0.36 mean IoU.
    """
    features = rows.shape[1]
    if features <= outputs:
        return np.eye(features)
    covariance, balance = rows.T @ rows / len(rows), np.ones(features)
    if features > CROWDED * outputs:
        for group in sorted(set(groups)):
            own = np.array([g == group for g in groups])
            balance[own] = max(float(np.linalg.eigvalsh(covariance[np.ix_(own, own)])[-1]), 1e-6) ** -0.5
        balance /= np.sqrt(np.square(balance).mean())
    directions = np.linalg.eigh(balance[:, None] * covariance * balance)[1][:, ::-1]
    return balance[:, None] * directions[:, :outputs]
