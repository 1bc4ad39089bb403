"""Keys in half precision: rounded once, everything works on the rounded content; old memories open unchanged."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from parmesan_engine.errors import LimitError, UnknownNameError, VersionError
from parmesan_engine.memory import Memory
from parmesan_engine.memory.copying import batches_of
from parmesan_engine.memory.keyfile import rounded
from parmesan_engine.memory.manifest import FILE_NAME, Manifest
from tests.memory.memory_model import batch, new_memory


def noisy(seed: int, rows: int = 30, **changes):
    return batch(seed, rows, keys=np.random.default_rng(seed).normal(size=(rows, 4)).astype(np.float32), **changes)


@pytest.fixture(params=["in RAM", "in files"])
def half(request, tmp_path):
    with new_memory(tmp_path / "m" if request.param == "in files" else None, keys="float16") as memory:
        yield memory


def test_keys_come_back_rounded_and_are_their_own_content(half):
    given = noisy(1)
    half.add([given])
    expected = rounded(given.keys, "float16")
    assert half.key_format == "float16" and half.keys(half.ids).dtype == np.float32
    assert half.keys(half.ids).tobytes() == expected.tobytes() != given.keys.tobytes()
    assert half.coarse_keys([0, 1]).tobytes() == rounded(given.coarse_keys, "float16").tobytes()
    full, of_rounded = new_memory(), new_memory()
    full.add([given])
    of_rounded.add([batch(1, 30, keys=expected)])
    assert half.version == of_rounded.version != full.version  # the version is of what is stored
    assert half.verify() == []


def test_learning_again_what_came_back_changes_no_version(half):
    half.add([noisy(1), noisy(2, source="other")])
    again = new_memory(keys="float16")
    again.add(list(batches_of(half, half.select())))
    assert again.version == half.version and again.verify() == []


def test_an_unlearned_key_is_zeros_in_the_file(tmp_path):
    with new_memory(tmp_path, keys="float16") as memory:
        memory.add([noisy(1), noisy(2, source="other")])
        secret = noisy(1).keys[3].astype("<f2").tobytes()
        assert secret in (tmp_path / "keys.f16").read_bytes() and not (tmp_path / "keys.f32").exists()
        _, receipt = memory.unlearn(memory.select(source="first source"))
        assert receipt.verified and secret not in (tmp_path / "keys.f16").read_bytes()
        alone = new_memory(keys="float16")
        alone.add([noisy(2, source="other")])
        assert memory.version == alone.version and memory.verify() == []


def test_half_the_bytes(tmp_path):
    sizes = {}
    for keys in ("float32", "float16"):
        with new_memory(tmp_path / keys, keys=keys) as memory:
            memory.add([noisy(1)])
            files = [path.stat().st_size for path in (tmp_path / keys).iterdir() if path.name.startswith(("keys", "coarse"))]
            sizes[keys] = sum(files)
    assert sizes == {"float32": (30 + 2) * 4 * 4, "float16": (30 + 2) * 4 * 2}


@pytest.mark.parametrize("name", ["keys", "coarse_keys"])
def test_what_half_precision_cannot_hold_is_refused(half, name):
    rows = getattr(noisy(1), name).copy()
    for value in (65_505, -1e9):
        rows[-1, -1] = value
        with pytest.raises(LimitError, match="65,504, which float16 can hold"):
            half.add([replace(noisy(1), **{name: rows})])
    assert len(half.history()) == 1
    rows[-1, -1] = -65_504
    assert len(half.add([replace(noisy(1), **{name: rows})]).added) == 30


def test_a_memory_of_before_the_choice_opens_as_it_was(tmp_path):
    with new_memory(tmp_path) as memory:
        version = memory.add([noisy(1)]).after
    with sqlite3.connect(tmp_path / FILE_NAME) as manifest:
        manifest.execute("DELETE FROM meta WHERE key = 'keys'")
    with Memory.open(tmp_path) as memory:
        assert memory.key_format == "float32" and memory.version == version and memory.verify() == []


def test_an_older_program_refuses_it_by_its_format_number(tmp_path, monkeypatch):
    new_memory(tmp_path, keys="float16").close()
    monkeypatch.setattr("parmesan_engine.memory.manifest.FORMAT", 2)
    with pytest.raises(VersionError, match="update this program"):
        Manifest(tmp_path)


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="float32 or float16"):
        new_memory(tmp_path / "new", keys="int8")
    assert not (tmp_path / "new").exists()
