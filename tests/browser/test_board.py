"""The training lab as a learner sees it and a screen reader speaks it, in all the states that its cell can be in."""

import re

import nbformat
import pytest
from learner import choose_theme, no_violations, save
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, Page, TimeoutError, expect

from tools.jupyterlab import choose, open_notebook, wait_for_kernel, write_notebook

TRAIN = """from learnkit import labs
lab = labs.TrainingLab(hidden=(32, 16), activation="relu", device="cpu", {more})
lab"""
MEAN = ".lk-curves[aria-label^=loss] .lk-line"  # the first: the second joins the epochs
NAME_OF_FOCUSED = """(() => {
  const it = document.activeElement
  return it.getAttribute("aria-label") || it.labels?.[0]?.textContent || it.textContent
})()"""
STICKS_OUT = """(() => {
  const edges = document.querySelector(".jp-OutputArea").getBoundingClientRect()
  const parts = "button, .lk-control, .lk-curves, .lk-net, .lk-heat, .lk-mistakes figure, .lk-state p"
  return [...document.querySelectorAll(`.lk-lab :is(${parts})`)].filter(part => {
    const box = part.getBoundingClientRect()
    return box.width > 0 && (box.left < edges.left - 1 || box.right > edges.right + 1)
  }).map(part => part.className)
})()"""


def written(lab, name: str, more: str, others: tuple[str, ...] = ("lab.training.step",)) -> str:
    """A notebook with a training lab in its first cell, and other cells."""
    return write_notebook(lab, name, (TRAIN.format(more=more), *others))


@pytest.fixture(autouse=True)
def no_kernel_goes_on_training(lab):
    """A kernel outlives its page, and so does a training in it."""
    yield
    for kernel in lab.request("kernels"):
        lab.request(f"kernels/{kernel['id']}", method="DELETE")


def shown(page: Page | Locator) -> Locator:
    """Run the first cell, of a page or of one of its notebooks; the lab that appears."""
    cell = page.locator(".jp-CodeCell").first
    for _ in range(30):  # JupyterLab drops it if the kernel is not connected
        if cell.locator(".jp-InputPrompt").inner_text() != "[ ]:":
            break
        run(cell)
        cell.page.wait_for_timeout(1_000)
    lab = page.locator(".learnkit-lab")
    expect(lab.locator(".lk-state")).to_contain_text("ready")
    return lab


def reload_until_shown(page: Page, lab: Locator) -> None:
    """Reload the page, once more if need be: after it, ipywidgets gives a busy kernel four seconds to send a lab."""
    page.reload()
    try:
        lab.wait_for(timeout=30_000)
    except TimeoutError:
        page.reload()
        lab.wait_for()


def run(cell: Locator) -> None:
    cell.locator(".jp-InputArea-editor").click()
    choose(cell.page, "Run", "Run Selected Cell")


def press(lab: Locator, words: str) -> None:
    lab.get_by_role("button", name=words, exact=True).click()


def status(lab: Locator, words: str) -> None:
    expect(lab.locator(".lk-state")).to_contain_text(re.compile(words))


def slider(lab: Locator, label: str) -> Locator:
    return lab.get_by_role("slider", name=label, exact=True)


def field(lab: Locator, label: str) -> Locator:
    return lab.get_by_label(f"{label}, typed", exact=True)


def curve(lab: Locator) -> str:
    """The mean of the losses, as it is drawn."""
    return lab.locator(MEAN).first.get_attribute("d")


