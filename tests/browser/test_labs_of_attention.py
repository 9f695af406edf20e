"""The labs of Day 5 as a learner sees them and a screen reader speaks them, in a notebook of their own."""

import re
from statistics import median

import nbformat
import pytest
import torch
from learner import choose_theme, no_violations, overflowing, run_all, save, scroll_to
from playwright.sync_api import Page, expect

from learnkit.labs.attention.state import AttentionState
from learnkit.models import MultiHeadAttention
from tools.jupyterlab import choose, open_notebook, write_notebook

CELLS = (
    "from learnkit.labs import AttentionLab, TransformerLab\nchain = AttentionLab()\nchain",
    "learner = TransformerLab()\nlearner",
)
MATRICES = ("query", "scores", "scaled", "weights", "value", "output")

# The numbers of a matrix, as a screen reader speaks them, which does not hang on how small the cells are.
NUMBERS = """name => [...document.querySelectorAll(`.lk-attention .${name} tr`)].slice(1).map((row) =>
  [...row.querySelectorAll("[role=gridcell]")].map((cell) => cell.ariaLabel.split(": ").at(-1)))"""

# The milliseconds in the page from an event to the change that follows from it, and to the moment when it is painted.
WATCH = """([name, selector, attributes]) => {
  const chain = document.querySelector(".lk-attention .chain"), times = { changed: [], painted: [] }
  let began = null
  window.times = times
  document.querySelector(".lk-attention").addEventListener(name, (event) => {
    if (event.target.closest(selector)) began ??= event.timeStamp
  }, { capture: true })
  new MutationObserver(() => {
    if (began === null) return
    const since = began, painted = new MessageChannel()
    began = null
    times.changed.push(performance.now() - since)
    painted.port1.onmessage = () => times.painted.push(performance.now() - since)
    requestAnimationFrame(() => painted.port2.postMessage(null))
  }).observe(chain, { subtree: true, childList: true, attributes })
}"""


@pytest.fixture
def notebook(lab) -> str:
    """A notebook with both labs."""
    return write_notebook(lab, "attention_labs.ipynb", CELLS)


def shown_numbers(page: Page, name: str) -> list[list[str]]:
    return page.evaluate(NUMBERS, name)


def check_numbers(page: Page, head: int = 0, sentence: str = "the dog bites the man", **settings) -> None:
    """All matrices on the page are those that the library computes, to the two decimals that are said."""
    state = AttentionState(sentence, MultiHeadAttention(8, 2), **settings)
    for name in MATRICES:
        computed = getattr(state, name)[head]
        read = [
            [float(said.replace("−", "-").replace("∞", "inf")) for said in row] for row in shown_numbers(page, name)
        ]
        atol = 0.0051 if computed[computed.isfinite()].abs().max() < 10 else 0.051  # of larger numbers, one is said
        torch.testing.assert_close(
            torch.tensor(read), computed, atol=atol, rtol=0, msg=f"{name}: {read} on the page, {computed}"
        )


def picture(saved: nbformat.NotebookNode) -> str:
    """The still picture of the first lab, in a notebook's file."""
    return saved.cells[0].outputs[2].data["image/png"]


def sent_to_kernel(frames: list[bytes | str]) -> list[bytes | str]:
    """Those of some frames with which a widget speaks to its kernel."""
    return [frame for frame in frames if b"comm_msg" in (frame if isinstance(frame, bytes) else frame.encode())]


def press(page: Page, key: str, times: int = 1) -> None:
    for _ in range(times):
        page.keyboard.press(key)


