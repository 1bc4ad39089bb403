"""Pre-training measured: Replacement Learning beside the end-to-end run, and objectives beside each other, at equal steps.

Every run is a process of its own, so that its memory is its own. A narrow network of ConvNeXt's depths (3, 3, 9, 3), because
Replacement Learning needs stages to replace blocks in. Short runs: they compare, they do not show how good features get.
"""

import logging
import multiprocessing
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.bench.pictures import DATA, PHOTOGRAPHS
from parmesan_engine.encoders.conv_pyramid import ConvPyramid
from parmesan_engine.errors import FormatError
from parmesan_engine.pretrain import replacement
from parmesan_engine.pretrain.run import network, objectives_of, pretrain
from parmesan_engine.pretrain.scoring import knn_score
from parmesan_engine.pretrain.training import Training

log = logging.getLogger(__name__)

WIDTHS, DEPTHS = (24, 48, 72, 96), (3, 3, 9, 3)
STEPS, QUICK_STEPS = 240, 3
GROWTH = ((1.0, 64, 24),)  # small pictures, small batches: more steps in the same time
SCORED = ("nuclei_dsb2018", "lung_cxr", "camvid", "rgbd_kitchen")  # of DATA
REMEMBERED, ASKED = 10, 6  # samples of the score
MEASURED = 5  # steps that are timed

Row = dict[str, Any]
REPLACEMENTS: tuple[Row, ...] = ({}, {"every": 2, "share_gradient": False},
                                 *({"every": every, "share_gradient": True} for every in (2, 3, 4)))
OBJECTIVES: tuple[Row, ...] = ({"images": True}, {"images": True, "procedural": True}, {"images": True, "categories": True})


def run(quick: bool) -> dict[str, Any]:
    """Return {"steps", "untrained": [row], "replacement": rows, "objectives": rows}, each row as `_measured` says.

    Replacement is measured on procedural scenes, which are also a row of the objectives. Raises FormatError without photographs.
    """
    if not PHOTOGRAPHS.is_dir():
        raise FormatError("photographs to learn from", f"no folder {PHOTOGRAPHS}", "put it beside the repository")
    steps, scenes = QUICK_STEPS if quick else STEPS, {"procedural": True}
    untrained = _apart(scenes, 0)
    replaced = [_apart(scenes | row, steps) for row in REPLACEMENTS[:2 if quick else None]]
    compared = [_apart(row, steps) for row in OBJECTIVES[:1 if quick else None]]
    return {"steps": steps, "untrained": [untrained], "replacement": replaced, "objectives": [replaced[0], *compared]}


def _apart(row: Row, steps: int) -> Row:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(_measured, row, steps).result()
    log.info("%s", found)
    return found


def _measured(row: Row, steps: int) -> Row:
    """Return one run: its options, learnable parameters, step_ms (median processor time of the training thread), step_mb (most memory of a
    step above what was held before), processor_seconds of training with its batches, the last loss, and scores by dataset; 0 steps: of
    random weights."""
    folders = [DATA / name for name in SCORED if (DATA / name).is_dir()]
    options = row | ({"images": PHOTOGRAPHS} if row.get("images") else {})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "trained.safetensors"
        found = _step(options) if steps else {}
        began = time.process_time()
        done = pretrain(out, **options, widths=WIDTHS, depths=DEPTHS, growth=GROWTH, steps=steps or 1)
        if steps:
            found |= {"loss": round(done["loss"], 3), "processor_seconds": round(time.process_time() - began, 1)}
        encoder = ConvPyramid(weights=str(out), filters=False, coordinates=False)
        if not steps:
            encoder.net = network(2, WIDTHS, DEPTHS, 0).eval().requires_grad_(False)
        scores = [knn_score(encoder, one, remembered=REMEMBERED, asked=ASKED) for one in folders]
    named = {one["data"]: round(one["miou"] if "miou" in one else one["rmse"], 4) for one in scores}
    return row | {"parameters": done["parameters"], "learnable": done["learnable"]} | found | {"scores": named}


def _step(options: Row) -> Row:
    """Return {"step_ms", "step_mb"} of a few steps on equal pictures, optimiser and running mean included."""
    net = network(2, WIDTHS, DEPTHS, 0)
    if options.get("every"):
        replacement.replace_blocks(net.stages, options["every"], share_gradient=options["share_gradient"])
    chosen = {name: options.get(name) for name in ("images", "categories", "procedural")}
    objective = objectives_of(**chosen, shape=net.shape)[0]
    tensors = objective.batch(np.random.default_rng(0), GROWTH[0][2], GROWTH[0][1])
    held = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    training, times = Training(net, [objective], steps=1 + MEASURED), []
    for number in range(1 + MEASURED):
        began = time.thread_time()
        training.advance(tensors, number / (1 + MEASURED))
        times.append(time.thread_time() - began)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"step_ms": round(1000 * statistics.median(times[1:])), "step_mb": round((most - held) / 1e6)}
