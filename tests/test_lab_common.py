"""What labs have in common: their settings, their link to the page, their curves, and how they come onto the page."""

import asyncio
import gc
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets.widgets import widget as all_widgets
from matplotlib.figure import Figure
from pages import Page, until

from learnkit import labs
from learnkit.labs.common import display, link, runner
from learnkit.labs.common.curves import POINTS, in_blocks, thinned
from learnkit.labs.common.esm import esm
from learnkit.labs.common.lab import Lab, LabThatTrains
from learnkit.labs.common.link import FAR, NEAR, SECONDS_BETWEEN_FRAMES
from learnkit.labs.common.state import State, StateThatTrains, computed_on
from learnkit.labs.common.validation import Choice, Integer, InvalidSetting, Number, Positive

LABS = Path(labs.__file__).parent

# ---------------------------------------------------------------- settings


def test_a_slider_stops_at_one_two_three_four_six_eight():
    assert Integer(128).ticks[:9] == [1, 2, 3, 4, 6, 8, 12, 16, 24]
    assert Integer(128).ticks[-2:] == [1536, 2048]
    assert Integer(0, 0, 6).ticks == [0, 1, 2, 3, 4, 5, 6]
    assert Positive(0.01, 1e-3, 0.1).describe()["ticks"] == [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]


@given(st.floats(1e-12, 1e12))
def test_any_rate_that_is_shown_is_the_rate_that_is_read(number):
    field = Positive(0.01)
    shown = field.format(number)
    assert field.format(field.validate("rate", shown)) == shown


@pytest.mark.parametrize("text", ["0", "-5", "99999", "1e9", "many", "", "3.5", "nan", 3.5, None, True, [3]])
def test_what_is_no_width_is_refused_in_words(text):
    message = f"width 1 is {text!r}; expected a whole number from 1 to 2,048."
    with pytest.raises(InvalidSetting, match=re.escape(message)) as refused:
        Integer(128).validate("width 1", text)
    assert refused.value.setting == "width 1"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", "", None, True, -3])
def test_what_is_no_rate_is_refused_in_words(text):
    with pytest.raises(InvalidSetting, match=re.escape(f"rate is {text!r}; expected a number above 0, such as 0.01.")):
        Positive(0.01).validate("rate", text)


def test_a_number_may_have_limits_and_a_choice_is_taken_by_its_value_or_by_its_name():
    assert Number(1, 0, 10).validate("n", "2.5") == 2.5
    with pytest.raises(InvalidSetting, match="n is 11; expected a number from 0 to 10."):
        Number(1, 0, 10).validate("n", 11)
    choice = Choice("relu", {"none": None, "ReLU": "relu"})
    assert [choice.validate("activation", value) for value in (None, "none", "relu", "ReLU")] == [
        None,
        None,
        "relu",
        "relu",
    ]
    assert (choice.format(None), choice.for_page("relu")) == ("none", "ReLU")
    with pytest.raises(InvalidSetting, match="no activation called 'rleu'. Did you mean 'relu'"):
        choice.validate("activation", "rleu")


# ---------------------------------------------------------------- a small lab


class CountingState(StateThatTrains):
    """Counts as it trains, as far as it is asked to."""

    def __init__(self, **values: Any) -> None:
        super().__init__({"width": Integer(4), "rate": Positive(0.1)}, **values)
        self.count = 0

    def train(self, steps: int) -> Iterator[None]:
        self.status = "training"
        for _ in range(steps):
            self.count += 1
            yield
        self.status = "ended"

    def frame(self) -> tuple[dict[str, Any], list[bytes]]:
        return {"status": self.status, "message": self.message, "count": self.count}, [b"1234"]


class CountingLab(LabThatTrains):
    _esm = "export default {}"
    actions = ("train", "pause", "refuse")

    def __init__(self, **values: Any) -> None:
        super().__init__(CountingState(**values))
        self.drawn_by: list[threading.Thread] = []

    def train(self, steps: int = 3) -> None:
        self._start(self.state.train(steps))

    def refuse(self) -> None:
        raise ValueError("That cannot be.")

    def figure(self) -> Figure:
        self.drawn_by.append(threading.current_thread())
        return Figure(figsize=(1, 1))


