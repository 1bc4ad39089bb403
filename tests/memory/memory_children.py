"""What the child processes of the durability tests do. Imported by a fork server, so that a child starts in milliseconds."""

import os
import signal
import sys

import numpy as np

from parmesan_engine.memory import Memory
from tests.memory.memory_model import TASK, Model, apply, batch


def steps(seed: int):
    """Yield endless (verb, number) pairs, the same for the same seed."""
    rng = np.random.default_rng(seed)
    verbs = ("add", "add", "add", "replace", "modify", "remove", "undo", "redo", "restore", "unlearn")
    while True:
        yield verbs[rng.integers(len(verbs))], int(rng.integers(2**31))


def commit_until_killed(path: str, model: Model, seed: int, pipe) -> None:
    """Open the memory and commit without end; say the seq after each verb has returned."""
    with Memory.open(path) as memory:
        pipe.send_bytes(b"ready")
        for op, number in steps(seed):
            plan = model.plan(op, number)
            if plan:
                apply(memory, plan)
                model.apply(plan)
                pipe.send_bytes(str(memory.history()[-1].seq).encode())


def die_inside(path: str, plan: tuple, at: int, pipe) -> None:
    """Do one verb and be killed at the `at`-th call into C; say how many there were when it survives."""
    memory, calls = Memory.open(path), 0

    def count(_frame, event, _argument) -> None:
        nonlocal calls
        calls += event == "c_call"
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    apply(memory, plan)
    sys.setprofile(None)
    pipe.send_bytes(str(calls).encode())


def add_batches(path: str, first: int, count: int, pipe) -> None:
    """Add `count` batches while another process does the same."""
    with Memory.open(path) as memory:
        pipe.recv_bytes()
        for seed in range(first, first + count):
            memory.add([batch(seed, gesture=f"gesture-{seed}")])


def try_to(verb: str, path: str, pipe) -> None:
    """Open or create a memory as a user without rights; say which error that is."""
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        if verb == "open":
            Memory.open(path).close()
        else:
            Memory.create(path, channels=4, task=TASK, encoder={})
    except Exception as error:  # the test wants to see whatever it is
        pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
    else:
        pipe.send_bytes(b"no error")