def test_a_learner_moves_sliders_with_the_keyboard_and_presses_every_button(page, lab, screenshots):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    open_notebook(page, lab, written(lab, "training.ipynb", "epochs=1000"))
    it = shown(page)
    page.wait_for_timeout(1_000)
    status(it, "ready: epoch 1 of 1000, step 0")  # to show it starts nothing
    assert curve(it) == ""

    # A key on a slider: the net trains, its curve grows, and nothing on the page changes its place.
    height = page.locator(".jp-OutputArea").first.evaluate("area => area.getBoundingClientRect().height")
    slider(it, "width 2").focus()
    page.keyboard.press("ArrowRight")
    expect(field(it, "width 2")).to_have_value("24")
    status(it, r"training: epoch ([2-9]|\d\d)")
    expect(it.locator(".lk-pictures")).to_contain_text(f"{784 * 32 + 32 + 32 * 24 + 24 + 24 * 10 + 10:,} parameters")
    heights, curves = page.evaluate(
        """async ([area, thick]) => {
          const heights = new Set(), curves = new Set()
          const end = performance.now() + 2000
          while (performance.now() < end) {
            heights.add(document.querySelector(area).getBoundingClientRect().height)
            curves.add(document.querySelector(thick).getAttribute("d"))
            await new Promise(requestAnimationFrame)
          }
          return [[...heights], curves.size]
        }""",
        [".jp-OutputArea", MEAN],
    )
    assert heights == [height]
    assert curves > 5

    # Another cell can run beside it.
    run(page.locator(".jp-CodeCell").last)
    expect(page.locator(".jp-OutputArea-output").last).to_have_text(re.compile(r"^\d+$"))
    status(it, "training")

    press(it, "Pause")
    status(it, "paused")
    before = it.locator(".lk-state").inner_text()
    step = int(re.search(r"step ([\d,]+)", before)[1].replace(",", ""))
    press(it, "Step")
    status(it, f"paused: .*step {step + 1:,} of")
    press(it, "Train")
    status(it, "training")
    press(it, "Pin")
    expect(it.locator(".lk-pinned tr")).to_have_count(2)
    page.screenshot(path=screenshots / "training_lab_pinned.png")

    # 300 typed is 300 trained; what is no number is refused, in words, and the curve goes on.
    width = field(it, "width 1")
    width.fill("300")
    width.press("Enter")
    expect(it.locator(".lk-net")).to_have_attribute("aria-label", re.compile("784 to 300 to 24 to 10"))
    for wrong in ("0", "-5", "99999", "1e9", "wide", ""):
        width.fill(wrong)
        width.press("Enter")
        refusal = f"width 1 is '{wrong}'; expected a whole number from 1 to 2,048."
        expect(it.get_by_role("alert").filter(has_text=refusal)).to_be_visible()
        expect(width).to_have_value("300")
        expect(width).to_have_attribute("aria-invalid", "true")
    status(it, "training")

    # A rate that is too large: it says so, the curve stays, and the next move starts afresh.
    rate = field(it, "learning rate")
    it.get_by_label("activation").select_option("none")
    rate.fill("1e6")
    rate.press("Enter")
    expect(it.locator(".lk-message")).to_contain_text("The learning rate is 1e+06: try 100000")
    page.screenshot(path=screenshots / "training_lab_diverged.png")
    slider(it, "learning rate").focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    expect(rate).to_have_value("0.1")
    status(it, "training")
    expect(it.locator(".lk-message")).to_have_text("")
    press(it, "Reset")
    status(it, "ready: epoch 1 of 1000, step 0")  # it is the net of the last key, and not of one before
    press(it, "Train")
    status(it, "accuracy")  # an epoch has ended, validation included: there is something to compare with

    # An experiment of the notes asks before it runs; the test set is looked at on demand.
    it.get_by_label("experiment").select_option("1,256")
    expect(it.locator(".lk-question")).to_contain_text("what do you expect, compared with the run before")
    page.screenshot(path=screenshots / "training_lab_question.png")
    press(it, "worse")
    status(it, r"training: epoch \d+ of 20,")
    press(it, "Look at the test set")
    expect(it.locator(".lk-message")).to_contain_text("You have looked once")
    press(it, "Reset")
    status(it, "ready: epoch 1 of 20, step 0 of 6,000")
    press(it, "Unpin all")
    expect(it.locator(".lk-pinned tr")).to_have_count(0)
    assert hosts == {lab.url.removeprefix("http://")}