def test_a_learner_points_at_cells_moves_sliders_and_types_sentences(page, lab, notebook, screenshots, capsys):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "://" in request.url else None)
    page.on("dialog", lambda dialog: pytest.fail(f"a sentence was run: {dialog.message}"))
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    open_notebook(page, lab, notebook)
    choose(page, "View", "Appearance", "Show Left Sidebar")
    first_picture = picture(run_all(page, lab.folder / notebook))
    chain = page.locator(".lk-attention")
    scroll_to(page.locator(".jp-CodeCell").first)
    expect(chain.locator(".weights [role=gridcell]")).to_have_count(25)
    expect(page.locator(".jp-CodeCell").first.locator(".jp-RenderedImage img")).to_be_hidden()
    check_numbers(page)

    # The mouse: what made a cell lights up, and the sum is written out; no message goes to the kernel for it.
    sent.clear()
    page.evaluate(WATCH, ["pointerover", "[role=gridcell]", True])
    for name in ("scores", "weights", "output"):
        cells = chain.locator(f".{name} [role=gridcell]")
        for number in range(8):
            cells.nth(number).hover()
    hovers = page.evaluate("times")
    assert sent_to_kernel(sent) == []
    cell = chain.get_by_role("gridcell", name="scores, dog, man:")
    cell.hover()
    expect(cell).to_have_class(re.compile(r"\blit\b"))
    expect(chain.locator(".query .lit-row")).to_have_count(4)
    expect(chain.locator(".key .lit-column")).to_have_count(4)
    state = AttentionState("the dog bites the man", MultiHeadAttention(8, 2))
    sums = chain.locator(".sum")
    expect(sums.nth(0)).to_have_text(re.compile(rf"^score “dog” → “man” = .* = {state.scores[0, 1, 4]:.3f}$"))
    expect(sums.nth(1)).to_have_text(re.compile(rf"/ √4 = {state.scaled[0, 1, 4]:.3f}$"))
    expect(sums.nth(2)).to_have_text(re.compile(rf"^weight “dog” → “man” = .* = {state.weights[0, 1, 4]:.3f}$"))
    page.evaluate("document.querySelector('.lk-attention .sum b').mark = 'stays'")
    chain.get_by_role("gridcell", name="scores, dog, dog:").hover()
    expect(sums.nth(0)).to_have_text(re.compile("^score “dog” → “dog” = .* = −0.090$"))
    assert page.evaluate("document.querySelector('.lk-attention .sum b').mark") == "stays"
    chain.get_by_role("gridcell", name="output, bites, number 2:").hover()
    expect(chain.locator(".weights .lit-row")).to_have_count(5)
    expect(chain.locator(".value .lit-column")).to_have_count(5)
    expect(sums.nth(2)).to_have_text(re.compile(rf"^output of “bites”, number 2 = .* = {state.output[0, 2, 1]:.3f}$"))

    # The keyboard: Tab goes from matrix to matrix, arrows from cell to cell, and none reaches the notebook.
    chain.get_by_role("gridcell", name="weights, the, the:").first.focus()
    press(page, "ArrowRight", 2)
    press(page, "ArrowDown")
    focused = page.locator(":focus")
    expect(focused).to_have_attribute("aria-label", re.compile("^weights, dog, bites: "))
    expect(focused).to_have_class(re.compile(r"\blit\b"))
    expect(chain.locator(".scaled .lit-row")).to_have_count(5)
    assert focused.evaluate(
        "it => document.getElementById(it.getAttribute('aria-describedby')).textContent"
    ).startswith("weight “dog” → “bites” =")
    press(page, "End")
    press(page, "ArrowRight")
    expect(focused).to_have_attribute("aria-label", re.compile("^weights, dog, man: "))
    press(page, "Tab")
    expect(focused).to_have_attribute("aria-label", re.compile("^output, the, number 1: "))
    press(page, "Shift+Tab")
    expect(focused).to_have_attribute("aria-label", re.compile("^weights, dog, man: "))

    # The sliders, by keys: every matrix is another, and the library's.
    page.evaluate(WATCH, ["input", "[type=range]", False])
    temperature, scale, heads = (
        chain.get_by_role("slider", name=name, exact=True) for name in ("temperature", "scale", "heads")
    )
    temperature.focus()
    for _ in range(10):
        press(page, "ArrowLeft")
    expect(temperature).to_have_attribute("aria-valuetext", "0.1")
    check_numbers(page, temperature=0.1)
    press(page, "End")
    check_numbers(page, temperature=10.0)
    scale.focus()
    press(page, "ArrowRight")
    expect(scale).to_have_attribute("aria-valuetext", "√d_model = 2.83")
    check_numbers(page, temperature=10.0, scale="model")
    press(page, "Home")
    check_numbers(page, temperature=10.0, scale="none")
    heads.focus()
    press(page, "ArrowRight")
    expect(heads).to_have_attribute("aria-valuetext", "4 (d_head = 2)")
    chain.get_by_role("button", name="head 3").click()
    expect(chain.get_by_role("button", name="head 3")).to_have_attribute("aria-pressed", "true")
    chain.get_by_label("causal").check()
    check_numbers(page, 3, temperature=10.0, scale="none", heads=4, causal=True)
    expect(chain.locator(".blocked")).to_have_count(10)
    slides = page.evaluate("times")
    assert sent_to_kernel(sent) != []

    # What is set on the page is set in the kernel, which draws another still picture.
    for _ in range(20):
        page.wait_for_timeout(500)
        if (second_picture := picture(save(page, lab.folder / notebook))) != first_picture:
            break
    assert second_picture != first_picture

    # Sentences: Chinese, and such as are no sentences.
    box = chain.get_by_role("textbox", name="sentence")
    box.fill("我看到猫")
    expect(chain.locator(".weights [role=gridcell]")).to_have_count(16)
    check_numbers(page, 3, "我看到猫", temperature=10.0, scale="none", heads=4, causal=True)
    odd = ["<img", "src=x", "onerror=alert(1)>", "<script>alert(2)</script>", "$x$", "שלום", "👩‍👩‍👧", "a\u202eb"]
    box.fill(" ".join(odd))
    expect(chain.locator(".scaled th[role=rowheader]")).to_have_text(
        [*odd[:2], "onerror=…ert(1)>", "<script>…script>", *odd[4:7], r"a\u202eb"]
    )
    assert chain.locator("img, script").count() == 0
    page.screenshot(path=screenshots / "attention_lab_odd.png")
    box.fill("word " * 2_000)
    expect(chain.locator(".lk-message")).to_have_text(
        re.compile("^The sentence has 2,000 words. The first 12 are shown")
    )
    expect(chain.locator(".weights [role=gridcell]")).to_have_count(144)
    twelve_before = len(page.evaluate("times").get("changed"))
    temperature.focus()
    press(page, "Home")
    press(page, "ArrowRight", 8)
    twelve = page.evaluate("times")["changed"][twelve_before:]
    box.fill("")
    expect(chain.locator(".lk-message")).to_have_text("There is no word yet: type a sentence.")
    expect(chain.locator(".chain")).to_be_hidden()
    box.fill("the dog bites the man")
    expect(chain.locator(".lk-message")).to_have_text("")
    assert hosts == {lab.url.removeprefix("http://")}
    with capsys.disabled():
        for what, times in (
            ("hover to lit", hovers["changed"]),
            ("hover to painted", hovers["painted"]),
            ("slider to all matrices", slides["changed"]),
            ("slider to painted", slides["painted"]),
            ("slider to all matrices of 12 words", twelve),
        ):
            print(f"\n{what}: median {median(times):.1f} ms, most {max(times):.1f} ms, of {len(times)}", end="")


