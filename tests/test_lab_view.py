"""What the training lab shows, without a browser: its controls, its curves, its HTML."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnkit.labs import training_html
from learnkit.labs.controls import ChoiceControl, NumberControl, WidthsControl
from learnkit.labs.live_curves import POINTS, LiveCurves, smoothed, thinned
from learnkit.labs.parameters import Choice, Positive, Whole, Widths
from learnkit.labs.training_run import Run
from learnkit.models import ElmanRNN, FullyConnected
from learnkit.training import Evaluation, Training

# ---------------------------------------------------------------- parameters


def test_a_slider_stops_at_one_two_three_four_six_eight():
    assert Whole(128).stops[:9] == [1, 2, 3, 4, 6, 8, 12, 16, 24]
    assert Whole(128).stops[-2:] == [1536, 2048]
    assert Whole(0, 0, 6).stops == [0, 1, 2, 3, 4, 5, 6]
    assert Positive(0.01, 1e-3, 0.1).stops == [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]


@given(st.integers(1, 2048))
def test_any_whole_number_is_read_as_it_is_said(number):
    parameter = Whole(128)
    assert parameter.checked("width", parameter.said(number)) == number
    assert parameter.nearest_stop(number) in parameter.stops


@given(st.floats(1e-12, 1e12))
def test_any_rate_that_is_said_is_the_rate_that_is_read(number):
    parameter = Positive(0.01, 1e-4, 10.0)
    said = parameter.said(number)
    assert parameter.said(parameter.checked("rate", said)) == said


@pytest.mark.parametrize("text", ["0", "-5", "99999", "1e9", "many", "", "3.5", "nan"])
def test_a_text_that_is_no_width_is_refused_in_words(text):
    with pytest.raises(ValueError, match=re.escape(f"width 1 is {text!r}; expected a whole number from 1 to 2,048.")):
        Whole(128).checked("width 1", text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_a_text_that_is_no_rate_is_refused_in_words(text):
    with pytest.raises(ValueError, match=re.escape(f"rate is {text!r}; expected a number above 0, such as 0.01.")):
        Positive(0.01, 1e-4, 10.0).checked("rate", text)


# ---------------------------------------------------------------- controls


class Heard(list):
    """Keeps what a control says."""

    def refused(self, words: str) -> None:
        self.append(("refused", words))


def test_slider_and_field_are_tied_and_each_move_is_told_once():
    heard = Heard()
    control = NumberControl("width", Whole(128), heard.append, heard.refused)
    assert heard == []
    control._slider.value = 256
    assert control._field.value == "256"
    control._field.value = "300"
    assert control._slider.value == 256
    assert heard == [256, 300]
    control._field.value = "1500"
    assert control._slider.value == 1536
    assert heard == [256, 300, 1500]


def test_what_cannot_be_read_is_refused_and_the_number_that_is_trained_stays_shown():
    heard = Heard()
    control = NumberControl("width", Whole(128), heard.append, heard.refused)
    control._field.value = "300"
    control._field.value = "99999"
    assert control._field.value == "300"
    assert heard == [300, ("refused", "width is '99999'; expected a whole number from 1 to 2,048.")]


def test_to_show_a_value_tells_nobody():
    heard = Heard()
    number = NumberControl("rate", Positive(0.01, 1e-4, 10.0), heard.append, heard.refused)
    choice = ChoiceControl("activation", Choice(None, {"none": None, "ReLU": "relu"}), heard.append)
    widths = WidthsControl(Widths((128, 256)), heard.append, heard.refused)
    number.show(0.3)
    choice.show("relu")
    widths.show((1, 2, 3))
    assert heard == []
    assert (number._field.value, choice.widget.value) == ("0.3", "ReLU")


def test_a_choice_may_be_none():
    heard = Heard()
    choice = ChoiceControl("activation", Choice("relu", {"none": None, "ReLU": "relu"}), heard.append)
    choice.widget.value = "none"
    assert heard == [None]


def test_there_is_a_width_for_each_layer_and_one_that_comes_back_is_as_wide_as_before():
    heard = Heard()
    control = WidthsControl(Widths((128, 256)), heard.append, heard.refused)
    shown = [each.widget for each in control._each]
    assert [widget.layout.display for widget in shown[:3]] == ["", "", "none"]
    control._each[1]._field.value = "300"
    control._count._slider.value = 1
    control._count._slider.value = 3
    assert heard == [(128, 300), (128,), (128, 300, 128)]
    assert [widget.layout.display for widget in shown[:4]] == ["", "", "", "none"]


# ---------------------------------------------------------------- curves


@given(st.lists(st.floats(0, 10), max_size=2_000))
def test_a_thinned_curve_keeps_its_ends_its_highest_and_its_lowest_point(values):
    curve = np.array(values)
    places, kept = thinned(curve)
    assert len(places) <= POINTS
    assert np.array_equal(curve[places - 1], kept)
    assert (np.diff(places) > 0).all()
    if values:
        assert (kept[0], kept[-1], kept.min(), kept.max()) == (curve[0], curve[-1], curve.min(), curve.max())


def test_a_spike_of_one_step_among_60_000_stays_as_high_as_it_is():
    losses = np.full(60_000, 0.3)
    losses[31_234] = 9.0
    places, kept = thinned(losses)
    assert places[kept.argmax()] == 31_235
    assert kept.max() == 9.0
    assert len(places) <= POINTS


@given(st.lists(st.floats(0, 10), min_size=1, max_size=500))
def test_the_mean_is_of_the_last_steps(values):
    places, means = smoothed(np.array(values), most=40, window=7)
    assert len(places) <= 40
    assert places[-1] == len(values)
    for place, mean in zip(places, means, strict=True):
        assert mean == pytest.approx(np.mean(values[max(0, place - 7) : place]), abs=1e-9)


def test_pinned_curves_of_different_lengths_stand_in_one_mark_each_with_its_number():
    curves = LiveCurves("loss")
    curves.draw_pins([(np.array([1.0, 2.0, 3.0]), np.array([0.3, 0.2, 0.1])), (np.array([]), np.array([]))])
    curves.draw_pins([(np.array([1.0]), np.array([0.5])), (np.array([]), np.array([])), (np.array([1.0, 2]),) * 2])
    assert curves._pins.labels == ["1", "3"]
    np.testing.assert_allclose(curves._pins.y[:, :2], [[0.5, 0.5], [1, 2]])
    curves.draw_pins([])
    assert curves._pins.y.size == 0


# ---------------------------------------------------------------- HTML


def test_the_net_is_a_row_of_bars_whose_heights_show_a_bottleneck():
    text = training_html.network(FullyConnected((784, 1, 256, 10)))
    heights = [int(height) for height in re.findall(r"height:(\d+)%", text)]
    assert len(heights) == 4
    assert heights[1] < heights[3] < heights[2] < heights[0]
    assert f"{784 + 1 + 256 + 256 + 2560 + 10:,} parameters" in text
    assert training_html.network(ElmanRNN(28, 16, 10)).count("<u ") == 4


def test_the_confusion_matrix_is_a_table_of_its_counts():
    text = training_html.confusion(torch.tensor([[7, 1], [0, 5]]), ["<a>", "b"])
    assert re.findall(r"<td[^>]*>(\d*)</td>", text) == ["", "7", "1", "", "5"]
    assert "<a>" not in text
    assert training_html.confusion(None, ["a", "b"]).count("<td></td>") == 5


def test_the_mistakes_are_those_of_which_the_net_is_surest():
    logits = torch.tensor([[5.0, 0.0], [0.0, 3.0], [2.0, 0.0], [0.0, 9.0]])
    text = training_html.mistakes(Evaluation(0.0, torch.tensor([0, 0, 1, 0]), logits), torch.rand(4, 28, 28), "ab")
    assert re.findall(r"is (\w)<br>says (\w)", text) == [("a", "b"), ("a", "b"), ("b", "a")]
    right = Evaluation(0.0, torch.tensor([0, 1, 0, 1]), logits)
    assert "none" in training_html.mistakes(right, torch.rand(4, 28, 28), "ab")
    for known in (Evaluation(0.0, torch.tensor([0, 0, 1, 0]), logits), right, None):  # the room that they take is one
        assert training_html.mistakes(known, torch.rand(4, 28, 28), "ab").count("<figure") == training_html.MISTAKES


@pytest.mark.parametrize(
    ("device", "threads", "sentence"),
    [
        ("cpu", 1, "Trained on the CPU, with 1 thread."),
        ("cpu", 8, "Trained on the CPU, with 8 threads."),
        ("cuda", 1, "Trained on cuda."),
    ],
)
def test_the_view_says_where_and_with_how_many_threads_a_net_is_trained(few_images, device, threads, sentence):
    run = Run({}, Training(FullyConnected((784, 10)), few_images, device="cpu", threads=threads), "validation", "")
    run.training.device = torch.device(device)
    assert training_html.computed_on(run) == f"<p>{sentence}</p>"
