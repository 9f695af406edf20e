import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pages import Page
from PIL import Image
from torch import nn

from learnkit import models, training
from learnkit.data import LabelledImages
from learnkit.labs import DrawLab
from learnkit.labs.draw.raster import as_mnist, inked
from learnkit.labs.draw.state import DrawState

SEVEN = [[[80, 60], [200, 60], [120, 230]]]
ONE = [[[140, 50], [140, 230]]]


def circle(x: float, y: float, radius: float) -> list[list[float]]:
    turns = [2 * math.pi * step / 40 for step in range(41)]
    return [[x + 0.7 * radius * math.cos(turn), y + radius * math.sin(turn)] for turn in turns]


class Bright(nn.Module):
    """Says 1 to an image with ink and 0 to one without; half of it is chance while it trains."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        ink = self.dropout(images).sum((1, 2)) * self.factor
        return nn.functional.pad(ink[:, None], (1, 8))


# ---------------------------------------------------------------- from strokes to an image


def test_a_digit_of_mnist_comes_out_as_it_went_in(mnist):
    for image in mnist.test_images[:300]:
        torch.testing.assert_close(as_mnist(image), image)


def test_a_digit_of_mnist_that_is_enlarged_and_moved_comes_back_as_it_was(mnist):
    for image in mnist.test_images[:50]:
        canvas = torch.zeros(400, 500)
        canvas[100:296, 30:226] = image.repeat_interleave(7, 0).repeat_interleave(7, 1)
        torch.testing.assert_close(as_mnist(canvas), image)


@given(st.integers(-60, 60), st.integers(-40, 35))
def test_where_it_is_drawn_makes_no_difference(right, down):
    moved = [[[x + right, y + down] for x, y in stroke] for stroke in SEVEN]
    torch.testing.assert_close(as_mnist(inked(moved)), as_mnist(inked(SEVEN)))


@given(st.lists(st.lists(st.tuples(st.integers(0, 280), st.integers(0, 280)), min_size=1, max_size=5), min_size=1))
def test_whatever_is_drawn_fills_a_box_of_20_pixels_about_the_middle(strokes):
    image = as_mnist(inked(strokes))
    assert 0 <= image.min() < image.max() <= 1
    rows, columns = image.amax(1).nonzero(), image.amax(0).nonzero()
    sides = [int(places[-1] - places[0]) + 1 for places in (rows, columns)]
    assert 18 <= max(sides) <= 20  # at the very edge of thin ends, grey can round to nothing
    for axis, places in ((1, rows), (0, columns)):
        centre = (image.sum(axis) * torch.arange(28)).sum() / image.sum()
        is_at_the_border = places[0] == 0 or places[-1] == 27
        assert abs(centre - 14) <= 0.5 + 1e-4 or is_at_the_border


def test_proportions_are_kept_and_edges_are_grey():
    image = as_mnist(inked(ONE))
    assert len(image.amax(1).nonzero()) == 20
    assert len(image.amax(0).nonzero()) <= 4
    disc = as_mnist(inked([circle(140, 140, 60)]))
    assert ((disc > 0.1) & (disc < 0.9)).sum() > 20


def test_a_stroke_has_the_width_of_the_pen_and_round_ends():
    canvas = inked([[[50, 100], [150, 100]]])
    assert canvas[:, 100].sum() == pytest.approx(22, abs=1)
    ink = canvas.nonzero()
    assert (ink.min(0).values - torch.tensor([89, 39])).abs().max() <= 1
    assert (ink.max(0).values - torch.tensor([111, 161])).abs().max() <= 1
    assert canvas[90, 40] == 0


def test_nothing_drawn_is_an_empty_image():
    assert not inked([]).any()
    assert torch.equal(as_mnist(inked([])), torch.zeros(28, 28))
    assert torch.equal(as_mnist(inked([[[-100, -100]]])), torch.zeros(28, 28))


def test_a_net_trained_on_mnist_reads_what_is_drawn(mnist):
    few = LabelledImages(
        mnist.train_images[:8000], mnist.train_labels[:8000], *([mnist.train_images[:0], mnist.train_labels[:0]] * 2),
        classes=mnist.classes,
    )  # fmt: skip
    net = models.FullyConnected((784, 64, 10), "relu")
    for _ in training.Training(net, few, epochs=2, batch_size=100, optimizer="adam", learning_rate=3e-3, device="cpu"):
        pass
    state = DrawState(net)
    drawings = {
        0: [circle(140, 140, 90)],
        1: ONE,
        2: [[[90, 90], [130, 60], [180, 80], [170, 130], [90, 220], [190, 220]]],
        3: [[[90, 70], [150, 60], [180, 95], [130, 135], [185, 175], [150, 220], [85, 210]]],
        4: [[[110, 60], [90, 150], [190, 150]], [[170, 60], [160, 230]]],
        7: SEVEN,
    }
    said = {}
    for digit, strokes in drawings.items():
        state.change(strokes=strokes)
        said[digit] = int(state.answers(state.image[None])["FullyConnected"].argmax())
    assert said == {digit: digit for digit in drawings}


# ---------------------------------------------------------------- the state


def test_every_model_answers_with_ten_probabilities_and_keeps_its_mode():
    net, rnn, dropout = models.FullyConnected((784, 10)), models.ElmanRNN(28, 16, 10), Bright().train()
    state = DrawState(net, rnn, dropout)
    state.change(strokes=SEVEN)
    answers = state.answers(state.image[None])
    assert list(answers) == ["FullyConnected", "ElmanRNN", "Bright"]
    for answer in answers.values():
        assert answer.shape == (1, 10)
        assert answer.sum() == pytest.approx(1)
    torch.testing.assert_close(answers["FullyConnected"], net(state.image[None]).softmax(1).detach())
    assert torch.equal(state.answers(state.image[None])["Bright"], answers["Bright"])
    assert dropout.training


def test_models_of_one_class_get_numbers():
    assert list(DrawState(Bright(), models.FullyConnected((784, 10)), Bright()).models) == [
        "Bright 1",
        "FullyConnected",
        "Bright 2",
    ]


def test_kept_drawings_become_a_data_set_a_table_and_an_accuracy():
    state = DrawState(Bright(), Bright(-1.0))
    for label in (1, 7, 1):
        state.change(strokes=SEVEN)
        state.keep(label)
    assert state.images.shape == (3, 28, 28)
    assert state.labels.tolist() == [1, 7, 1]
    assert state.table.to_dict("list") == {"is": [1, 7, 1], "Bright 1": [1, 1, 1], "Bright 2": [0, 0, 0]}
    assert state.accuracy.to_dict() == {"Bright 1": pytest.approx(2 / 3), "Bright 2": 0}
    state.remove(1)
    assert state.labels.tolist() == [1, 1]
    assert state.accuracy["Bright 1"] == 1


def test_a_saved_drawing_is_what_the_nets_get_and_no_file_is_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = DrawState(Bright())
    state.change(strokes=SEVEN)
    assert [state.save().name for _ in range(2)] == ["digit_1.png", "digit_2.png"]
    read = np.asarray(Image.open(tmp_path / "digit_2.png"))
    np.testing.assert_array_equal(read, (state.image * 255).round())
    with pytest.raises(FileExistsError, match="seven.png"):
        state.save([state.save("seven.png"), "seven.png"][1])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda state: DrawState(), "no model to answer"),
        (lambda state: DrawState("net"), "'net' is no model; expected a torch.nn.Module"),
        (lambda state: DrawState(models.FullyConnected((784, 26))), r"returns \(1, 26\) for one image; expected"),
        (lambda state: DrawState(models.FullyConnected((100, 10))), "images of 784 pixels each; the first layer"),
        (lambda state: state.keep(3), "Nothing is drawn yet"),
        (lambda state: state.save(), "Nothing is drawn yet"),
        (lambda state: state.keep(10), "The digit is 10; expected 0 to 9"),
        (lambda state: state.keep("3"), "The digit is '3'; expected a whole number"),
        (lambda state: state.remove(0), "There is no drawing 0; 0 are kept"),
        (lambda state: state.accuracy, "No drawing was kept yet"),
        (lambda state: state.change(strokes=[[[1, math.nan]]]), r"point \[1, nan\]; expected two numbers"),
        (lambda state: state.change(strokes=[[[1, 2, 3]]]), r"point \[1, 2, 3\]; expected two numbers"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(act, message):
    state = DrawState(Bright())
    with pytest.raises(ValueError, match=message):
        act(state)
    assert state.is_empty
    assert len(state.labels) == 0


# ---------------------------------------------------------------- what the page gets


def answers(page: Page) -> dict:
    return {model["name"]: model["answer"] for model in page.frame["answers"]}


def test_strokes_of_a_page_are_answered_with_the_image_and_ten_shares_a_model():
    lab = DrawLab(Bright(), models.ElmanRNN(28, 16, 10))
    page = Page(lab)
    assert page.arrays == [bytes(784)]
    assert page.frame["is_empty"]
    page.change(strokes=SEVEN)
    assert page.arrays == [bytes((lab.image * 255).round().flatten().int().tolist())]
    assert max(page.arrays[0]) > 200
    assert {name: len(answer) for name, answer in answers(page).items()} == {"Bright": 10, "ElmanRNN": 10}
    assert answers(page)["Bright"][1] > 0.99
    assert lab.strokes == page.frame["values"]["strokes"] == SEVEN
    page.change(strokes=[])
    assert page.arrays == [bytes(784)]


def test_the_gallery_shows_what_each_model_says_and_how_often_it_is_right():
    lab = DrawLab(Bright(), Bright(-1.0))
    page = Page(lab)
    page.press("keep", 1, strokes=SEVEN)  # what is kept comes along with the press
    page.press("keep", 7)
    digits, table = page.frame["gallery"]["digits"], page.frame["gallery"]["table"]
    assert [(digit["label"], digit["said"]) for digit in digits] == [(1, [1, 0]), (7, [1, 0])]
    assert table == [{"name": "Bright 1", "right": 1}, {"name": "Bright 2", "right": 0}]
    page.press("remove", 0)
    assert lab.labels.tolist() == [7]
    assert lab.table["is"].tolist() == [7]


def test_the_kept_drawings_are_asked_about_once_and_again_when_a_net_has_learned(monkeypatch):
    net = Bright()
    lab, asked = DrawLab(net), []
    page = Page(lab)
    page.press("keep", 1, strokes=SEVEN)
    forward = Bright.forward
    monkeypatch.setattr(Bright, "forward", lambda self, images: asked.append(len(images)) or forward(self, images))
    page.press("keep", 7)
    page.change(strokes=ONE)
    page.change(strokes=SEVEN)
    assert asked == [1, 2, 1, 1]
    with torch.no_grad():
        net.factor.mul_(-1)
    page.change(strokes=ONE)
    assert page.frame["gallery"]["digits"][0]["said"] == [0]


def test_a_net_that_another_lab_trains_is_asked_without_touching_it():
    net = Bright()
    state = DrawState(net)
    state.change(strokes=SEVEN)
    modes = []
    net.register_forward_hook(lambda module, *_: modes.append((module is net, module.training)))
    state.answers(state.image[None])
    assert modes == [(False, False)]
    assert net.training
    net.factor.data = torch.tensor(-1.0)  # as loading weights does
    assert state.answers(state.image[None])["Bright"].argmax() == 0


def test_an_empty_drawing_is_not_kept_and_the_lab_says_so():
    page = Page(DrawLab(Bright()))
    page.press("keep", 1)
    assert "Nothing is drawn yet" in page.frame["message"]
    assert page.frame["gallery"]["digits"] == []
    page.change(strokes=ONE)
    assert page.frame["message"] == ""


def test_the_button_saves_a_png_and_says_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Page(DrawLab(Bright()))
    page.press("save", strokes=SEVEN)
    assert page.frame["message"] == f"Saved as {tmp_path / 'digit_1.png'}."
    tmp_path.chmod(0o500)
    monkeypatch.setattr("pathlib.Path.open", lambda *_: (_ for _ in ()).throw(PermissionError("read-only folder")))
    page.press("save")
    assert "read-only folder" in page.frame["message"]


def test_a_page_may_press_its_buttons_and_nothing_else():
    lab = DrawLab(Bright())
    page = Page(lab)
    page.press("close")
    page.press("draw", SEVEN)
    assert lab.comm is not None
    assert lab.state.is_empty


def test_a_model_that_says_nan_is_shown_to_say_so():
    lab = DrawLab(Bright(math.nan), Bright())
    lab.draw(ONE)
    lab.keep(1)
    page = Page(lab)
    assert answers(page)["Bright 1"] is None
    assert page.frame["gallery"]["digits"][0]["said"] == [None, 1]
    assert lab.accuracy.tolist() == [0, 1]
    lab.figure()


def test_an_answer_sends_less_than_5_kb():
    page = Page(DrawLab(Bright(), models.ElmanRNN(28, 16, 10)))
    page.change(strokes=[circle(140, 140, 90)])
    assert page.sizes[-1] < 5_000


def test_the_still_picture_has_the_image_the_bars_and_the_gallery():
    lab = DrawLab(Bright(), models.ElmanRNN(28, 16, 10))
    assert [axes.get_title("center") for axes in lab.figure().axes] == ["Nothing is drawn yet."]
    lab.draw(SEVEN)
    lab.keep(7)
    axes = lab.figure().axes
    assert axes[0].get_title("center") == "what the nets get"
    assert [bars.get_title("left") for bars in axes[1:3]] == ["A: Bright", "B: ElmanRNN"]
    assert axes[3].get_title("center").startswith("is 7\nA: 1\nB: ")