@pytest.fixture
def lab() -> Iterator[CountingLab]:
    made = CountingLab()
    yield made
    made.close()
    made.wait()


def test_its_settings_are_traits_that_can_be_observed_set_and_linked(lab):
    heard = []
    lab.observe(lambda change: heard.append((change.name, change.new)), ["width", "rate"])
    slider = ipywidgets.IntSlider(value=7, min=1, max=100)
    ipywidgets.link((slider, "value"), (lab, "width"))
    assert lab.width == lab.state.settings["width"] == 7
    slider.value = 9
    lab.rate = "0.5"
    assert (lab.width, lab.rate, lab.state.settings["rate"]) == (9, 0.5, 0.5)
    lab.change(width=11, rate=2)
    assert slider.value == 11
    assert heard == [("width", 7), ("width", 9), ("rate", 0.5), ("width", 11), ("rate", 2)]
    assert isinstance(ipywidgets.HBox([lab, slider]).children[0], CountingLab)


def test_a_value_that_cannot_be_is_refused_and_the_trait_is_as_before(lab):
    with pytest.raises(InvalidSetting, match="width is 0; expected a whole number"):
        lab.width = 0
    with pytest.raises(InvalidSetting, match="rate is -1"):
        lab.change(width=8, rate=-1)
    assert (lab.width, lab.rate) == (4, 0.1) == tuple(lab.state.settings.values())
    with pytest.raises(ValueError, match="no setting of this lab called 'widht'. Did you mean 'width'"):
        lab.change(widht=3)
    with pytest.raises(TypeError):
        lab.state.settings["width"] = 5


def test_a_setting_cannot_have_the_name_of_a_trait_of_every_widget():
    class Named(State):
        def __init__(self) -> None:
            super().__init__({"layout": Integer(3)})

        def frame(self):
            return {}, []

    with pytest.raises(ValueError, match="cannot be called 'layout'"):
        Lab(Named())


# ---------------------------------------------------------------- the link


def test_a_page_gets_all_at_first_and_then_what_has_changed(lab):
    page = Page(lab)
    assert set(page.messages[0]["new"]) == {"status", "message", "count", "values", "refused"}
    assert page.arrays == [b"1234"]
    page.change(width="8")
    assert page.messages[-1]["new"] == {"values": {"width": 8, "rate": 0.1}}
    assert page.messages[-1]["heard"] == {"page": 1}
    other = Page(lab, "other")
    assert set(other.messages[0]["new"]) == set(page.frame)


def test_what_is_refused_is_said_beside_its_control_until_something_else_is_done(lab):
    page = Page(lab)
    page.change(width="many")
    assert page.frame["refused"] == {"width": "width is 'many'; expected a whole number from 1 to 2,048."}
    assert page.frame["values"]["width"] == 4
    page.press("refuse")
    assert (page.frame["refused"], page.frame["message"]) == ({}, "That cannot be.")
    page.change(width=5)
    assert page.frame["message"] == ""


def test_a_page_presses_what_the_lab_has_for_it_and_nothing_else(lab):
    page = Page(lab)
    page.press("close")
    page.press("_obey", {}, None)
    assert lab.comm is not None
    page.press("train", 5)
    lab.wait()
    assert page.frame["count"] == 5


def test_a_press_takes_along_what_was_changed_before_it(lab):
    page = Page(lab)
    page.press("refuse", width=9)
    assert lab.width == 9


