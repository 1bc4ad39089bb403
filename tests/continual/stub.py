"""An outcome that nobody ran: two seeds of a few methods on three steps of two tasks, with pictures."""

import numpy as np

from parmesan_engine.continual.outcome import Outcome, Picture, StepRecord

METHODS = ("parmesan", "knn", "unet:strategy=finetune", "unet:strategy=ewc")
TASKS = {"classes": {"kind": "segmentation", "classes": ("sky", "<road>"), "colors": ((0, 114, 178), (230, 159, 0)), "unit": "",
                     "display_range": None},
         "depth": {"kind": "regression", "classes": (), "colors": (), "unit": "mm", "display_range": None}}
STEPS = (("city", "classes"), ("<country>", "classes"), ("depth", "depth"))


def outcome(methods=METHODS, *, seeds=(0, 1), unlearned="") -> Outcome:
    """unlearned: a step that is unlearned after the last one."""
    rng = np.random.default_rng(0)
    steps = [{"name": name, "task": task, "classes": list(TASKS[task]["classes"]), "samples": 4, "pixels": 240, "tests": 2}
             for name, task in STEPS]
    halves = np.broadcast_to((np.arange(48) >= 24).astype(np.int16), (32, 48))
    strip = (Picture("one", "city", "classes", rng.integers(0, 255, (32, 48, 3), dtype=np.uint8), halves),
             Picture("<two>", "depth", "depth", rng.integers(0, 255, (40, 60, 3), dtype=np.uint8),
                     np.broadcast_to(np.linspace(800, 2000, 60, dtype=np.float16), (40, 60))))
    records = [_record(rng, halves, method, number, seed, step, unlearned, seed == seeds[0])
               for seed in seeds for number, method in enumerate(methods) for step in range(3 + bool(unlearned))]
    return Outcome({"name": "stub", "kind": "task", "notes": ["ignored: 3 % of the pixels"], "tasks": TASKS, "steps": steps},
                   {"encoder": "filter_bank", "methods": list(methods), "seeds": list(seeds), "peak": "not measured",
                    "budget": {"asked": None, "meaning": "", "bytes": {}}, "encode_ms_per_query": 41.0}, tuple(records), strip)


def _record(rng, halves, method, number, seed, step, unlearned, pictures) -> StepRecord:
    lost = 0.02 if method.startswith(("parmesan", "knn")) else 0.25
    scores = [None if at > step else round(0.9 - 0.03 * number - lost * (min(step, 2) - at) + 0.01 * seed, 3) for at in range(3)]
    if step == 3:
        scores[[name for name, _ in STEPS].index(unlearned)] = 0.1
    answers = [np.where(rng.uniform(size=(32, 48)) < 0.1, -1, halves).astype(np.int16), np.full((40, 60), np.nan, np.float16)]
    return StepRecord(method, seed, step, STEPS[step][0] if step < 3 else f"without {unlearned}", scores, [{} for _ in scores],
                      0.004 if number == 0 else 0.5 * 8**number, 0.0 if method.startswith("unet") else 0.7, 4000 * (number + 1) ** 5, 3.0,
                      None, "as told" if number == 1 else "", answers if pictures else [])
