import io

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from learnkit import plots


def drawn(figure) -> np.ndarray:
    """The figure as pixels, so that what only fails when it is drawn fails here."""
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


def test_each_part_of_the_data_has_a_curve_and_always_the_same_colour():
    table = pd.DataFrame({"epoch": [1, 1, 2, 2], "split": ["test", "train"] * 2, "accuracy": [0.1, 0.2, 0.3, 0.4]})
    axes = plots.learning_curves(table, "accuracy").axes[0]
    curves = {tuple(line.get_ydata()): to_rgb(line.get_color()) for line in axes.lines if len(line.get_ydata())}
    assert curves == {(0.1, 0.3): to_rgb("#D55E00"), (0.2, 0.4): to_rgb("#0072B2")}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["test", "train"]
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


def test_images_stand_in_rows_with_their_captions_ink_dark():
    images = torch.zeros(7, 4, 4)
    images[:, 1, 2] = 1
    figure = plots.image_grid(images, ["a", "$b$", "c", "d", "e", "f", "g"], columns=3)
    assert len(figure.axes) == 9
    assert [axes.get_title() for axes in figure.axes[:3]] == ["a", "$b$", "c"]
    assert sum(len(axes.images) for axes in figure.axes) == 7
    assert drawn(figure).min() == 0
    image = figure.axes[0].images[0]
    assert image.cmap(image.norm(1.0))[:3] == (0, 0, 0)


def test_the_worst_mistakes_are_those_of_which_the_net_is_surest():
    logits = torch.tensor([[5.0, 0.0], [0.0, 3.0], [2.0, 0.0], [0.0, 9.0], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1, 0, 1])  # the net is wrong about images 1, 2 and 3
    images = torch.arange(5.0).view(5, 1, 1).expand(5, 2, 2) / 5
    figure = plots.worst_mistakes(images, labels, logits, ["cat", "dog"], count=2)
    assert [axes.get_title() for axes in figure.axes] == ["is cat\nsays dog\n(1.00)", "is cat\nsays dog\n(0.95)"]
    assert [axes.images[0].get_array()[0, 0] for axes in figure.axes] == pytest.approx([0.6, 0.2])


def attention(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).softmax(-1)


def words_along(axes) -> tuple[list[str], list[str]]:
    return [[label.get_text() for label in labels] for labels in (axes.get_yticklabels(), axes.get_xticklabels())]


def test_an_attention_heatmap_has_a_row_for_each_query_and_a_column_for_each_key():
    weights = attention(2, 3)
    figure = plots.attention_heatmap(weights, ["my", "cat"], ["su", "gato", "$x$"])
    axes = figure.axes[0]
    assert words_along(axes) == [["my", "cat"], ["su", "gato", "$x$"]]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("query", "key")
    assert [text.get_text() for text in axes.texts] == [f"{weight:.2f}" for weight in weights.flatten().tolist()]
    np.testing.assert_allclose(axes.collections[0].get_array().reshape(2, 3), weights)
    assert figure.get_supxlabel() == ""
    drawn(figure)


def test_all_heads_share_one_scale_of_colours():
    weights = attention(3, 4, 4)
    figure = plots.attention_heatmap(weights, list("abcd"))
    heads = [axes for axes in figure.axes if axes.get_title("left").startswith("head")]
    assert [axes.get_title("left") for axes in heads] == ["head 0", "head 1", "head 2"]
    assert {axes.collections[0].get_clim() for axes in heads} == {(0, weights.max().item())}
    for axes, head in zip(heads, weights, strict=True):
        np.testing.assert_allclose(axes.collections[0].get_array().reshape(4, 4), head)


def test_numbers_stand_in_the_cells_while_they_can_be_read_and_labels_are_thinned():
    few, many = plots.attention_heatmap(attention(5, 5)), plots.attention_heatmap(attention(4, 90, 90))
    assert len(few.axes[0].texts) == 25
    assert len(many.axes[0].texts) == 0
    queries, keys = words_along(many.axes[0])
    assert 5 < len(keys) < 20
    assert queries[:2] == ["0", queries[1]]
    drawn(many)


def test_chinese_words_are_drawn_with_a_font_that_has_them():
    # A character without a glyph makes matplotlib warn, and a warning is an error here.
    chinese = drawn(plots.attention_heatmap(attention(2, 2), ["猫", "垫子"]))
    boxes = drawn(plots.attention_heatmap(attention(2, 2), ["\U000f0000", "\U000f0001"]))  # in no font
    assert not np.array_equal(chinese[:, :60], boxes[:, :60])


def test_a_word_that_no_font_has_becomes_its_number_and_the_figure_says_so():
    figure = plots.attention_heatmap(attention(2, 2), ["a", "\U000f0000b"])
    assert words_along(figure.axes[0])[0] == ["a", "[1]"]
    assert "No font was found for 1 character" in figure.get_supxlabel().replace("\n", " ")


def test_rows_that_do_not_sum_to_one_are_remarked_upon():
    figure = plots.attention_heatmap(torch.tensor([[0.5, 0.2], [0.5, 0.8]]))
    assert "rows do not sum to 1 but to 0.70 … 1.30" in figure.get_supxlabel().replace("\n", " ")
    assert plots.attention_heatmap(torch.tensor([[0.0, 0.0], [0.5, 0.5]])).get_supxlabel() == ""