def test_a_few_frames_are_under_way_and_no_more_until_some_are_drawn(lab, monkeypatch):
    monkeypatch.setattr(link, "SECONDS_BETWEEN_FRAMES", 0)
    monkeypatch.setattr(link, "SECONDS_TO_NEAR", 0)
    monkeypatch.setattr(link, "PATIENCE", 1_000)
    page = Page(lab)
    lab.train(10**9)
    until(lambda: len(page.messages) == 2 * FAR)
    count = lab.state.count
    until(lambda: lab.state.count > count + 1_000)
    assert len(page.messages) == 2 * FAR
    assert [message["number"] for message in page.messages if message["asks"]] == [FAR, 2 * FAR]
    page.draw()
    until(lambda: len(page.messages) == 4 * FAR)
    assert page.messages[-1]["new"]["count"] > count  # the newest, and nothing that had queued
    page.press("pause")
    lab.wait()
    until(lambda: page.frame["count"] == lab.state.count)
    assert page.messages[-1]["heard"] == {"page": 1}


def test_a_page_that_does_not_answer_is_sent_a_frame_now_and_then(lab, monkeypatch):
    monkeypatch.setattr(link, "SECONDS_BETWEEN_FRAMES", 0)
    monkeypatch.setattr(link, "PATIENCE", 0.01)
    page = Page(lab)
    lab.train(10**9)
    until(lambda: len(page.messages) > 3 * FAR)
    assert max(page.messages[-1]["number"] - message["number"] for message in page.messages) > 2 * FAR


def test_a_page_that_draws_soon_is_asked_less_often_and_one_that_is_far_again_more_often(lab, monkeypatch):
    monkeypatch.setattr(link, "SECONDS_BETWEEN_FRAMES", 0)
    monkeypatch.setattr(link, "PATIENCE", 1_000)
    monkeypatch.setattr(link, "SECONDS_TO_NEAR", 1_000)
    page = Page(lab)
    lab.train(10**9)
    until(lambda: len(page.messages) == 2 * FAR)
    page.draw()
    until(lambda: len(page.messages) == 2 * FAR + 2 * NEAR)
    assert [message["number"] for message in page.messages if message["asks"]] == [FAR, 2 * FAR, NEAR, 2 * NEAR]
    monkeypatch.setattr(link, "SECONDS_TO_NEAR", 0)
    page.draw()
    until(lambda: len(page.messages) == 2 * FAR + 2 * NEAR + 2 * FAR)
    count = lab.state.count
    until(lambda: lab.state.count > count + 1_000)
    assert len(page.messages) == 2 * FAR + 2 * NEAR + 2 * FAR


def test_a_training_stands_aside_once_a_person_is_answered_and_its_next_frame_has_time(monkeypatch):
    done, now = [], [1_000.0]
    monkeypatch.setattr(link, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=done.append))
    training = link.Link(lambda *_: done.append("frame"), lambda: ({}, []), lambda *_: None, lambda: True)
    training.receive({"page": "page", "number": 1, "change": {}, "press": None})
    for later in (0, 0.001, SECONDS_BETWEEN_FRAMES, SECONDS_BETWEEN_FRAMES):
        now[0] += later
        training.tick()
    assert done == ["frame", link.SECONDS_ASIDE, "frame", "frame"]


def test_the_last_of_a_thousand_moves_is_what_the_kernel_has_and_each_press_is_answered(lab):
    page = Page(lab)
    lab.train(10**9)
    for width in range(1, 1_001):
        page.change(width=width)
    until(lambda: page.messages[-1]["heard"] == {"page": 1_000})
    assert lab.width == page.frame["values"]["width"] == 1_000


def test_a_frame_is_sent_from_where_the_page_was_heard_last(lab):
    """ipykernel answers to the thread that the context names; from another one, a page is deaf while a cell runs."""
    import contextvars

    who = contextvars.ContextVar("who", default="main")
    seen = []
    page = Page(lab)
    lab.send = lambda content, buffers: seen.append(who.get())

    def speak() -> None:
        who.set("subshell")
        page.change(width=6)

    contextvars.copy_context().run(speak)
    lab.train(3)
    lab.wait()
    assert set(seen) == {"subshell"}


# ---------------------------------------------------------------- on the page, and off it


def widgets() -> set[str]:
    return set(all_widgets._instances)


