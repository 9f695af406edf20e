"""The outputs of a notebook's cell as they are saved: joined, and with text in the place of the views of widgets."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CONTROLS = "To be moved once you run this cell:"


def code_digest(notebook: NotebookNode) -> str:
    """A hash of all code, which tells whether a notebook was edited after it was run. Empty cells do not count."""
    sources = [cell.source for cell in code_cells(notebook)]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells with code, without empty ones, such as Jupyter's usual last cell."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def as_text(outputs: list[NotebookNode]) -> str:
    """Outputs as a failure shows them."""
    texts = []
    for output in outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append(f"{output.ename}: {output.evalue}")
        else:
            texts.append(output.data.get("text/plain", f"[{', '.join(output.data)}]"))
    return "\n".join(texts)[:4000]


def join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join consecutive pieces of printed text: where a kernel cuts them is a matter of chance."""
    joined: list[NotebookNode] = []
    for output in outputs:
        is_text = output.output_type == "stream"
        if is_text and joined and joined[-1].output_type == "stream" and joined[-1].name == output.name:
            joined[-1].text += output.text
        else:
            joined.append(NotebookNode(output))
    return joined


def without_views(outputs: list[NotebookNode], models: dict[str, dict]) -> list[NotebookNode]:
    """Replace each view of a widget by a list of its controls, and by the outputs that its Output widgets hold.

    So a reader without a kernel sees what is there, and the values of the controls can be compared. A view without a
    named control, such as a progress bar, leaves nothing. The models are the states of all widgets by their ids.
    """
    plain = []
    for output in outputs:
        view = output.get("data", {}).get(WIDGET_VIEW)
        if view is None:
            plain.append(output)
            continue
        visible = list(_visible_widgets(view["model_id"], models))
        controls = [text for state in visible if (text := _control_text(state))]
        if controls:
            data = {"text/plain": "\n".join([CONTROLS, *controls])}
            plain.append(nbformat.v4.new_output("display_data", data))
        for state in visible:
            plain += [nbformat.from_dict(output) for output in state.get("outputs", [])]
    return join_streams(plain)


def _visible_widgets(model: str, models: dict[str, dict]) -> Iterator[dict]:
    """The states of all widgets in a view that can be seen.

    A slider without a readout takes its number from the unnamed field that follows it.
    """
    state = _state(model, models)
    if _state(state.get("layout"), models).get("display") == "none":
        return
    yield state
    children = state.get("children") or []
    for child, next_child in itertools.zip_longest(children, children[1:]):
        following = _state(next_child, models)
        is_unnamed_field = "value" in following and not following.get("description")
        for part in _visible_widgets(child, models):
            if part.get("readout") is False and is_unnamed_field:
                part = {**part, "value": following["value"], "_options_labels": None, "readout": True}
            yield part


def _state(model: str | None, models: dict[str, dict]) -> dict:
    return models.get((model or "").removeprefix("IPY_MODEL_"), {})


def _control_text(state: dict) -> str | None:
    name = state.get("description")
    if not name or state.get("readout") is False:
        return None
    if state.get("_options_labels"):
        chosen = state.get("index")
        return f"{name}: {'nothing' if chosen is None else state['_options_labels'][chosen]}"
    return f"{name}: {state['value']}" if "value" in state else f"[{name}]"


@dataclass
class OutputCollector:
    """Turns the messages of a kernel into the outputs of a cell, and keeps the states of its widgets."""

    models: dict[str, dict]  # the widgets of this cell and of earlier ones
    outputs: list[NotebookNode] = field(default_factory=list)
    _cleared_by_next: list[list[NotebookNode]] = field(default_factory=list)
    _by_display_id: dict[str, NotebookNode] = field(default_factory=dict)

    def handle(self, message_type: str, content: dict) -> None:
        if message_type in ("stream", "display_data", "execute_result", "error"):
            message = {"header": {"msg_type": message_type}, "content": content}
            self._add(nbformat.v4.output_from_msg(message), content)
        elif message_type == "update_display_data":
            output = self._by_display_id.get(content["transient"]["display_id"])
            if output is not None:
                output.data = nbformat.from_dict(content["data"])
        elif message_type == "clear_output":
            if content.get("wait"):
                self._cleared_by_next.append(self._target())
            else:
                self._target().clear()
        elif message_type in ("comm_open", "comm_msg"):
            state = self.models.setdefault(content["comm_id"], {})
            state.update(content["data"].get("state", {}))
        elif message_type == "comm_close":
            self.models.pop(content["comm_id"], None)

    def _target(self) -> list[NotebookNode]:
        """Where an output goes now: into the Output widget that captures it, or else below the cell."""
        capturing = [state for state in self.models.values() if state.get("msg_id")]
        return capturing[-1].setdefault("_captured", []) if capturing else self.outputs

    def _add(self, output: NotebookNode, content: dict) -> None:
        target = self._target()
        if any(target is cleared for cleared in self._cleared_by_next):
            target.clear()
            self._cleared_by_next = [cleared for cleared in self._cleared_by_next if cleared is not target]
        target.append(output)
        display_id = content.get("transient", {}).get("display_id")
        if display_id:
            self._by_display_id[display_id] = output

    def result(self) -> list[NotebookNode]:
        """The outputs as they are saved."""
        models = {name: {**state, "outputs": state.get("_captured", [])} for name, state in self.models.items()}
        return without_views(join_streams(self.outputs), models)
