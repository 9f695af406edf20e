import io

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image
from scipy import stats

from learnkit import plots


def drawn(figure) -> np.ndarray:
    """The figure as pixels, since some errors occur only when it is drawn."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    return np.asarray(Image.open(file).convert("RGB"))


def test_every_step_is_drawn_and_counted_from_one():
    losses = torch.linspace(2, 1, 120)
    axes = plots.step_losses(losses, steps_per_epoch=60).axes[0]
    each, mean = axes.lines
    assert each.get_xdata().tolist() == list(range(1, 121))
    np.testing.assert_allclose(each.get_ydata(), losses)
    assert np.nanmin(mean.get_ydata()) == pytest.approx(losses[70:].mean().item(), abs=1e-6)
    (epochs,) = axes.child_axes
    drawn(axes.figure)
    assert epochs.get_xlim() == pytest.approx((0, 2))


def test_losses_may_be_tensors_of_a_training():
    figure = plots.step_losses([torch.tensor(2.3, requires_grad=True), torch.tensor(2.2)])
    assert figure.axes[0].lines[0].get_ydata().tolist() == pytest.approx([2.3, 2.2])


def test_each_split_has_a_curve_in_its_own_colour():
    rows = pd.DataFrame({"epoch": [1, 2], "test_accuracy": [0.1, 0.3], "train_accuracy": [0.2, 0.4]})
    axes = plots.learning_curves(rows, "accuracy").axes[0]
    curves = {tuple(line.get_ydata()): to_rgb(line.get_color()) for line in axes.lines if len(line.get_ydata())}
    assert curves == {(0.1, 0.3): to_rgb("#D55E00"), (0.2, 0.4): to_rgb("#0072B2")}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "test"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "accuracy")


def test_the_confusion_heatmap_has_each_count_in_its_cell():
    matrix = torch.tensor([[9, 1], [0, 5]])
    axes = plots.confusion_heatmap(matrix, ["cat", "dog"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["9", "1", "0", "5"]
    shares = axes.collections[0].get_array().reshape(2, 2)
    np.testing.assert_allclose(shares, [[0.9, 0.1], [0, 1]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    drawn(axes.figure)


def test_a_class_that_does_not_occur_leaves_an_empty_row():
    matrix = torch.tensor([[3, 0], [0, 0]])
    shares = plots.confusion_heatmap(matrix).axes[0].collections[0].get_array()
    assert np.isfinite(shares).all()


def test_images_are_drawn_in_rows_with_captions_and_dark_ink():
    images = torch.zeros(7, 4, 4)
    images[:, 1, 2] = 1
    figure = plots.image_grid(images, ["a", "$b$", "c", "d", "e", "f", "g"], columns=3)
    assert len(figure.axes) == 9
    assert [axes.get_title() for axes in figure.axes[:3]] == ["a", "$b$", "c"]
    assert sum(len(axes.images) for axes in figure.axes) == 7
    assert drawn(figure).min() == 0
    image = figure.axes[0].images[0]
    assert image.cmap(image.norm(1.0))[:3] == (0, 0, 0)


def test_the_worst_mistakes_are_those_where_the_net_is_most_confident():
    logits = torch.tensor([[5.0, 0.0], [0.0, 3.0], [2.0, 0.0], [0.0, 9.0], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1, 0, 1])  # the net is wrong about images 1, 2 and 3
    images = torch.arange(5.0).view(5, 1, 1).expand(5, 2, 2) / 5
    figure = plots.worst_mistakes(images, labels, logits, ["cat", "dog"], count=2)
    assert [axes.get_title() for axes in figure.axes] == ["is cat\nsays dog\n(1.00)", "is cat\nsays dog\n(0.95)"]
    assert [axes.images[0].get_array()[0, 0] for axes in figure.axes] == pytest.approx([0.6, 0.2])


def tick_labels(axes) -> tuple[list[str], list[str]]:
    return [[label.get_text() for label in labels] for labels in (axes.get_yticklabels(), axes.get_xticklabels())]


def studied(**columns) -> pd.DataFrame:
    """A study of two settings, three seeds and two epochs; the loss varies more between epochs than between seeds."""
    rows = [
        {"sizes": sizes, "rate": 0.1, "activation": None, "seed": seed, "epoch": epoch, "loss": loss, **columns}
        for sizes in ((784, 4, 8, 10), (784, 2, 8, 10))
        for seed in range(3)
        for epoch, loss in ((1, 5 + seed**2 / 10), (2, 6 + seed**2 / 10))
    ]
    return pd.DataFrame(rows)


def test_the_curves_of_a_study_are_means_over_seeds_with_their_intervals():
    table = studied()
    figure = plots.study_curves(table, "loss")
    axes = figure.axes[0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["784-4-8-10", "784-2-8-10"]
    values = table[table["sizes"] == (784, 4, 8, 10)].groupby("epoch")["loss"]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), values.mean())
    corners = axes.collections[0].get_paths()[0].vertices
    half = stats.t.ppf(0.975, 2) * values.std() / np.sqrt(3)
    for epoch in (1, 2):
        heights = corners[corners[:, 0] == epoch, 1]
        middle = values.mean()[epoch]
        np.testing.assert_allclose([heights.min(), heights.max()], [middle - half[epoch], middle + half[epoch]])
    assert axes.get_title("left") == "mean with its 95% interval over 3 seeds"
    drawn(figure)


def test_a_study_of_one_seed_has_curves_without_bands():
    table = studied()
    drawn(plots.study_curves(table[table["seed"] == 0], "loss"))
    assert plots.study_curves(table[table["seed"] == 0], "loss").axes[0].get_title("left").endswith("over 1 seed")


def test_the_strip_has_a_point_for_each_seed_at_the_end_of_its_run():
    table = studied()
    table.loc[6:, "activation"] = "relu"
    axes = plots.metric_strip(table, "loss").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["784-4-8-10, no activation", "784-2-8-10, relu"]
    for strip, row in zip(axes.collections, (0, 1), strict=True):
        np.testing.assert_allclose(strip.get_offsets(), [[6.0, row], [6.1, row], [6.4, row]])
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [6.5 / 3 + 4, 6.5 / 3 + 4])
    assert axes.get_ylim() == (1.5, -0.5)  # half a row of space above and below
    drawn(axes.figure)


def test_the_width_heatmap_has_the_mean_of_the_last_epochs_in_its_cells():
    table = studied()
    table.loc[table["sizes"] == (784, 2, 8, 10), "loss"] += 1
    for form in (table, table.assign(sizes=table["sizes"].map(str))):  # as study makes it, and as a file has it
        axes = plots.width_heatmap(form, "loss").axes[0]
        assert tick_labels(axes) == [["8"], ["2", "4"]]
        assert [text.get_text() for text in axes.texts] == ["7.167", "6.167"]
    drawn(axes.figure)


def summary(**more):
    """Two epochs of two steps, and a pale run of one epoch behind them."""
    rows = pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.5], "validation_loss": [1.9, 1.6]})
    rows["validation_accuracy"] = [0.5, 0.6]
    losses, matrix = np.array([2.3, 2.0, 1.6, 1.5]), torch.tensor([[3, 1], [0, 4]])
    return plots.run_summary(losses, 2, rows, matrix, title="a net", others={"1·2": rows[:1]}, **more)


def test_the_summary_of_a_run_has_its_losses_its_accuracy_and_its_confusion_matrix():
    figure = summary(classes=["cat", "dog"])
    loss, accuracy, confusion = (next(axes for axes in figure.axes if axes.get_label() == name) for name in PANELS)
    curves = [line.get_xydata().tolist() for line in loss.lines]
    assert [[0.5, 2.3], [1, 2.0], [1.5, 1.6], [2, 1.5]] in curves
    assert [[1, 1.9], [2, 1.6]] in curves
    assert [[1, 0.5], [2, 0.6]] in [line.get_xydata().tolist() for line in accuracy.lines]
    assert [text.get_text() for text in accuracy.texts] == ["1·2"]
    assert [text.get_text() for text in confusion.texts] == ["3", "1", "0", "4"]
    assert figure.get_suptitle() == "a net"


def test_a_run_that_has_not_started_can_be_summarised():
    figure = plots.run_summary(np.array([]), 10, pd.DataFrame())
    assert [len(axes.lines) for axes in figure.axes] == [1, 0, 0]
    drawn(figure)


PANELS = ("loss", "accuracy", "confusion")
EXAMPLES = {
    "attention_heatmap": lambda: plots.attention_heatmap(torch.rand(2, 3, 3), ["a", "b", "c"]),
    "step_losses": lambda: plots.step_losses([2.3, 2.2]),
    "learning_curves": lambda: plots.learning_curves(pd.DataFrame({"epoch": [1], "train_loss": [1.0]})),
    "run_summary": lambda: summary(),
    "confusion_heatmap": lambda: plots.confusion_heatmap(torch.eye(2, dtype=torch.int64)),
    "drawn_digits": lambda: plots.drawn_digits(
        torch.rand(4, 4), {"net": torch.tensor([0.2, 0.8])}, torch.rand(1, 4, 4), [1], [[0]]
    ),
    "image_grid": lambda: plots.image_grid(torch.rand(2, 4, 4), ["a", "b"]),
    "study_curves": lambda: plots.study_curves(studied(), "loss"),
    "metric_strip": lambda: plots.metric_strip(studied(), "loss"),
    "width_heatmap": lambda: plots.width_heatmap(studied(), "loss"),
    "threshold_curves": lambda: plots.threshold_curves(torch.arange(6.0).double(), torch.arange(6) % 2, 2.5),
    "worst_mistakes": lambda: plots.worst_mistakes(torch.rand(1, 4, 4), torch.tensor([0]), torch.tensor([[0.0, 1.0]])),
}


def test_every_plot_of_the_library_is_among_the_examples():
    assert set(EXAMPLES) == set(plots.__all__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_plot_looks_the_same_whatever_style_is_set_and_does_not_change_it(name):
    torch.manual_seed(0)
    plain = drawn(EXAMPLES[name]())
    assert (plain[0, 0] == 255).all()
    torch.manual_seed(0)
    with plt.style.context("dark_background"):
        before = dict(matplotlib.rcParams)
        figure = EXAMPLES[name]()
        assert dict(matplotlib.rcParams) == before
        dark = drawn(figure)
    np.testing.assert_array_equal(plain, dark)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_plot_sets_none_of_matplotlibs_global_parameters_not_even_for_a_moment(name, monkeypatch):
    changed = []

    def noting(method):
        original = getattr(matplotlib.RcParams, method)

        def noted(self, *args, **kwargs):
            changed.append(method)
            return original(self, *args, **kwargs)

        return noted

    for method in ("__setitem__", "_set", "update", "_update_raw", "setdefault", "clear", "pop"):
        if hasattr(matplotlib.RcParams, method):
            monkeypatch.setattr(matplotlib.RcParams, method, noting(method))
    with plt.rc_context({"font.size": 4}):
        assert changed  # a style for a moment is seen, too
    changed.clear()
    EXAMPLES[name]()
    assert changed == []


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.step_losses([]), "no losses to draw"),
        (lambda: plots.learning_curves(pd.DataFrame({"epoch": [1]})), "no column 'train_loss'; it has 'epoch'"),
        (
            lambda: plots.confusion_heatmap(torch.eye(2, dtype=torch.int64), ["cat"]),
            "1 names were given for 2 classes; expected one for each",
        ),
        (lambda: plots.study_curves(studied(), "los"), "no column called 'los'. Did you mean 'loss'"),
        (lambda: plots.metric_strip(studied(loss=np.nan), "loss"), "No row of the table has a number in 'loss'"),
        (
            lambda: plots.study_curves(pd.concat([studied(rate=rate) for rate in range(6)]), "loss"),
            "12 curves in one plot cannot be told apart; choose up to 10",
        ),
        (
            lambda: plots.width_heatmap(studied(sizes=(784, 9, 10)), "loss"),
            r"\(784, 9, 10\) .* expected two hidden layers",
        ),
        (lambda: plots.width_heatmap(pd.concat([studied(), studied(rate=1)]), "loss"), "differ in other ways; choose"),
        (
            lambda: plots.drawn_digits(torch.zeros(4, 4), {}, torch.zeros(2, 4, 4)),
            "2 earlier images, 0 labels and 0 predictions; expected as many of each",
        ),
        (lambda: plots.image_grid(torch.zeros(0, 4, 4)), "no images to draw"),
        (lambda: plots.image_grid(torch.zeros(2, 4, 4), ["a"]), "1 captions were given for 2 images"),
        (
            lambda: plots.worst_mistakes(torch.zeros(1, 4, 4), torch.tensor([1]), torch.tensor([[0.0, 1.0]])),
            "gets all 1 images right",
        ),
        (
            lambda: plots.worst_mistakes(torch.zeros(1, 4, 4), torch.tensor([1, 0]), torch.tensor([[0.0, 1.0]])),
            "1 images, 2 labels and logits for 1",
        ),
    ],
)
def test_what_cannot_be_drawn_is_rejected(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
