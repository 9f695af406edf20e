"""Words must be equal and numbers close; a picture may be shifted by a pixel."""

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from tools.compare_outputs import (
    DIFFERENT,
    NotebookMismatch,
    Tolerance,
    compare_outputs,
    compare_text,
    pixel_differences,
    tolerance_used,
)

RED, BLUE, PLAIN = "\x1b[31m", "\x1b[34m", "\x1b[0m"


@pytest.mark.parametrize(
    ("saved", "now", "same"),
    [
        ("1e-5", "0.00001", True),
        ("[0.1, 1.]", "[0.1, 1.0]", True),
        ("1,234 images", "1,235 images", False),
        ("784-128-10", "784-128-11", False),
        ("nan and inf", "nan and inf", True),
        ("inf", "-inf", False),
        ("nan", "0.5", False),
        ("-0.0", "0.0", True),
        ("0.5", "-0.5", False),
        ("ea 60", "eb 60", False),
        ("day1", "day2", False),
        ("3", "3.0000001", True),
        (f"{2**53}", f"{2**53 + 1}", False),
        (f"{10**40}", f"{10**40 + 1}", False),
        ("3.10", "3.1", False),
        ("2.10.0", "2.1.0", False),
        ("0.500", "0.5", True),
        ("12e4567", "13e4567", False),
        ("12e456", "12e457", False),
        ("1 2\n3 4", "1 2 3 4", False),
        ("1 2\n3 4\n", "1  2\n\n3 4", True),
        (":( no\n1 2\n3 4", ":( no\n1 2 3 4", False),
        ("array([1.5,\n       2.5])", "array([1.5, 2.5])", True),
        ("(1+0.25j)", "(1+0.25000001j)", True),
        ("(1+1e-17j)", "(1-2e-17j)", True),
        ("(1+0.25j)", "(1-0.25j)", False),
        ("(nan+0.25j)", "(nan+0.5j)", False),
        (f"{RED}0.5{PLAIN}", f"{RED}0.50000001{PLAIN}", True),
        (f"{RED}0.5{PLAIN}", f"{RED}0.6{PLAIN}", False),
        (f"{RED}0.5{PLAIN}", f"{BLUE}0.5{PLAIN}", False),
    ],
)
def test_words_are_equal_and_numbers_close(saved, now, same):
    assert (compare_text(saved, now, Tolerance()) == []) == same


@pytest.mark.parametrize(
    ("saved", "now", "same"),
    [
        ("3.2s", "4.1s", True),
        ("12ms", "300ms", True),
        ("12ms", "400ms", False),
        ("12ms", "12s", False),
        ("3.21it/s", "2.8it/s", True),
        ("1.5x", "1.90x", True),
        ("12e4567", "13e4567", False),
    ],
)
def test_under_clock_numbers_before_a_unit_may_differ_by_a_factor_too(saved, now, same):
    assert (compare_text(saved, now, Tolerance.from_tags(["clock"])) == []) == same


@pytest.mark.parametrize(("saved", "now", "same"), [("0.90", "0.9", True), ("2.10.0", "2.1.0", False)])
def test_with_a_tolerance_the_number_of_decimals_does_not_count(saved, now, same):
    assert (compare_text(saved, now, Tolerance.from_tags(["atol=0.1: rounded"])) == []) == same


def test_a_tag_without_a_reason_is_refused():
    with pytest.raises(NotebookMismatch, match="The tag 'rtol=0.5' gives no reason. Write it after a colon"):
        Tolerance.from_tags(["rtol=0.5"])


@pytest.mark.parametrize(("shift", "different"), [(0, False), (1, False), (3, True)])
def test_a_stroke_may_be_a_pixel_away_and_not_three(shift, different):
    picture = np.ones((40, 40, 3))
    picture[:, 20] = 0
    assert (pixel_differences(picture, np.roll(picture, shift, axis=1), 1).max() > DIFFERENT) == different


def test_pictures_that_may_not_move_at_all_can_be_compared_too():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(file, "png")
    picture = base64.b64encode(file.getvalue()).decode()
    outputs = [nbformat.v4.new_output("display_data", {"image/png": picture})]
    tolerance = Tolerance.from_tags(["shift=0: the same fonts"])
    assert compare_outputs(outputs, outputs, tolerance, Path("unused")) == []
    assert tolerance_used(outputs, outputs, tolerance) == []
