import io as bytes_io
import pickle
import tracemalloc

import numpy as np
import pytest

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io import arrays


def saved(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    "shape, dims, expected",
    [
        ((500,), None, (1, 500)),
        ((1, 5000), None, (1, 5000)),
        ((12, 5000), None, (12, 5000)),
        ((16, 500), None, (1, 16, 500)),
        ((64, 70), None, (1, 64, 70)),
        ((64, 70), 1, (64, 70)),
        ((12, 5000), 2, (1, 12, 5000)),
        ((5000, 2), 1, (2, 5000)),
        ((40, 50, 3), None, (3, 40, 50)),
        ((3, 40, 50), None, (3, 40, 50)),
        ((3, 40, 50), 3, (1, 3, 40, 50)),
        ((20, 40, 50), None, (1, 20, 40, 50)),
        ((20, 40, 50), 2, (20, 40, 50)),
        ((2, 20, 40, 50), None, (2, 20, 40, 50)),
        ((20, 40, 50, 3), None, (3, 20, 40, 50)),
    ],
)
def test_axes_of_npy(tmp_path, shape, dims, expected):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    path = saved(tmp_path / "a.npy", array)
    sample = io.read(path, spatial_dims=dims)
    assert sample.array.shape == expected and io.spatial_shape(path, spatial_dims=dims) == expected[1:]
    assert np.array_equal(np.sort(sample.array.ravel()), array.ravel())
    assert bool(sample.notes) == (dims is None and len(shape) > 1)


@pytest.mark.parametrize(
    "dtype, kept",
    [
        ("bool", "uint8"),
        ("float16", "float32"),
        (">f4", "float32"),
        (">i2", "int16"),
        ("uint16", "uint16"),
        ("int64", "int64"),
        ("longdouble", "float64"),
    ],
)
def test_dtypes_of_npy(tmp_path, dtype, kept):
    sample = io.read(saved(tmp_path / "a.npy", np.array([0, 1, 1, 0]).astype(dtype)))
    assert (
        sample.array.dtype == np.dtype(kept) and sample.array.dtype.isnative and sample.array.tolist() == [[0, 1, 1, 0]]
    )


def test_nan_filled_and_a_few_nan(tmp_path):
    with pytest.raises(FormatError, match="25 of 25 NaN"):
        io.read(saved(tmp_path / "a.npy", np.full((5, 5), np.nan)))
    array = np.zeros((100, 80))
    array[3, 4], array[50, 2] = np.nan, np.inf
    with pytest.raises(FormatError, match=r"2 of 8,000 .*first at index \(3, 4\)"):
        io.read(saved(tmp_path / "b.npy", array))


