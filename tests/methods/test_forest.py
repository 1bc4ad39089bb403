"""The random forest draws by its seed."""

import numpy as np

from parmesan_engine.methods import METHODS
from tests.helpers import VALUES
from tests.methods.lessons import learn, query


def test_another_seed_gives_another_forest():
    forests = [learn(METHODS.build({"name": "random_forest", "keywords": {"trees": 3, "seed": seed}}), "one", [0], task=VALUES)
               for seed in (1, 1, 2)]
    one, again, other = (forest.predict(query(forest)) for forest in forests)
    assert np.array_equal(one, again) and not np.array_equal(one, other)
