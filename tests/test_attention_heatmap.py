import io

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.collections import PatchCollection
from PIL import Image

from learnkit import plots
from learnkit.models import TinyTransformer
from learnkit.plots.words import fonts_for, readable


def attention(*shape: int, sharp: float = 2) -> torch.Tensor:
    return (sharp * torch.randn(shape, generator=torch.Generator().manual_seed(0))).softmax(-1)


def drawn(figure) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


def written(figure, what: str) -> list[str]:
    """All texts of one kind: ``"query"``, ``"key"``, ``"weight"`` or ``"remark"``."""
    return [text.get_text() for text in figure.axes[0].texts if text.get_gid() == what]


def remarks(figure) -> str:
    return " ".join(written(figure, "remark"))


def frames(figure) -> list:
    """The box around each head, in pixels from the bottom left."""
    axes = figure.axes[0]
    (found,) = (artist for artist in axes.collections if isinstance(artist, PatchCollection))
    return [axes.transData.transform_bbox(path.get_extents()) for path in found.get_paths()]


def colours(figure, queries: int, keys: int) -> tuple[np.ndarray, np.ndarray]:
    """The colours of the cells as drawn, ``(head, query, key, colour)``, and the size of a cell in pixels."""
    picture, boxes = drawn(figure), frames(figure)
    cells = np.abs([[box.height / queries, box.width / keys] for box in boxes])
    heads = []
    for box, (high, wide) in zip(boxes, cells, strict=True):
        # In a large cell near the top left corner, to avoid the number and the frame.
        down = len(picture) - box.ymax + (np.arange(queries) + (0.2 if high > 4 else 0.5)) * high
        across = box.x0 + (np.arange(keys) + (0.2 if wide > 4 else 0.5)) * wide
        heads.append(picture[np.ix_(down.astype(int), across.astype(int))])
    return np.array(heads), cells


def expected_colours(weights: torch.Tensor, largest: float | None = None) -> np.ndarray:
    shares = weights.numpy() / (weights.max().item() if largest is None else largest)
    return matplotlib.colormaps["Blues"](shares, bytes=True)[..., :3]


def assert_shows(figure, heads: torch.Tensor):
    """Check that ``heads``, (head, query, key), are drawn in order on one scale from 0 to the largest weight."""
    seen, cells = colours(figure, *heads.shape[1:])
    assert cells.min() >= 0.99
    assert seen.shape[:-1] == heads.shape
    inner = np.s_[:, 1:-1, 1:-1] if cells.min() < 2 else np.s_[:]  # the frame lies on the outermost pixels
    difference = np.abs(seen.astype(int) - expected_colours(heads).astype(int))[inner]
    assert difference.max() <= 2


BATCHED = attention(3, 2, 4, 5, 6)  # (layer, sequence, head, query, key)
KINDS = {
    "one head": (BATCHED[0, 0, 0], {}, BATCHED[0, 0, :1]),
    "several heads": (BATCHED[0, 0], {}, BATCHED[0, 0]),
    "one of a batch": (BATCHED[0], {"sequence": 1}, BATCHED[0, 1]),
    "layers and heads": (BATCHED[:, 1], {}, BATCHED[:, 1].flatten(0, 1)),
    "one layer": (BATCHED[:1, 1], {}, BATCHED[0, 1]),
    "a list of layers": (list(BATCHED[:, 1]), {}, BATCHED[:, 1].flatten(0, 1)),
    "Hugging Face's": (tuple(BATCHED), {"sequence": 1}, BATCHED[:, 1].flatten(0, 1)),
    "Hugging Face's of one sentence": (tuple(BATCHED[:, :1]), {}, BATCHED[:, 0].flatten(0, 1)),
    "layers of a batch": (BATCHED, {"sequence": 0}, BATCHED[:, 0].flatten(0, 1)),
    "a list of heads": (list(BATCHED[0, 0]), {}, BATCHED[0, 0]),
    "144 heads": (attention(12, 12, 64, 64), {}, attention(12, 12, 64, 64).flatten(0, 1)),
    "one head of 1,024 tokens": (attention(1024, 1024), {}, attention(1, 1024, 1024)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_weights_are_drawn_with_a_row_for_each_query_and_a_column_for_each_key(kind):
    weights, options, heads = KINDS[kind]
    figure = plots.attention_heatmap(weights, **options)
    assert_shows(figure, heads)
    assert remarks(figure) == ""


def test_weights_may_require_gradients_have_half_precision_or_be_numpy_arrays_even_reversed():
    weights = BATCHED[0, 0]
    plain = drawn(plots.attention_heatmap(weights))
    for form in (weights.clone().requires_grad_(), weights.numpy(), weights.numpy().astype(np.float64)):
        np.testing.assert_array_equal(drawn(plots.attention_heatmap(form)), plain)
    assert_shows(plots.attention_heatmap(weights.numpy()[:, ::-1]), weights.flip(1))
    assert_shows(plots.attention_heatmap(weights.bfloat16()), weights.bfloat16().float())
    assert remarks(plots.attention_heatmap(weights.bfloat16())) == ""  # the rows' sums are only rounded


def test_the_weights_of_a_network_can_be_passed_unchanged():
    net = TinyTransformer(10, 6, num_blocks=2)
    digits = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 7, 1, 8, 2, 8]])
    _, weights = net(digits)
    figure = plots.attention_heatmap(weights, list("271828"), sequence=1)
    assert_shows(figure, torch.stack(weights)[:, 1].flatten(0, 1).detach())
    assert written(figure, "query") == 2 * list("271828")


