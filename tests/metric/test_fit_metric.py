"""A metric is fitted again only where the entries that a fit uses have changed, and equals one fitted from scratch."""

import numpy as np

import parmesan_engine.project.fitting as fitting
from parmesan_engine.memory import Memory
from parmesan_engine.types import EntryBatch, TaskSpec

TASK = TaskSpec("segmentation", ("a", "b"), ((0, 0, 0), (255, 0, 0)))
GROUPS = ("x", "y", "y")


def entries(seed, n=30):
    rng = np.random.default_rng(seed)
    keys = rng.normal(size=(n, 3)).astype(np.float32)
    labels = np.eye(2, dtype=np.float32)[(keys[:, 0] > 0).astype(int)]
    return EntryBatch(keys=keys, labels=labels, coordinates=np.zeros((n, 2), np.int64),
                      coarse_keys=keys[:1], parents=np.zeros(n, np.int64), sample_id=f"sample{seed}", sample_hash=f"hash{seed}",
                      gesture="g", author="me", source=f"source{seed}", time=0.0)


def memory_of(*seeds):
    memory = Memory.create(None, channels=3, task=TASK, encoder={"name": "none", "keywords": {}})
    for seed in seeds:
        memory.add([entries(seed)], author="me")
    return memory


def test_only_a_change_of_what_is_used_is_fitted(monkeypatch):
    fits, real = [], fitting.fit
    monkeypatch.setattr(fitting, "fit", lambda *given, **named: fits.append(1) or real(*given, **named))
    monkeypatch.setattr(fitting, "_last", None)
    monkeypatch.setattr(fitting, "MAX_ENTRIES", 40)
    memory = memory_of(0, 1)
    first = fitting.fit_metric(memory, GROUPS, TASK)
    assert fitting.fit_metric(memory_of(1, 0), GROUPS, TASK).id == first.id and len(fits) == 1  # another order, other ids
    used = set(memory.ids[fitting.content_order(memory.ties(memory.ids))[:40]].tolist())
    memory.remove(np.array([i for i in memory.ids.tolist() if i not in used][:5]), author="me")
    assert fitting.fit_metric(memory, GROUPS, TASK) is first and len(fits) == 1
    memory.remove(np.array(sorted(used)[:1]), author="me")
    assert fitting.fit_metric(memory, GROUPS, TASK).id != first.id and len(fits) == 2
    assert fitting.fit_metric(memory, ("x", "x", "y"), TASK).id and len(fits) == 3  # other groups, another fit


def test_forgotten_is_as_never_learned(monkeypatch):
    memory = memory_of(0, 1, 2)
    with_it = fitting.fit_metric(memory, GROUPS, TASK)
    gone = memory.columns()
    memory.remove(gone.ids[60:], author="me")
    after = fitting.fit_metric(memory, GROUPS, TASK)
    monkeypatch.setattr(fitting, "_last", None)
    assert after.to_bytes() == fitting.fit_metric(memory_of(1, 0), GROUPS, TASK).to_bytes() != with_it.to_bytes()


def test_unlearned_examples_leave_no_remembered_fit(monkeypatch, tmp_path):
    monkeypatch.setattr(fitting, "_last", None)
    memory = memory_of(0, 1)
    fitting.fit_metric(memory, GROUPS, TASK)
    fitting.let_go(memory)
    assert fitting._last  # all that it used is there
    memory.unlearn(memory.ids[:30], "test")
    fitting.let_go(memory)
    assert fitting._last is None


def test_what_is_unlearned_during_a_fit_is_not_remembered(monkeypatch):
    monkeypatch.setattr(fitting, "_last", None)
    memory = memory_of(0, 1)
    view = memory.checkout(memory.version)

    def unlearn(fraction):
        if fraction == 1:
            memory.unlearn(memory.ids[:30], "test")

    fitting.fit_metric(view, GROUPS, TASK, progress=unlearn)
    assert fitting._last is None