def test_it_is_shown_in_three_outputs_closed_and_shown_again(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", lambda content, **more: shown.append((content, more)))
    before = widgets()
    lab = CountingLab()
    lab._ipython_display_()
    style, view, picture = shown
    assert list(view[0]) == [display.VIEW]
    assert list(picture[0]) == ["image/png"]
    assert "learnkit-page" in style[0].data
    assert "<script" not in style[0].data
    lab._ipython_display_()
    assert shown[4][0] == view[0]  # shown twice, it is one view
    lab.close()
    assert widgets() == before
    lab._ipython_display_()
    assert shown[7][0] != view[0]
    page = Page(lab)
    page.change(width=3)
    assert lab.width == 3
    lab.close()
    assert widgets() == before


def test_its_picture_is_renewed_at_rest_and_drawn_by_the_main_thread_alone(lab, monkeypatch):
    renewed = []
    monkeypatch.setattr(display, "SECONDS_OF_REST", 0.02)
    monkeypatch.setattr(display, "update_display", lambda content, **more: renewed.append(content))

    async def session() -> None:
        lab._ipython_display_()
        assert renewed == []
        for _ in range(5):
            lab.train(10)
        lab.width = 5
        for _ in range(500):
            await asyncio.sleep(0.01)
            if renewed:
                break
        await asyncio.sleep(0.1)
        assert len(renewed) == 1
        monkeypatch.setattr(lab, "figure", lambda: 1 / 0)
        lab.width = 6
        await asyncio.sleep(0.2)
        assert Page(lab).frame["message"] == "ZeroDivisionError: division by zero"
        lab.close()
        lab._renew_picture()
        await asyncio.sleep(0.1)

    kernel = threading.Thread(target=lambda: asyncio.run(session()))  # whose loop is the kernel's
    kernel.start()
    kernel.join()
    assert len(renewed) == 1
    assert set(lab.drawn_by) == {kernel}


def test_200_moves_keep_no_thread_and_next_to_no_memory():
    lab = CountingLab()
    page = Page(lab)

    async def cell() -> list[int]:  # which runs all the while: no picture can be drawn
        lab._ipython_display_()
        before, alive, objects = widgets(), threading.active_count(), []
        for _ in range(5):
            for width in range(1, 201):
                page.change(width=width)
                page.press("train", 2)
            lab.wait()
            page.messages.clear()
            page.sizes.clear()
            gc.collect()
            objects.append(len(gc.get_objects()))
        assert threading.active_count() <= alive
        assert widgets() == before
        return objects

    with ThreadPoolExecutor() as kernel:
        objects = kernel.submit(asyncio.run, cell()).result()
    # What a move keeps is kept each time; what else happens in this process comes and goes.
    assert min(np.diff(objects)) < 100
    lab.close()


# ---------------------------------------------------------------- curves


def test_a_short_curve_has_a_block_for_each_value_and_the_mean_of_the_last_twenty():
    values = np.arange(1.0, 101)
    (mean, low, high), block = in_blocks(values)
    assert block == 1
    np.testing.assert_array_equal(low, values)
    np.testing.assert_array_equal(high, values)
    assert [mean[0], mean[9], mean[99]] == [1, 5.5, 90.5]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=3_000), st.sampled_from([8, POINTS]))
