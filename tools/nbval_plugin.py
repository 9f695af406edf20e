"""A pytest plugin on top of nbval: a notebook fails when it no longer tells the truth, and not when a last digit moves.

What a cell shows is compared with what was saved: words to the letter, numbers within a tolerance, pictures but for a
shift of a pixel, the controls of widgets and what they show. Of a traceback that a lesson wants, the error's name
and message count. A cell says in its tags how much more is allowed, each time with the reason (without a comma, which
Jupyter does not allow in a tag):

``rtol=0.01: …``    numbers may differ by this share, integers too (without: 0.001, and integers not at all)
``atol=0.02: …``    and by so much (without: 0.000001)
``clock=100: …``    these are times: numbers may differ by this factor; ``clock`` alone means 30
``shift=12: …``     what is drawn may stand so many pixels elsewhere (without: 1)
``timeout=600: …``  seconds that it may take (without: 300)

nbval's own tags ``raises-exception``, ``nbval-ignore-output`` and ``nbval-skip`` mean what they mean there.
"""

import base64
import hashlib
import io
import itertools
import math
import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import numpy as np
import pytest
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image
from scipy import ndimage

SAVE = "python course.py notebooks"  # what mends a notebook
DIFFERENCES = Path("notebook_differences")  # below the root of the tests
LARGEST_OUTPUT = 2_000_000  # bytes
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CONTROLS = "To be moved once you run this cell:"


# ---------------------------------------------------------------- how much may differ


@dataclass(frozen=True)
class Allowed:
    """How much may differ between what was saved and what comes now."""

    rtol: float = 1e-3
    atol: float = 1e-6
    exact_integers: bool = True
    factor: float | None = None  # for times
    shift: int = 1  # pixel
    timeout: float = 300  # seconds

    @classmethod
    def by_tags(cls, tags: list[str]) -> "Allowed":
        given: dict[str, Any] = {}
        for tag in tags:
            name, _, value = tag.partition("=")
            if name == "clock" and not value:
                given["factor"] = 30.0
            if not value or name not in ("rtol", "atol", "clock", "shift", "timeout"):
                continue
            number, _, reason = value.partition(":")
            if not reason.strip():
                raise Dishonest(f"The tag {tag!r} gives no reason. Write it behind a colon: {tag}: as measured when …")
            given["factor" if name == "clock" else name] = int(number) if name == "shift" else float(number)
        return cls(**given, exact_integers=not given.keys() & {"rtol", "atol"})


class Dishonest(Exception):
    """What is wrong with a notebook, in words for the person who mends it."""


# ---------------------------------------------------------------- words and numbers

NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?(?!\w)"
    r"|(?<!\w)[-+]?(?:nan|inf)(?!\w)",
    re.IGNORECASE,
)


def differences_in_text(saved: str, now: str, allowed: Allowed) -> list[str]:
    """What differs beyond what is allowed. How many blanks stand between words does not count."""
    saved_words, now_words = NUMBER.sub(" # ", saved).split(), NUMBER.sub(" # ", now).split()
    if saved_words != now_words:
        pairs = enumerate(zip([*saved_words, ""], [*now_words, ""], strict=False))
        place = next(i for i, (one, other) in pairs if one != other)
        one, other = (" ".join(words[max(0, place - 3) : place + 3]) for words in (saved_words, now_words))
        return [f"words differ (# is a number): {one!r} was saved, {other!r} came"]
    pairs = zip(NUMBER.findall(saved), NUMBER.findall(now), strict=True)
    return [complaint for one, other in pairs if (complaint := _difference_of_numbers(one, other, allowed))]


def _difference_of_numbers(saved: str, now: str, allowed: Allowed) -> str | None:
    a, b = float(saved.replace(",", "")), float(now.replace(",", ""))
    if a == b or (math.isnan(a) and math.isnan(b)):
        return None
    distance = f"{saved} was saved, {now} came: {abs(a - b):.3g} apart"
    if not (math.isfinite(a) and math.isfinite(b)):
        return distance
    if allowed.factor:
        # Rounded to 0, a time is taken for the smallest that is printed with so many digits.
        a, b = max(abs(a), _last_digit(saved)), max(abs(b), _last_digit(now))
        factor = max(a, b) / min(a, b)
        return None if factor <= allowed.factor else f"{distance}, a factor of {factor:.3g}, allowed {allowed.factor:g}"
    if allowed.exact_integers and all(re.fullmatch(r"[-+]?[\d,]+", number) for number in (saved, now)):
        return f"{distance}, and integers are to be the same"
    limit = allowed.atol + allowed.rtol * abs(a)
    return None if abs(a - b) <= limit else f"{distance}, allowed {limit:.3g}"