def test_words_are_beside_their_rows_and_below_their_columns():
    weights = attention(2, 3)
    figure = plots.attention_heatmap(weights, ["my", "cat"], ["su", "gato", "$x$"])
    assert (written(figure, "query"), written(figure, "key")) == (["my", "cat"], ["su", "gato", "$x$"])
    assert {"query", "key"} <= {text.get_text() for text in figure.axes[0].texts if text.get_gid() is None}
    assert written(figure, "weight") == [f"{weight:.2f}" for weight in weights.flatten().tolist()]
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert places["my"][1] < places["cat"][1]
    assert places["su"][0] < places["gato"][0] < places["$x$"][0]


def test_heads_and_layers_are_named():
    def names(figure) -> list[str]:
        return [text.get_text() for text in figure.axes[0].texts if text.get_text().startswith(("head", "layer"))]

    assert names(plots.attention_heatmap(attention(4, 4))) == []
    assert names(plots.attention_heatmap(attention(3, 4, 4))) == ["head 0", "head 1", "head 2"]
    assert names(plots.attention_heatmap(attention(2, 2, 4, 4))) == ["layer 0", "layer 1", "head 0", "head 1"]


@pytest.mark.parametrize(("shape", "columns"), [((7, 40, 40), 4), ((3, 2, 5, 5), 2), ((2, 5, 5, 5), 5)])
def test_heads_are_in_reading_order(shape, columns):
    boxes = frames(plots.attention_heatmap(attention(*shape)))
    for number, box in enumerate(boxes[1:], start=1):
        if number % columns:
            assert box.ymax == pytest.approx(boxes[number - 1].ymax)
            assert box.x0 > boxes[number - 1].x1
        else:
            assert box.ymax < boxes[number - 1].ymin
            assert box.x0 == pytest.approx(boxes[0].x0)


def test_all_heads_share_the_scale_of_the_colour_bar():
    weights = attention(2, 4, 4)
    weights[1] = 0.25  # on a scale of its own, this head would be as dark as the darkest cell of the other
    figure = plots.attention_heatmap(weights)
    seen, _ = colours(figure, 4, 4)
    assert (np.abs(seen[1].astype(int) - expected_colours(weights[1], weights.max().item())) <= 2).all()
    assert figure.axes[1].get_ylim() == pytest.approx((0, weights.max().item()))


def test_numbers_are_in_the_cells_if_they_are_legible_and_words_are_thinned():
    few, many = plots.attention_heatmap(attention(5, 5)), plots.attention_heatmap(attention(4, 90, 90))
    assert len(written(few, "weight")) == 25
    assert written(many, "weight") == []
    assert written(many, "query") == [str(number) for number in range(0, 90, 10)]
    thousand = plots.attention_heatmap(attention(1024, 1024), [f"word{number}" for number in range(1024)])
    assert written(thousand, "key")[:3] == ["word0", "word20", "word40"]


