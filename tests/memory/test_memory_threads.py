"""Several threads read one object, and an older version of it, while another commits."""

import threading

import numpy as np
import pytest

from parmesan_engine.errors import StoreError
from tests.memory.memory_model import batch, new_memory


def test_readers_see_whole_versions_while_another_thread_commits(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([batch(0, 50)])
        view, failures, done = memory.checkout(memory.version), [], threading.Event()
        keys, ties = view.keys(view.ids).tobytes(), view.ties(view.ids).tobytes()

        def read() -> None:
            while not done.is_set():
                try:
                    ids = memory.ids
                    rows = (memory.keys(ids), memory.labels(ids), memory.provenance(ids[:3]), memory.select(sample="sample-0"))
                    assert len(rows[0]) == len(rows[1]) == len(ids) and len(ids) % 50 == 0
                    assert view.keys(view.ids).tobytes() == keys and view.ties(view.ids).tobytes() == ties
                except Exception as error:  # a thread cannot raise into the test
                    failures.append(error)
                    return

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for seed in range(1, 40):
            memory.add([batch(seed, 50)])
            if seed % 3 == 0:
                memory.remove(memory.ids[-50:])
            if seed % 7 == 0:
                memory.undo()
        done.set()
        for thread in threads:
            thread.join()
        assert failures == [] and memory.verify() == []


def test_a_closed_memory_says_so(tmp_path):
    memory = new_memory(tmp_path)
    memory.add([batch(1)])
    ids = memory.ids
    memory.close()
    memory.close()
    for call in (lambda: memory.keys(ids), lambda: memory.add([batch(1)]), memory.verify, lambda: memory.checkout(memory.version)):
        with pytest.raises(StoreError, match="open it again"):
            call()


def test_many_rows_in_one_batch_are_stored_in_several_blocks(tmp_path):
    rows, rng = (1 << 16) + 5, np.random.default_rng(0)
    big = batch(1, rows, channels=2, coarse_keys=rng.normal(size=(50, 2)), parents=rng.integers(0, 50, rows))
    with new_memory(tmp_path, channels=2) as memory:
        memory.add([big])
        assert memory.parents(memory.ids).tolist() == big.parents.tolist() and memory.verify() == []
        last = np.arange(1 << 16, rows)
        memory.unlearn(np.arange(1 << 16))  # the first block goes; coarse nodes that the second needs stay
        assert memory.coarse_keys(memory.parents(last)).tobytes() == big.coarse_keys[big.parents[-5:]].astype(np.float32).tobytes()
        unused = np.setdiff1d(np.arange(50), memory.parents(last))
        assert not memory.coarse_keys(unused).any() and memory.verify() == []