def test_weights_may_need_gradients_be_of_half_precision_or_of_numpy():
    weights = attention(3, 3)
    pictures = [drawn(plots.attention_heatmap(form)) for form in (weights.clone().requires_grad_(), weights.numpy())]
    np.testing.assert_array_equal(*pictures)
    drawn(plots.attention_heatmap(weights.bfloat16()))


def summary(**more):
    """Two epochs of two steps, and a pale run of one epoch behind them."""
    table = pd.DataFrame({"epoch": [1, 1, 2, 2], "split": ["train", "validation"] * 2, "loss": [2.0, 1.9, 1.5, 1.6]})
    table["accuracy"] = [np.nan, 0.5, np.nan, 0.6]
    losses, matrix = np.array([2.3, 2.0, 1.6, 1.5]), torch.tensor([[3, 1], [0, 4]])
    return plots.run_summary(losses, 2, table, matrix, title="a net", others={"1·2": table[:2]}, **more)


def test_a_run_is_summed_up_in_its_losses_its_accuracy_and_its_confusion():
    figure = summary(classes=["cat", "dog"])
    loss, accuracy, confusion = (next(axes for axes in figure.axes if axes.get_label() == name) for name in PANELS)
    curves = [line.get_xydata().tolist() for line in loss.lines]
    assert [[0.5, 2.3], [1, 2.0], [1.5, 1.6], [2, 1.5]] in curves
    assert [[1, 1.9], [2, 1.6]] in curves
    assert [[1, 0.5], [2, 0.6]] in [line.get_xydata().tolist() for line in accuracy.lines]
    assert [text.get_text() for text in accuracy.texts] == ["1·2"]
    assert [text.get_text() for text in confusion.texts] == ["3", "1", "0", "4"]
    assert figure.get_suptitle() == "a net"


def test_a_run_that_has_not_begun_has_a_summary_too():
    nothing = pd.DataFrame(columns=["epoch", "split", "loss", "accuracy"])
    figure = plots.run_summary(np.array([]), 10, nothing)
    assert [len(axes.lines) for axes in figure.axes] == [1, 0, 0]
    drawn(figure)


PANELS = ("loss", "accuracy", "confusion")
EXAMPLES = {
    "attention_heatmap": lambda: plots.attention_heatmap(attention(2, 3, 3), ["a", "b", "c"]),
    "step_losses": lambda: plots.step_losses([2.3, 2.2]),
    "learning_curves": lambda: plots.learning_curves(pd.DataFrame({"epoch": [1], "split": ["train"], "loss": [1.0]})),
    "run_summary": lambda: summary(),
    "confusion_heatmap": lambda: plots.confusion_heatmap(torch.eye(2, dtype=torch.int64)),
    "image_grid": lambda: plots.image_grid(torch.rand(2, 4, 4), ["a", "b"]),
    "worst_mistakes": lambda: plots.worst_mistakes(torch.rand(1, 4, 4), torch.tensor([0]), torch.tensor([[0.0, 1.0]])),
}


def test_every_plot_of_the_library_is_among_the_examples():
    assert set(EXAMPLES) == set(plots.__all__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_plot_looks_the_same_whatever_style_is_set_and_leaves_it_as_it_was(name):
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


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.attention_heatmap(torch.zeros(3)), r"\(3,\); expected \(query, key\) or"),
        (
            lambda: plots.attention_heatmap(torch.zeros(1, 2, 3, 3)),
            r"first sequence of a batch: weights\[0\]",
        ),
        (lambda: plots.attention_heatmap(torch.zeros(0, 3)), "nothing to draw"),
        (
            lambda: plots.attention_heatmap(torch.tensor([[1, torch.nan]])),
            r"1 of the 2 .* NaN, the first at \(0, 1\)",
        ),
        (lambda: plots.attention_heatmap(torch.eye(3), ["a", "b"]), "2 tokens were given for 3 rows"),
        (lambda: plots.attention_heatmap(torch.ones(1, 3), ["a"]), "1 key_tokens .* 3 columns .* Name them with key_t"),
        (lambda: plots.step_losses([]), "no losses to draw"),
        (lambda: plots.learning_curves(pd.DataFrame({"epoch": []})), "no column 'split'; it has 'epoch'"),
        (lambda: plots.confusion_heatmap(torch.eye(2, dtype=torch.int64), ["cat"]), "1 names were given for the 2"),
        (lambda: plots.image_grid(torch.zeros(0, 4, 4)), "no images to draw"),
        (lambda: plots.image_grid(torch.zeros(2, 4, 4), ["a"]), "1 captions were given for 2 images"),
        (
            lambda: plots.worst_mistakes(torch.zeros(1, 4, 4), torch.tensor([1]), torch.tensor([[0.0, 1.0]])),
            "right about all 1 images",
        ),
        (
            lambda: plots.worst_mistakes(torch.zeros(1, 4, 4), torch.tensor([1, 0]), torch.tensor([[0.0, 1.0]])),
            "1 images, 2 labels and logits for 1",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
