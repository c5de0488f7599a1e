"""CSV: what pandas reads in silence as less than is written, or as something else."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from vae_moe.data import cells, reading
from vae_moe.data.files import DatasetError


@pytest.fixture
def read(tmp_path):
    """Write a CSV file, and read it."""

    def write_and_read(content: str, encoding: str = "utf-8") -> pd.DataFrame:
        (tmp_path / "a.csv").write_bytes(content.encode(encoding))
        return reading.read(tmp_path / "a.csv")

    return write_and_read


@pytest.mark.parametrize("end", ["", "\n", "\r\n \n\n"])
def test_a_blank_line_of_one_column_is_a_gap_but_at_the_end(read, end):
    """Of a table of several columns it is no row."""
    assert read(f"\na\n1\n\n3{end}").a.tolist() == pytest.approx([1, np.nan, 3], nan_ok=True)
    assert read('a\n1\n3\n""\n').a.isna().tolist() == [False, False, True]  # as pandas writes it
    assert read(f"a,b\n1,2\n\n3,4{end}").to_dict("list") == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    ("content", "line", "last"),
    [
        ('name,size\nx,1\n"pipe 5,2\ny,3\nz,4"\nw,5\n', 3, 5),
        ('size,name\n1,"5 inch\n2,x\n3,"7 inch\n4,y\n', 2, 4),
        ('sep=;\nsize;name;of\n1;"5 inch;x\n2;x;"y"\n3;"z";x\n', 3, 4),
    ],
)
def test_a_quote_that_is_not_closed_takes_no_lines(read, content, line, last):
    with pytest.raises(DatasetError, match=f"a quote in line {line} that is not closed there: up to line {last} all"):
        read(content)


def test_quotes_that_are_closed_and_marks_of_inches_are_read(read):
    frame = read('name,size\n"a, ""b""\n2,3",1\n5" pipe,2\n"6"" pipe",3\n')
    assert frame.to_dict("list") == {"name": ['a, "b"\n2,3', '5" pipe', '6" pipe'], "size": [1, 2, 3]}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_called_so(read, encoding):
    with pytest.raises(DatasetError, match=r"NUL.: it is UTF-16, or damaged. Save it as UTF-8"):
        read("a,b\n1,2\n3,4\n", encoding)


def test_long_numbers_beside_gaps_stay_apart(read):
    """As floats both are 1234567890123456768; what is no whole number is one all the same."""
    frame = read("id,v\n1234567890123456789,1e20\n1234567890123456788,\n,2.5\n")
    assert cells.text(frame.id).tolist() == ["1234567890123456789", "1234567890123456788", cells.MISSING]
    assert frame.v.dtype == float and frame.v[0] == 1e20


def test_a_name_is_the_same_however_its_accents_are_written(read):
    assert list(read(unicodedata.normalize("NFD", "prix é,b\n1,2\n"))) == ["prix é", "b"]