def test_pickles_are_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    np.save(tmp_path / "a.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(FormatError, match="pickle"):
            io.read(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_huge_and_cut_off_npy(tmp_path):
    head = bytes_io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (100_000, 100_000)})
    (tmp_path / "a.npy").write_bytes(head.getvalue() + bytes(100))
    with pytest.raises(LimitError, match="100,000 x 100,000"):
        io.read(tmp_path / "a.npy")
    path = saved(tmp_path / "b.npy", np.zeros((100, 100)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FormatError, match="short"):
        io.read(path)
    (tmp_path / "c.npy").write_bytes(head.getvalue()[:40])
    with pytest.raises(FormatError, match="intact npy"):
        io.read(tmp_path / "c.npy")


def test_complex_structured_and_five_axes(tmp_path):
    with pytest.raises(FormatError, match="complex128"):
        io.read(saved(tmp_path / "a.npy", np.zeros(5, complex)))
    with pytest.raises(FormatError, match="real numbers"):
        io.read(saved(tmp_path / "b.npy", np.zeros(5, [("a", "f4")])))
    for shape in ((2, 2, 2, 2, 2), (), (0, 4)):
        with pytest.raises(ShapeError):
            io.read(saved(tmp_path / "c.npy", np.zeros(shape)))


@pytest.mark.parametrize(
    "text, shape, spacing",
    [
        ("a,b\n1,2\n3,4\n5,9\n", (2, 3), None),
        ("1,2\n3,4\n7,9\n", (2, 3), None),
        ("time,a\n0.0,5\n0.1,6\n0.2,7\n", (1, 3), 0.1),
        ("Time (ms),a,b\n0,5,1\n2,6,1\n4,7,1\n", (2, 3), 0.002),
        ("t_us\ta\n0\t5\n500\t6\n1000\t7\n", (1, 3), 0.0005),
        ("ms;a\n0;1,5\n4;2,5\n8;3,5\n", (1, 3), 0.004),
        ("0.00 1\n0.01 2\n0.02 1\n", (1, 3), 0.01),
        ("index,a\n0,5\n1,6\n2,7\n", (1, 3), None),
        ("# made by us\n1\n2\n3\n", (1, 3), None),
        ("\ufefftemperature,b\n1,2\n2,4\n3,9\n", (2, 3), None),
        ("tension,b\n1,2\n2,4\n3,9\n", (2, 3), None),
        ('"time [s]","a"\n0.0,5\n0.5,6\n1.0,7\n', (1, 3), 0.5),
    ],
)
def test_tables(tmp_path, text, shape, spacing):
    (tmp_path / "a.csv").write_text(text)
    sample = io.read(tmp_path / "a.csv")
    assert sample.array.shape == shape and sample.array.dtype == np.float32
    assert sample.spacing == (None if spacing is None else pytest.approx((spacing,))) and sample.unit == (
        "s" if spacing else "px"
    )


def test_decimal_commas_and_uneven_time(tmp_path):
    (tmp_path / "a.csv").write_text("s;a\n0,0;1,5\n0,5;2,5\n1,0;3,5\n")
    assert io.read(tmp_path / "a.csv").array.tolist() == [[1.5, 2.5, 3.5]]
    (tmp_path / "b.csv").write_text("time,a\n0,1\n1,2\n5,3\n6,1\n")
    sample = io.read(tmp_path / "b.csv")
    assert sample.spacing is None and sample.channels == 1 and "steps vary" in sample.notes[0]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("t,a\n0,1\n1,x\n2,3\n", "'x'"),
        ("1,2\n3\n", "columns changed"),
        ("a,b\n", "only a header"),
        ("a,b\n1,2\n3,nan\n", "NaN"),
        ("a,b\n1,2\n3,\n", "at row 1"),
        ("\n\n", "no row"),
    ],
)
def test_bad_tables(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FormatError, match=reason):
        io.read(tmp_path / "a.csv")


def test_large_table_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1\n" * 1000)
    with pytest.raises(LimitError):
        io.read(tmp_path / "a.csv", max_bytes=1000)


def test_blocks_of_a_table_do_not_show(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("# ours\ntime;a\n" + "".join(f"{i / 1000:.3f};{i % 7},5\n\n".replace(".", ",") for i in range(300)))
    whole = io.read(path)
    assert whole.array.shape == (1, 300) and whole.spacing == (pytest.approx(0.001),)
    for size in (1, 5, 64):
        monkeypatch.setattr(arrays, "_BLOCK", size)
        parts = io.read(path)
        assert np.array_equal(parts.array, whole.array) and parts.spacing == whole.spacing and parts.notes == whole.notes


@pytest.mark.parametrize("size", [1, 8, 2**20])
@pytest.mark.parametrize("row, reason", [("x,1", "'x' to float64 at row 20, column 1"), ("1", "from 2 to 1 at row 21")])
def test_a_bad_row_keeps_its_number_in_any_block(tmp_path, monkeypatch, size, row, reason):
    (tmp_path / "a.csv").write_text("1,2\n" * 20 + row + "\n")
    monkeypatch.setattr(arrays, "_BLOCK", size)
    with pytest.raises(FormatError, match=reason):
        io.read(tmp_path / "a.csv")


def test_an_endless_line_and_a_ragged_giant_are_refused_before_they_are_held(tmp_path):
    (tmp_path / "a.csv").write_text("1\n" + "1," * 2**20)
    with pytest.raises(LimitError, match="line 2 in"):
        io.read(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("1," * 50_000 + "1\n" + "1\n" * 50_000)  # 200 kB that promise 10 GB
    with pytest.raises(FormatError, match="from 50001 to 1 at row 2"):
        io.read(tmp_path / "b.csv")


def test_numbers_beyond_float32_are_refused_with_their_place(tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n3,1e39\n")
    with pytest.raises(FormatError, match=r"1 of 4 NaN or infinite.*\(1, 1\)"):
        io.read(tmp_path / "a.csv")


def test_a_table_takes_memory_as_its_numbers_do(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_BLOCK", 2**14)
    path = tmp_path / "a.csv"
    path.write_text("1\n2\n" * 250_000)  # as a list of lines, 29 MB
    tracemalloc.start()
    try:
        size = io.read(path).array.nbytes
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 2 * 10**6 and peak < 2 * size + 4 * 2**20