@pytest.mark.parametrize("shape", [(4, 4), (7, 6, 5), (2, 3, 8, 9), (40, 8, 8), (30, 3), (3, 30)])
def test_words_do_not_overlap_and_are_not_cut_off(shape):
    words = ["a", "middling", "cat", "Donaudampfschifffahrtsgesellschaft", "垫子"]
    named = [[words[number % 5] for number in range(count)] for count in shape[-2:]]
    figure = plots.attention_heatmap(1.01 * attention(*shape), *named)
    drawn(figure)
    inside = [text.get_window_extent() for text in figure.axes[0].texts if text.get_gid() != "weight"]
    lowest, highest = figure.axes[1].get_ylim()
    ticks = [tick for tick in figure.axes[1].yaxis.get_major_ticks() if lowest <= tick.get_loc() <= highest]
    inside += [label.get_window_extent() for label in [*(tick.label2 for tick in ticks), figure.axes[1].yaxis.label]]
    for number, box in enumerate(inside):
        assert box.x0 >= 0 <= box.y0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        for other in inside[:number]:
            shared = [min(a[1], b[1]) - max(a[0], b[0]) for a, b in zip(sides(box), sides(other), strict=True)]
            assert min(shared) < 2


def sides(box) -> list[tuple[float, float]]:
    return [(box.x0, box.x1), (box.y0, box.y1)]


def test_if_there_are_more_weights_than_pixels_the_largest_are_drawn_and_the_figure_says_so():
    weights = torch.zeros(10_000, 3)
    weights[:, 0] = 1
    weights[7777] = torch.tensor([0, 0, 1.0])
    figure = plots.attention_heatmap(weights, list("abcde") * 2000, list("xyz"))
    assert "each pixel shows the largest of 5 × 5" in remarks(figure)
    assert max(drawn(figure).shape[:2]) < 2200
    tiled = figure.axes[0].images[0].get_array()
    assert tiled.shape == (2000, 1)
    both = torch.eye(2500)
    both[1234] = 0
    both[1234, 7] = 1
    seen = plots.attention_heatmap(both).axes[0].images[0].get_array()
    assert seen.shape == (1250, 1250)
    assert (seen[617, 3], seen[617, 617], seen[617, 618], seen[0, 0]) == (1, 1, 0, 1)


@pytest.mark.parametrize("words", [["猫", "垫"], ["قطة", "😀"]], ids=["Chinese", "Arabic and emoji"])
def test_words_of_any_script_are_drawn_if_a_font_has_them(words):
    missing = fonts_for(words)[1]
    if missing:
        pytest.skip(f"needs a font with {''.join(sorted(missing))}")
    # A character without a glyph makes matplotlib warn, and a warning is an error here.
    picture = drawn(plots.attention_heatmap(attention(2, 2), words))
    boxes = drawn(plots.attention_heatmap(attention(2, 2), ["\U000f0000", "\U000f0001"]))  # in no font
    assert not np.array_equal(picture[:100, :50], boxes[:100, :50])


def test_characters_that_no_font_has_are_named_once_and_their_words_become_numbers():
    figure = plots.attention_heatmap(attention(3, 3), ["a", "\U000f0000b", "\U000f0000\U000f0001"])
    assert written(figure, "query") == ["a", "[1]", "[2]"]
    assert remarks(figure).count("No font on this machine has U+F0000, nor 1 more of these characters.") == 1
    drawn(figure)


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("cat", "cat"),
        ("Donaudampfschifffahrtsgesellschaft", "Donaudam…lschaft"),
        ("x" * 10_000, "xxxxxxxx…xxxxxxx"),
        ("a\nb\t", r"a\nb\t"),
        ("\x00\x1b[31m", r"\x00\x1b[31m"),
        ("\u202eabc", r"\u202eabc"),
        ("\ud800", r"\ud800"),
        ("", "''"),
        ("  ", "'  '"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("$x$", "$x$"),
        ("❤\ufe0f", "❤"),
        ("Ġcat", "Ġcat"),
    ],
)
def test_a_word_is_made_readable_and_drawn(word, shown):
    assert readable(word) == shown
    figure = plots.attention_heatmap(attention(2, 2), [word, "a"])
    assert written(figure, "query") == [shown, "a"]
    drawn(figure)