def test_a_transformer_learns_while_one_looks_and_both_labs_fit_and_can_be_spoken(page, lab, notebook, screenshots):
    open_notebook(page, lab, notebook)
    choose(page, "View", "Appearance", "Show Left Sidebar")
    run_all(page, lab.folder / notebook)
    outputs = page.locator(".jp-Cell-outputArea")
    learner = outputs.nth(1)
    scroll_to(learner)
    status = learner.locator(".lk-state")
    expect(status).to_contain_text("ready: step 0 of 2,000")
    pictures = page.evaluate_handle("""() => {
      const pictures = new Set(), heads = document.querySelector(".lk-heads")
      new MutationObserver(() => pictures.add(heads.innerHTML))
        .observe(heads, { attributes: true, childList: true, subtree: true })
      return pictures
    }""")
    learner.get_by_role("button", name="Train").click()
    expect(status).to_contain_text(re.compile(r"accuracy (0\.99\d|1\.000)"))
    learner.get_by_role("button", name="Pause").click()
    expect(status).to_contain_text("paused: step")
    assert pictures.evaluate("pictures => pictures.size") >= 5
    expect(learner.locator(".lk-example")).to_contain_text("says 9 5 1 4 1 3 (6 of 6)")
    darkest = learner.locator(".lk-heads table").first.evaluate("""table =>
    [...table.rows].slice(1).map((row) => {
      const shades = [...row.querySelectorAll("td")].map((cell) => Number(cell.style.getPropertyValue("--part")))
      return shades.indexOf(Math.max(...shades))
    })""")
    assert darkest == [5, 4, 3, 2, 1, 0]
    learner.get_by_label("heads").select_option("4")
    expect(learner.locator(".lk-heads table")).to_have_count(4)
    learner.get_by_label("task").select_option("say it in order")
    expect(status).to_contain_text(re.compile("training: step [1-9]"))
    expect(learner.locator(".lk-example")).to_contain_text("should say 1 1 3 4 5 9")
    expect(status).to_contain_text(re.compile(r"training: step \d\d\d"))
    learner.get_by_role("button", name="Pause").click()
    expect(status).to_contain_text("paused: step")

    for theme in ("Dark", "Light"):
        choose_theme(page, theme)
        for width in (700, 1000, 1600):
            page.set_viewport_size({"width": width, "height": 1500})
            for name, output in (("attention", outputs.nth(0)), ("transformer", learner)):
                scroll_to(output)
                assert overflowing(output) == []
                output.screenshot(path=screenshots / f"{name}_lab_{theme.lower()}_{width}.png")
        no_violations(page)

    learner.get_by_role("button", name="Reset").click()
    expect(status).to_contain_text("ready: step 0")

    # Tab reaches every control.
    outputs.nth(0).get_by_role("textbox", name="sentence").focus()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("""(() => {
          const it = document.activeElement
          return it.getAttribute("aria-label") || it.labels?.[0]?.textContent || it.textContent
        })()""")
            .strip()
            .partition(",")[0]
        )
    wanted = ["temperature", "scale", "heads", "head 0", "Kᵀ", "Q", "scores", "scaled", "V", "weights", "output"]
    assert set(wanted) <= set(reached)

    # Without a kernel: a picture, and words.
    choose(page, "Kernel", "Restart Kernel…")
    page.locator(".jp-Dialog button", has_text="Restart").click()
    for output in outputs.all():
        expect(output.locator("img")).to_be_visible()
        for part in output.locator(".learnkit-lab > *").all():
            expect(part).to_be_hidden()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # to stop a kernel that is starting takes long