def test_it_is_there_after_a_reload_and_leaves_a_picture_when_its_kernel_goes(page, lab, screenshots):
    name = written(lab, "states.ipynb", "epochs=1000")
    open_notebook(page, lab, name)
    it = shown(page)
    picture = page.locator(".jp-CodeCell").first.locator(".jp-RenderedImage img")
    expect(picture).to_be_hidden()
    still = picture.get_attribute("src")
    press(it, "Train")
    status(it, r"training: epoch ([2-9]|\d\d)")
    press(it, "Pause")
    status(it, "paused")
    expect(picture).not_to_have_attribute("src", still)  # it is renewed, though nobody sees it
    press(it, "Train")
    status(it, "training")
    save(page, lab.folder / name)

    # Reloaded: the lab is there again, the training went on, and keys reach the kernel.
    reload_until_shown(page, it)
    status(it, "training")
    expect(picture).to_be_hidden()
    names = it.get_by_role("slider").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert {"hidden layers", "width 1", "learning rate"} <= set(names)
    slider(it, "width 2").focus()
    page.keyboard.press("ArrowLeft")
    expect(it.locator(".lk-net")).to_have_attribute("aria-label", re.compile("784 to 32 to 12 to 10"))
    status(it, "training")
    page.screenshot(path=screenshots / "training_lab_reloaded.png")

    # The kernel is restarted: words instead of a spinner, and the picture.
    choose(page, "Kernel", "Restart Kernel…")
    page.locator(".jp-Dialog button", has_text="Restart").click()
    expect(picture).to_be_visible()
    for part in it.locator("> *").all():
        expect(part).to_be_hidden()
    assert "There is no kernel behind this lab" in words_after(it)
    page.screenshot(path=screenshots / "training_lab_restarted.png")

    # Opened again: the picture, and no error.
    page.reload()
    expect(picture).to_be_visible()
    expect(it).to_have_count(0)
    page.wait_for_timeout(2_000)
    view = page.locator(".jp-OutputArea-output").nth(1)
    assert "There is no kernel behind this lab" in words_after(view)
    assert view.evaluate("view => getComputedStyle(view).fontSize") == "0px"  # what JupyterLab says of it
    page.screenshot(path=screenshots / "training_lab_reopened.png")


def words_after(place: Locator) -> str:
    return place.evaluate("place => getComputedStyle(place, '::after').content")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Your element with mimetype")  # nbconvert's word for the view, which it leaves out
def test_a_copy_that_is_not_trusted_and_exported_html_show_the_picture(page, lab, screenshots):
    name = written(lab, "copied.ipynb", "epochs=1000")
    open_notebook(page, lab, name)
    shown(page)
    notebook = save(page, lab.folder / name)
    kinds = [list(output["data"]) for output in notebook.cells[0].outputs]
    assert kinds[1] == ["application/vnd.jupyter.widget-view+json"]
    assert kinds[2] == ["image/png"]
    notebook.cells[1].source = "# a stranger's"
    nbformat.write(notebook, lab.folder / "stranger.ipynb")
    open_notebook(page, lab, "stranger.ipynb")
    expect(page.locator(".jp-RenderedImage img")).to_be_visible()
    page.screenshot(path=screenshots / "training_lab_untrusted.png")

    html, _ = HTMLExporter().from_notebook_node(notebook)
    (lab.folder / "exported.html").write_text(html, encoding="utf-8")
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto((lab.folder / "exported.html").as_uri())
    expect(page.locator(".jp-RenderedImage img")).to_be_visible()