def _last_digit(number: str) -> float:
    return 10.0 ** -len(number.partition(".")[2].lower().partition("e")[0])


# ---------------------------------------------------------------- pictures

# Between what another way to draw the same letters makes (0.29 without hinting, 0.26 without antialiasing) and what an
# "a" in the place of an "o" makes (0.36).
DIFFERENT = 0.32


def difference_of_pictures(saved: np.ndarray, now: np.ndarray, shift: int) -> np.ndarray:
    """By how much each pixel of one picture differs from all of the other's within ``shift`` pixels.

    Both ways: what was there and is gone, and what is there and was not. ``(height, width)``, from 0 to 1, a little
    blurred, so that a single pixel counts for less than a stroke.
    """
    size = (2 * shift + 1, 2 * shift + 1, 1)
    beyond = np.zeros(saved.shape[:2])
    for one, other in ((saved, now), (now, saved)):
        low, high = ndimage.minimum_filter(other, size), ndimage.maximum_filter(other, size)
        beyond = np.maximum(beyond, np.maximum(one - high, low - one).max(axis=2))
    return ndimage.gaussian_filter(np.clip(beyond, 0, 1), 0.7)


def differences_in_picture(saved: str, now: str, shift: int, folder: Path) -> list[str]:
    """What differs between two PNG files in base64. Both, and where they differ, are left in a folder."""
    one, other = (Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB") for png in (saved, now))
    most = max(4, shift)
    if any(abs(a - b) > most for a, b in zip(one.size, other.size, strict=True)):
        complaint = f"a picture of {other.size} pixels instead of {one.size}"
        beyond = None
    else:
        width, height = (min(pair) for pair in zip(one.size, other.size, strict=True))
        arrays = [np.asarray(picture, dtype=np.float32)[:height, :width] / 255 for picture in (one, other)]
        beyond = difference_of_pictures(*arrays, shift)
        share = (beyond > DIFFERENT).mean()
        if share == 0:
            return []
        complaint = f"a picture differs in {100 * share:.2g} % of its pixels"
    folder.mkdir(parents=True, exist_ok=True)
    one.save(folder / "saved.png")
    other.save(folder / "now.png")
    if beyond is not None:
        Image.fromarray((255 * (1 - beyond)).astype(np.uint8)).save(folder / "difference.png")
    return [f"{complaint}; look at saved.png, now.png and difference.png in {folder}"]


# ---------------------------------------------------------------- outputs


def join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Make one of several pieces of text that a cell printed: where they are cut is a matter of chance."""
    joined: list[NotebookNode] = []
    for output in outputs:
        is_text = output.output_type == "stream"
        if is_text and joined and joined[-1].output_type == "stream" and joined[-1].name == output.name:
            joined[-1].text += output.text
        else:
            joined.append(NotebookNode(output))
    return joined


def without_views(outputs: list[NotebookNode], models: dict[str, dict]) -> list[NotebookNode]:
    """Put in the place of a widget's view its controls in words, and what its Output widgets hold.

    So a reader without a kernel sees what is there, and the controls' values can be compared. A view without a control
    that has a name, such as a progress bar, leaves nothing.
    """
    plain = []
    for output in outputs:
        view = output.get("data", {}).get(WIDGET_VIEW)
        if view is None:
            plain.append(output)
            continue
        within = list(_within(view["model_id"], models))
        controls = [text for state in within if (text := _control(state))]
        if controls:
            data = {"text/plain": "\n".join([CONTROLS, *controls])}
            plain.append(nbformat.v4.new_output("display_data", data))
        for state in within:
            plain += [nbformat.from_dict(output) for output in state.get("outputs", [])]
    return join_streams(plain)


def _within(model: str, models: dict[str, dict]) -> Iterator[dict]:
    """All widgets of a view that can be seen. Of a slider without a number beside it, the next field has the number."""
    state = _state(model, models)
    if _state(state.get("layout"), models).get("display") == "none":
        return
    yield state
    children = state.get("children") or []
    for child, after in itertools.zip_longest(children, children[1:]):
        following = _state(after, models)
        for part in _within(child, models):
            unnamed_field = "value" in following and not following.get("description")
            silent = part.get("readout") is False and unnamed_field
            said = {"value": following["value"], "_options_labels": None, "readout": True} if silent else {}
            yield {**part, **said}


def _state(model: str | None, models: dict[str, dict]) -> dict:
    return models.get((model or "").removeprefix("IPY_MODEL_"), {})


def _control(state: dict) -> str | None:
    name = state.get("description")
    if not name or state.get("readout") is False:
        return None
    if state.get("_options_labels"):
        chosen = state.get("index")
        return f"{name}: {'nothing' if chosen is None else state['_options_labels'][chosen]}"
    return f"{name}: {state['value']}" if "value" in state else f"[{name}]"


def differences(saved: list[NotebookNode], now: list[NotebookNode], allowed: Allowed, folder: Path | None) -> list[str]:
    """What differs between the outputs of a cell that were saved and those that came; without a folder, no pictures."""
    kinds = [_kind(output) for output in saved], [_kind(output) for output in now]
    if kinds[0] != kinds[1]:
        return [f"saved were {kinds[0] or 'no outputs'}, and there came {kinds[1] or 'none'}"]
    complaints = []
    for number, is_picture, one, other in _pairs(saved, now):
        if not is_picture:
            complaints += differences_in_text(one, other, allowed)
        elif folder is not None:
            complaints += differences_in_picture(one, other, allowed.shift, folder / str(number))
    return complaints


def _pairs(saved: list[NotebookNode], now: list[NotebookNode]) -> Iterator[tuple[int, bool, str, str]]:
    """What is to be compared: the number of the output, whether it is a picture, what was saved, and what came."""
    for number, (one, other) in enumerate(zip(saved, now, strict=True)):
        if one.output_type == "stream":
            yield number, False, one.text, other.text
        elif one.output_type == "error":
            yield number, False, f"{one.ename}: {one.evalue}", f"{other.ename}: {other.evalue}"
        else:
            for mime in one.data:
                yield number, mime == "image/png", str(one.data[mime]), str(other.data[mime])


def tolerance_used(saved: list[NotebookNode], now: list[NotebookNode], allowed: Allowed) -> list[str]:
    """Where the outputs of a cell differ and may, by how much: so that a tolerance can be set by what is seen."""
    used, pairs = [], list(_pairs(saved, now))
    numbers = [
        (abs(float(a.replace(",", "")) - float(b.replace(",", ""))), a, b)
        for _, is_picture, one, other in pairs
        if not is_picture
        for a, b in zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    ]
    farthest = max(numbers, default=(0.0, "", ""))
    if farthest[0] > 0:
        used.append(f"{farthest[1]} was saved, {farthest[2]} came")
    shifts = [_shift_needed(one, other, allowed.shift) for _, is_picture, one, other in pairs if is_picture]
    if max(shifts, default=0) > 1:
        used.append(f"{max(shifts)} pixels of {allowed.shift}")
    return used


def _shift_needed(saved: str, now: str, allowed: int) -> int:
    """The smallest with which two pictures pass, to a pixel."""
    one, other = (_pixels(png) for png in (saved, now))
    height, width = (min(pair) for pair in zip(one.shape[:2], other.shape[:2], strict=True))
    one, other = one[:height, :width], other[:height, :width]
    shifts = range(1, allowed + 1)
    return shifts[
        bisect_left(shifts, True, key=lambda shift: (difference_of_pictures(one, other, shift) <= DIFFERENT).all())
    ]


def _pixels(png: str) -> np.ndarray:
    """Of a PNG file in base64, ``(height, width, 3)``, from 0 to 1."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), dtype=np.float32) / 255


def _kind(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return output.name
    return "error" if output.output_type == "error" else ", ".join(sorted(output.data))


def in_words(outputs: list[NotebookNode]) -> str:
    """Outputs as they are shown in a failure."""
    texts = []
    for output in outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append(f"{output.ename}: {output.evalue}")
        else:
            texts.append(output.data.get("text/plain", f"[{', '.join(output.data)}]"))
    return "\n".join(texts)[:4000]


# ---------------------------------------------------------------- running a cell


@dataclass
class Transcript:
    """What the messages of a kernel come to: outputs, and the widgets that stand behind the views among them."""

    outputs: list[NotebookNode] = field(default_factory=list)
    models: dict[str, dict] = field(default_factory=dict)
    _to_clear: list[list[NotebookNode]] = field(default_factory=list)
    _shown: dict[str, NotebookNode] = field(default_factory=dict)  # by display_id

    def take(self, kind: str, content: dict) -> None:
        if kind in ("stream", "display_data", "execute_result", "error"):
            self._add(nbformat.v4.output_from_msg({"header": {"msg_type": kind}, "content": content}), content)
        elif kind == "update_display_data":
            old = self._shown.get(content["transient"]["display_id"])
            if old is not None:
                old.data = nbformat.from_dict(content["data"])
        elif kind == "clear_output":
            if content.get("wait"):
                self._to_clear.append(self._open())
            else:
                self._open().clear()
        elif kind in ("comm_open", "comm_msg"):
            state = self.models.setdefault(content["comm_id"], {})
            state.update(content["data"].get("state", {}))
        elif kind == "comm_close":
            self.models.pop(content["comm_id"], None)

    def _open(self) -> list[NotebookNode]:
        """Where an output goes now: into the Output widget that is being written to, or else under the cell."""
        capturing = [state for state in self.models.values() if state.get("msg_id")]
        return capturing[-1].setdefault("_captured", []) if capturing else self.outputs

    def _add(self, output: NotebookNode, content: dict) -> None:
        place = self._open()
        if any(place is cleared for cleared in self._to_clear):
            place.clear()
            self._to_clear = [cleared for cleared in self._to_clear if cleared is not place]
        place.append(output)
        display_id = content.get("transient", {}).get("display_id")
        if display_id:
            self._shown[display_id] = output

    def result(self) -> list[NotebookNode]:
        held = {name: {**state, "outputs": state.get("_captured", [])} for name, state in self.models.items()}
        return without_views(join_streams(self.outputs), held)


class HonestCell(IPyNbCell):
    """A cell that is run and compared."""

    def runtest(self) -> None:
        if self.options["skip"]:
            pytest.skip()
        if self.parent.gone:
            pytest.skip(self.parent.gone)
        started = time.perf_counter()
        allowed = Allowed.by_tags(self.cell.metadata.get("tags", []))
        now = self._run(allowed.timeout)
        self.parent.seconds += time.perf_counter() - started
        errors = [output for output in now if output.output_type == "error"]
        if errors and not self.options["check_exception"]:
            self._fail("raised an error", "\n".join(errors[0].traceback))
        size = sum(len(str(output)) for output in now)
        if size > LARGEST_OUTPUT:
            self._fail(f"puts out {size:,} bytes; a repository should keep {LARGEST_OUTPUT:,} at most: show less")
        if self.options["check"]:
            folder = self.config.rootpath / DIFFERENCES / self.path.stem / f"cell{self.cell_num}"
            if self.config.option.without_pictures:
                folder = None
            complaints = differences(join_streams(self.cell.outputs), now, allowed, folder)
            if complaints:
                shown = f"saved:\n{in_words(self.cell.outputs)}\n\nnow:\n{in_words(now)}"
                self._fail("does not show what was saved", "\n".join([*complaints, "", shown]))
            used = (
                []
                if allowed.factor or folder is None
                else tolerance_used(join_streams(self.cell.outputs), now, allowed)
            )
            if used:
                name = f"{self.path.name}, cell {self.cell_num}"
                self.config.stash.setdefault(USED, []).append(f"{name}: {'; '.join(used)}")

    def _run(self, timeout: float) -> list[NotebookNode]:
        """Execute the cell; its outputs, once the kernel is idle again."""
        kernel, transcript = self.parent.kernel, Transcript(models=self.parent.models)
        # Not nbval's execute_cell_input: without history, a semicolon at the end of a cell does not silence it.
        request = kernel.kc.execute(self.cell.source, allow_stdin=False, stop_on_error=False)
        end = time.monotonic() + timeout
        while True:
            try:
                message = kernel.get_message("iopub", timeout=1)
            except Empty:
                if not kernel.is_alive():
                    self.parent.gone = "the kernel died in an earlier cell"
                    self._fail("ended the kernel, which died; most often it had no more memory: use less of it")
                if time.monotonic() > end:
                    kernel.stop()
                    self.parent.gone = "an earlier cell did not come to an end"
                    self._fail(f"did not end within {timeout:g} s: shorten it, or tag it timeout=600: and the reason")
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return transcript.result()
            transcript.take(message["msg_type"], message["content"])

    def _fail(self, what: str, more: str = "") -> None:
        raise Dishonest(f"{self.path.name}, cell {self.cell_num} {what}\n{_indented(self.cell.source)}\n\n{more}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        return str(excinfo.value) if excinfo.errisinstance(Dishonest) else super(IPyNbCell, self).repr_failure(excinfo)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


# ---------------------------------------------------------------- the file as it was saved


def code_digest(notebook: NotebookNode) -> str:
    """By which an edited notebook is known that was not run again."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


class SavedWhole(pytest.Item):
    """Whether the file is as a run from top to bottom leaves it."""

    def runtest(self) -> None:
        notebook, mend = self.parent.nb, f"Run: {SAVE}"
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
            raise Dishonest(f"{self.path.name} was not saved after a run of all its cells in their order. {mend}")
        if notebook.metadata.get("learnkit", {}).get("code") != code_digest(notebook):
            raise Dishonest(f"{self.path.name} was edited after it was run. {mend}")
        for number, cell in enumerate(cells):
            wanted = "raises-exception" in cell.metadata.get("tags", [])
            if any(output.output_type == "error" for output in cell.outputs) and not wanted:
                raise Dishonest(
                    f"{self.path.name} was saved with an error in cell {number} that no tag raises-exception asks for. "
                    f"Mend the cell. {mend}"
                )

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        return str(excinfo.value) if excinfo.errisinstance(Dishonest) else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}::saved"


class HonestNotebook(IPyNbFile):
    """A notebook whose cells are run one after the other in a kernel of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.models: dict[str, dict] = {}  # the widgets that its kernel has made
        self.gone = ""  # why the kernel is no longer there
        self.seconds = 0.0

    def collect(self) -> Iterator[pytest.Item]:
        try:
            cells = list(super().collect())
        except Exception as error:  # nbformat raises whatever it stumbles over
            raise self.CollectError(f"{self.path.name} is no notebook: {error}. Take it back: git checkout") from error
        yield SavedWhole.from_parent(self, name="saved")
        for cell in cells:
            yield HonestCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )

    def setup(self) -> None:
        # Asked beforehand: nbval opens a file for a kernel that then is not there, and leaves it open.
        wanted, options = self.nb.metadata.get("kernelspec", {}).get("name", "python"), self.config.option
        chosen = options.nbval_current_env or options.nbval_kernel_name
        if not chosen and wanted not in (NATIVE_KERNEL_NAME, *KernelSpecManager().find_kernel_specs()):
            told = f"{self.path.name} wants a kernel that is not installed, {wanted!r}. Save it with ours: {SAVE}"
            pytest.fail(told, pytrace=False)
        super().setup()

    def teardown(self) -> None:
        super().teardown()
        self.config.stash.setdefault(SECONDS, Counter())[self.path.name] += self.seconds


SECONDS = pytest.StashKey[Counter]()
USED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nbval")
    group.addoption("--without-pictures", action="store_true", help="do not compare the pictures of notebooks")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    collectors = yield
    return [
        HonestNotebook.from_parent(parent, path=file_path) if isinstance(collector, IPyNbFile) else collector
        for collector in collectors
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seconds = terminalreporter.config.stash.get(SECONDS, Counter())
    if seconds:
        terminalreporter.section("seconds that the notebooks took")
        for name, taken in seconds.items():
            terminalreporter.line(f"{taken:6.1f}  {name}")
    used = terminalreporter.config.stash.get(USED, [])
    if used:
        terminalreporter.section("what differs and may")
        for line in used:
            terminalreporter.line(line)
