"""MATLAB files: what scipy writes is read with any byte order and compression; damaged files are errors."""

import io
from contextlib import suppress

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, integer_dtypes, unsigned_integer_dtypes

from ecg.data.matlab import read_matrix, read_struct

LARGEST = 1 << 20
DTYPES = st.one_of(
    integer_dtypes(endianness="<"), unsigned_integer_dtypes(endianness="<"), st.sampled_from(("f4", "f8"))
)


def savemat(version: str, compressed: bool = False, **matrices) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, matrices, format=version, do_compression=compressed)
    return file.getvalue()


@settings(deadline=None)
@given(
    st.sampled_from("45"),
    st.booleans(),
    DTYPES.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=2, max_dims=2))),
)
def test_matrices_are_read_as_scipy_reads_them(version, compressed, matrix):
    content = savemat(version, compressed and version == "5", val=matrix)
    expected = scipy.io.loadmat(io.BytesIO(content))["val"]
    found = read_matrix(content, LARGEST)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype.kind in "iuf"


def test_other_variables_before_the_matrix_are_skipped():
    matrix = np.arange(12.0).reshape(3, 4)
    content = savemat("5", True, text="words", more=np.eye(3), cells=np.array([1, "a"], object), val=matrix)
    np.testing.assert_array_equal(read_matrix(content, LARGEST), matrix)


def test_version_4_with_other_variables_before_and_behind_the_matrix():
    """Before, only a file with the matrix alone was read."""
    matrix = np.arange(12, dtype=np.int16).reshape(3, 4)
    others = {"fs": np.array([[500.0]]), "lead": np.array(["II"]), "z": np.array([[1 + 2j, 3]])}
    for variables in ({**others, "val": matrix}, {"val": matrix, **others}):
        content = savemat("4", **variables)
        np.testing.assert_array_equal(read_matrix(content, LARGEST), matrix)
    alone = savemat("4", val=matrix)
    for rest in (b"\0", b"\0" * 40, b"x" * 40):
        with pytest.raises(ValueError, match="claims 3 x 4 samples"):
            read_matrix(alone + rest, LARGEST)


def test_a_recording_of_mostly_zeros_is_unpacked():
    matrix = np.zeros((12, 5000), np.int16)
    matrix[0, ::100] = 7
    content = savemat("5", True, val=matrix)
    assert matrix.nbytes > 50 * len(content)
    np.testing.assert_array_equal(read_matrix(content, LARGEST), matrix)


def test_big_endian_files_of_both_versions():
    matrix = np.arange(6, dtype=">i2").reshape(2, 3)
    version_4 = np.array([1030, 2, 3, 0, 4], ">i4").tobytes() + b"val\0" + matrix.tobytes(order="F")
    np.testing.assert_array_equal(read_matrix(version_4, LARGEST), matrix)
    parts = [
        (6, np.array([10, 0], ">u4")),
        (5, np.array([2, 3], ">i4")),
        (1, np.frombuffer(b"val", "i1")),
        (3, matrix.T),
    ]
    body = b""
    for kind, numbers in parts:
        content = numbers.tobytes()
        body += np.array([kind, len(content)], ">u4").tobytes() + content + bytes(-len(content) % 8)
    version_5 = b"MATLAB".ljust(124) + b"\x01\x00MI" + np.array([14, len(body)], ">u4").tobytes() + body
    np.testing.assert_array_equal(read_matrix(version_5, LARGEST), matrix)


def test_the_file_that_crashes_scipy_is_an_error():
    """Found by tests/fuzz.py: the data element claims three bytes of an undefined type."""
    content = bytearray(savemat("5", val=np.arange(480, dtype=np.int16).reshape(12, 40)))
    content[176:184] = bytes((0, 0, 3, 0, 3, 0, 0, 0))
    with pytest.raises(ValueError, match="claims 12 x 40 samples"):
        read_matrix(bytes(content), LARGEST)


def test_a_compression_bomb_is_not_unpacked():
    content = savemat("5", True, val=np.zeros((12, 1_000_000)))
    assert len(content) < 200_000
    with pytest.raises(ValueError, match="larger than 1,048,576 bytes; save it again without compression"):
        read_matrix(content, LARGEST)
    with pytest.raises(ValueError, match="larger than 16,777,216 bytes"):
        read_matrix(content, 1 << 32)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.array(["a", "b"]), "not a matrix of numbers"),
        (np.array([[1j, 2]]), "not a matrix of numbers"),
        (np.zeros((2, 2, 2)), "not a matrix of numbers"),
        (np.zeros((0, 3)), "not a matrix of numbers"),
        (np.array([{"a": 1}], object), "not a matrix of numbers"),
    ],
)
def test_a_val_that_is_not_a_numeric_matrix_is_an_error(matrix, message):
    with pytest.raises(ValueError, match=message):
        read_matrix(savemat("5", val=matrix), LARGEST)


@pytest.mark.parametrize(
    "content", [b"", b"MATLAB", b"MATLAB".ljust(130), b"\x89HDF\r\n", savemat("5", other=np.eye(3))]
)
def test_a_file_without_the_matrix_val_is_an_error(content):
    with pytest.raises(ValueError, match="not a MATLAB file"):
        read_matrix(content, LARGEST)


@pytest.mark.parametrize("compressed", [False, True])
def test_numeric_and_text_fields_of_a_struct_are_read(compressed):
    data = np.random.default_rng(0).normal(size=(12, 50))
    struct = {"sex": "Female", "age": 61, "data": data, "more": np.array([1, "a"], object)}
    struct |= {"empty": np.zeros((0, 0)), "deep": np.zeros((2, 2, 2)), "complex": np.eye(2) * 1j}
    content = savemat("5", compressed, other=np.eye(2), ECG=struct)
    fields = read_struct(content, "ECG", LARGEST)
    assert (fields["sex"], fields["age"].tolist()) == ("Female", [[61]]) and set(fields) == {"sex", "age", "data"}
    np.testing.assert_array_equal(fields["data"], data)


@pytest.mark.parametrize("matrices", [{"val": np.eye(2)}, {"ECG": np.eye(2)}, {"ECG": np.array([{"a": 1}] * 2)}])
def test_a_missing_struct_is_an_error(matrices):
    with pytest.raises(ValueError, match="struct 'ECG'"):
        read_struct(savemat("5", **matrices), "ECG", LARGEST)


@settings(deadline=None)
@given(st.integers(128, 700), st.binary(min_size=1, max_size=8))
def test_a_damaged_struct_gives_fields_or_an_error(at, damage):
    content = savemat("5", ECG={"sex": "Male", "age": 61, "data": np.eye(6)})
    with suppress(ValueError):
        read_struct(content[:at] + damage + content[at + len(damage) :], "ECG", LARGEST)


@settings(deadline=None)
@given(st.integers(0, 700))
def test_a_truncated_struct_is_an_error(size):
    content = savemat("5", ECG={"sex": "Male", "age": 61, "data": np.eye(6)})
    with pytest.raises(ValueError):
        read_struct(content[: min(size, len(content) - 1)], "ECG", LARGEST)