def test_a_screen_reader_finds_no_fault_live_or_after_a_reload_and_tab_reaches_every_control(page, lab):
    open_notebook(page, lab, written(lab, "spoken.ipynb", "epochs=1000"))
    it = shown(page)
    press(it, "Train")
    status(it, r"training: epoch ([2-9]|\d\d)")
    press(it, "Pause")
    status(it, "paused")
    handle = slider(it, "width 1")
    expect(handle).to_have_attribute("aria-valuetext", "32")
    field(it, "width 1").fill("300")
    field(it, "width 1").press("Enter")
    expect(it.locator(".lk-spoken")).to_have_text(re.compile("validation accuracy 0.*, (rising|falling|unchanged)"))
    press(it, "Pause")
    expect(handle).to_have_attribute("aria-valuetext", "300")

    it.get_by_role("button", name="Train").focus()
    reached = set()
    for _ in range(40):
        reached.add(page.evaluate(NAME_OF_FOCUSED).strip())
        page.keyboard.press("Tab")
    buttons = {"Train", "Pause", "Step", "Reset", "Pin", "Unpin all", "Look at the test set", "experiment"}
    of_net = {"hidden layers", "width 1", "width 2", "activation"}
    of_training = {"optimizer", "learning rate", "batch size", "epochs", "train on", "seed", "device"}
    assert buttons | of_net | of_training <= reached
    save(page, lab.folder / "spoken.ipynb")
    no_violations(page)
    reload_until_shown(page, handle)
    expect(handle).to_have_attribute("aria-valuetext", "300")
    no_violations(page)


@pytest.mark.slow
def test_it_fits_from_700_to_1600_pixels_light_and_dark(page, lab, screenshots):
    open_notebook(page, lab, written(lab, "fits.ipynb", "epochs=3, learning_rate=0.1"))
    choose(page, "View", "Appearance", "Show Left Sidebar")
    it = shown(page)
    press(it, "Train")
    status(it, "ended")
    press(it, "Pin")
    expect(it.locator(".lk-pinned tr")).to_have_count(2)
    for theme in ("Dark", "Light"):
        choose_theme(page, theme)
        for width in (700, 1000, 1600):
            page.set_viewport_size({"width": width, "height": 1300})
            page.wait_for_function(f"{STICKS_OUT}.length === 0")  # once the page is laid out anew
            page.screenshot(path=screenshots / f"training_lab_{theme.lower()}_{width}.png")


@pytest.mark.slow
def test_it_is_shown_twice_an_interrupt_pauses_it_and_a_second_notebook_trains_beside_it(page, lab, screenshots):
    written(lab, "beside.ipynb", "epochs=1000")
    open_notebook(page, lab, written(lab, "twice.ipynb", "epochs=1000", others=("lab", "lab.wait()", "6 * 7")))
    twice, cells = (
        page.locator(".jp-NotebookPanel").first,
        page.locator(".jp-NotebookPanel").first.locator(".jp-CodeCell"),
    )
    shown(twice)
    run(cells.nth(1))
    one, other = twice.locator(".learnkit-lab").nth(0), twice.locator(".learnkit-lab").nth(1)
    press(other, "Train")
    for view in (one, other):
        status(view, r"training: epoch ([2-9]|\d\d)")

    # A cell that waits for the training is interrupted: the training pauses, and the kernel lives.
    run(cells.nth(2))
    expect(cells.nth(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    choose(page, "Kernel", "Interrupt Kernel")
    for view in (one, other):
        status(view, "paused")
    expect(cells.nth(2).locator(".jp-OutputArea-output")).to_contain_text("KeyboardInterrupt")
    run(cells.nth(3))
    expect(cells.nth(3).locator(".jp-OutputArea-output")).to_have_text("42")
    press(one, "Train")
    status(other, "training")

    # Another notebook, with a kernel of its own, trains at the same time.
    page.locator(".jp-DirListing-item", has_text="beside.ipynb").dblclick()
    beside = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)", has_text="TrainingLab")
    expect(page.locator(".jp-NotebookPanel")).to_have_count(2)
    wait_for_kernel(page, lab, "beside.ipynb")
    it = shown(beside)
    press(it, "Train")
    status(it, r"training: epoch ([2-9]|\d\d)")
    page.screenshot(path=screenshots / "training_lab_beside.png")
    page.locator(".lm-TabBar-tab", has_text="twice.ipynb").click()
    status(one, "training")
    before = one.locator(".lk-state").inner_text()
    expect(one.locator(".lk-state")).not_to_have_text(before)
    press(one, "Pause")
    status(other, "paused")