def test_a_curve_in_blocks_keeps_its_highest_and_lowest_values_and_its_blocks_stay_where_they_are(values, most):
    curve = np.array(values)
    (mean, low, high), block = in_blocks(curve, most)
    assert len(mean) == -(-len(curve) // block) <= most
    assert (low.min(), high.max()) == (curve.min(), curve.max())
    ends = np.minimum((np.arange(len(mean)) + 1) * block, len(curve))
    since = [end - 20 if block < 20 else start * block for start, end in enumerate(ends)]
    expected = [curve[max(0, start) : end].mean() for start, end in zip(since, ends, strict=True)]
    np.testing.assert_allclose(mean, expected, atol=1e-9)
    assert block & (block - 1) == 0


def test_a_curve_of_nothing_has_no_blocks():
    (mean, low, high), block = in_blocks(np.array([]))
    assert (len(mean), len(low), len(high), block) == (0, 0, 0, 1)
    assert thinned(np.array([])) == {"x": [], "y": []}


@pytest.mark.parametrize(("count", "first", "length"), [(1, 1, 1), (256, 1, 256), (257, 1, 129), (1_000, 4, 250)])
def test_of_many_values_every_so_many_are_kept_the_last_among_them(count, first, length):
    curve = thinned(np.arange(1.0, count + 1))
    assert curve["x"] == curve["y"]
    assert (curve["x"][0], curve["x"][-1], len(curve["x"])) == (first, count, length)


# ---------------------------------------------------------------- one module of several files


def test_each_file_comes_once_after_what_it_needs_and_nothing_is_imported_any_more():
    for path in LABS.glob("*/view.js"):
        joined = esm(path)
        assert not re.search(r"^(import|export (?!default))", joined, re.MULTILINE)
        assert joined.count("export default") == 1
        assert joined.index("function make(") < joined.index("class Link") < joined.index("function makeView(")


def test_two_files_that_give_two_things_one_name_are_refused(tmp_path):
    (tmp_path / "other.js").write_text("export const same = 1;\n")
    (tmp_path / "one.js").write_text('import { same } from "./other.js";\n\nfunction same() {}\nexport default same;\n')
    with pytest.raises(ValueError, match=r"one\.js and other\.js both define 'same'. Rename one of them."):
        esm(tmp_path / "one.js")


def test_what_is_common_is_used_by_at_least_two_labs():
    used: dict[str, set[str]] = {path.name: set() for path in (LABS / "common").iterdir() if path.suffix != ".pyc"}
    folders = [path for path in LABS.iterdir() if path.is_dir() and path.name not in ("common", "__pycache__")]
    assert len(folders) == 5

    def names_in(text: str) -> set[str]:
        return {f"{name}.py" for name in re.findall(r"learnkit\.labs\.common\.(\w+) import", text)} | set(
            re.findall(r'from "\.\.?/(?:common/)?(\w+\.js)"', text)
        )

    inner = {path.name: names_in(path.read_text(encoding="utf-8")) for path in (LABS / "common").glob("*.*")}
    for folder in folders:
        found = set().union(*(names_in(path.read_text(encoding="utf-8")) for path in folder.glob("*.*")))
        while more := set().union(*(inner.get(name, set()) for name in found)) - found:
            found |= more
        for name in found & set(used):
            used[name].add(folder.name)
    used["lab.css"] = used["esm.py"]
    assert {
        name: labs for name, labs in used.items() if len(labs) < 2 and name not in ("__init__.py", "__pycache__")
    } == {}


@pytest.mark.parametrize("path", sorted(LABS.rglob("*.*")), ids=lambda path: str(path.relative_to(LABS)))
def test_no_file_of_the_labs_is_longer_than_300_lines(path):
    if path.suffix in (".py", ".js", ".css"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize(
    ("device", "threads", "sentence"),
    [
        ("cpu", 1, "Trained on the CPU, with 1 thread."),
        ("cpu", 8, "Trained on the CPU, with 8 threads."),
        ("cuda", 1, "Trained on cuda."),
    ],
)
def test_the_page_says_where_and_with_how_many_threads_a_net_is_trained(device, threads, sentence):
    assert computed_on(device, threads) == sentence


def test_a_lab_that_is_collected_while_another_begins_to_train_is_stopped(lab, monkeypatch):
    """Python collects garbage in any thread, also in one that is just starting, for which its starter waits."""
    collected, was_stopped = CountingLab(), []

    class Thread(threading.Thread):
        def start(self) -> None:
            collecting = threading.Thread(target=collected.close)
            collecting.start()
            collecting.join(5)
            was_stopped.append(not collecting.is_alive())
            super().start()

    monkeypatch.setattr(runner, "threading", SimpleNamespace(**vars(threading) | {"Thread": Thread}))
    lab.train()
    lab.wait()
    assert was_stopped == [True]


def test_a_thread_that_has_nothing_to_do_ends(lab):
    lab.train(3)
    lab.wait()
    end = time.monotonic() + 10
    while any(thread.name == "learnkit lab" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)