def test_dollar_signs_are_not_read_as_formulas():
    with_dollars = plots.attention_heatmap(
        attention(2, 2), ["$x$", r"$\frac{$"]
    )  # as a formula, this would raise an error
    assert written(with_dollars, "key") == ["$x$", r"$\frac{$"]
    drawn(with_dollars)


def test_rows_that_do_not_sum_to_one_are_pointed_out():
    figure = plots.attention_heatmap(torch.tensor([[0.5, 0.2], [0.6, 0.8]]))
    assert "rows do not sum to 1 but to 0.70 … 1.40" in remarks(figure)
    assert "columns" not in remarks(figure)
    transposed = plots.attention_heatmap(attention(3, 4, 4).mT)
    assert "The columns do sum to 1: were the weights transposed after the softmax?" in remarks(transposed)
    assert remarks(plots.attention_heatmap(torch.tensor([[0.0, 0.0], [0.5, 0.5]]))) == ""


def test_all_zeros_and_negative_scores_can_be_drawn():
    assert_shows(plots.attention_heatmap(torch.zeros(1, 3, 3) + 1e-9), torch.zeros(1, 3, 3) + 1e-9)
    seen, _ = colours(plots.attention_heatmap(torch.zeros(3, 3)), 3, 3)
    assert (seen == expected_colours(torch.zeros(3, 3), 1)).all()
    figure = plots.attention_heatmap(torch.tensor([[-2.0, 1.0], [-1.0, -1.0]]))
    assert figure.axes[1].get_ylim() == pytest.approx((-2, 1))
    drawn(figure)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.attention_heatmap(torch.zeros(3)), r"\(3,\); expected \(query, key\), \(head, query, key\)"),
        (lambda: plots.attention_heatmap(torch.zeros(1, 1, 1, 1, 3, 3)), r"list or a tuple counts as the first axis"),
        (lambda: plots.attention_heatmap(torch.zeros(2, 0, 3)), r"\(2, 0, 3\): there is nothing to draw"),
        (lambda: plots.attention_heatmap([]), "nothing to draw"),
        (
            lambda: plots.attention_heatmap(tuple(BATCHED)),
            r"are for a batch of 2; say which to draw, such as sequence=0",
        ),
        (lambda: plots.attention_heatmap(BATCHED, sequence=2), "sequence is 2; expected 0 to 1, since the batch has 2"),
        (
            lambda: plots.attention_heatmap(BATCHED[0], sequence=-1),
            "sequence is -1; expected 0 to 1, since the batch has 2",
        ),
        (
            lambda: plots.attention_heatmap(BATCHED[0, 0], sequence=0),
            r"sequence=0 chooses .* \(4, 5, 6\) has none; expected",
        ),
        (
            lambda: plots.attention_heatmap([torch.zeros(2, 3, 3), torch.zeros(4, 3, 3)]),
            r"different shapes: \(2, 3, 3\), \(4, 3, 3\)",
        ),
        (
            lambda: plots.attention_heatmap([None, None]),
            r"or some of them are.*need_weights=True.*output_attentions=True",
        ),
        (lambda: plots.attention_heatmap(None), "weights are None"),
        (
            lambda: plots.attention_heatmap(torch.tensor([[1, torch.nan]])),
            r"1 of the 2 .* NaN or infinite, the first at \(0, 1\)",
        ),
        (lambda: plots.attention_heatmap(torch.tensor([[torch.inf, 0]])), r"infinite, the first at \(0, 0\)"),
        (lambda: plots.attention_heatmap(torch.eye(3), ["a", "b"]), "2 tokens were given for 3 rows"),
        (lambda: plots.attention_heatmap(torch.eye(3), []), "0 tokens were given for 3 rows"),
        (lambda: plots.attention_heatmap(torch.eye(3), "the cat sat"), r"11 tokens .* 3 rows .*\.split\(\)"),
        (
            lambda: plots.attention_heatmap(torch.eye(2), [3, 1]),
            r"tokens must be strings, and 3 is not; use \[str\(token\)",
        ),
        (
            lambda: plots.attention_heatmap(torch.ones(1, 3), ["a"]),
            "1 key_tokens .* 3 columns .* Name the columns with key_t",
        ),
    ],
)
def test_what_cannot_be_drawn_is_rejected(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
