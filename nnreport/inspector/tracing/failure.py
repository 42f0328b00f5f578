"""A forward or backward that raised, as a :class:`~nnreport.facts.Failure`: which module, what it was given, what it wanted."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from torch import nn

from nnreport.facts import Failure, Node
from nnreport.inspector.locate import traceback_frames
from nnreport.inspector.tracing.expect import Scene, explain
from nnreport.inspector.tracing.kinds import in_chain
from nnreport.inspector.tracing.reach import Backward
from nnreport.inspector.tracing.recorder import Raised, Recorder
from nnreport.inspector.tracing.structure import named_tensors, tensor_info

MESSAGE = 2000
"""Longest message kept, in characters."""
INPUTS = 8


def forward_failure(error: BaseException, recorder: Recorder, modules: Mapping[str, nn.Module]) -> Failure:
    """What is known of an exception that the forward raised.

    Args:
        error: the exception, with its traceback.
        recorder: what was recorded until then.
        modules: path -> module.
    """
    raised = recorder.raised if recorder.raised is not None and in_chain(recorder.raised.error, error) else None
    call = raised.call if raised is not None else next((c for c in reversed(recorder.calls) if c.failed), None)
    path = call.module if call is not None else ""
    module = modules.get(path)
    inputs = call.inputs if call is not None else []
    if raised is not None and not raised.operation:
        inputs = [tensor_info(tensor) for _, tensor in named_tensors([raised.arguments, raised.keywords])]
    expected, hint = explain(scene_of(error, raised, module))
    frames = traceback_frames(error.__traceback__)
    return Failure(
        phase="forward",
        exception=type(error).__name__,
        message=message_of(error),
        module=path,
        cls=qualified(module) if module is not None else "",
        inputs=inputs[:INPUTS],
        expected=expected,
        operation=raised.operation if raised is not None else "",
        location=frames[-1].location if frames else None,
        frames=frames,
        hint=hint,
    )


def scene_of(error: BaseException, raised: Raised | None, module: nn.Module | None) -> Scene:
    if raised is None:
        return Scene(error, "", (), {}, module)
    return Scene(raised.error, raised.operation, raised.arguments, raised.keywords, module)


def backward_failure(backward: Backward, recorder: Recorder, modules: Mapping[str, nn.Module]) -> Failure:
    """What is known of an exception that backward raised. For a value that was changed in place, the operation named is the one
    that changed it; else the one whose gradient could not be computed."""
    error = backward.error
    assert error is not None
    message = message_of(error)
    frames = traceback_frames(error.__traceback__)
    theirs = bool(frames and frames[-1].location.user)  # the backward of a custom autograd function: no operation of torch's
    node = node_of_sequence(recorder, backward.failed) if not theirs else None
    expected = hint = ""
    if "modified by an inplace operation" in message:
        node, expected, hint = changed_in_place(message, node, recorder)
    elif "is not implemented" in message:
        expected = "an operation that has a derivative"
    location = frames[-1].location if theirs else None
    path = node.module if node is not None else None
    module = modules.get(path) if path is not None else None
    return Failure(
        phase="backward",
        exception=type(error).__name__,
        message=message,
        module=path,
        cls=qualified(module) if module is not None else "",
        inputs=list(node.reads[:INPUTS]) if node is not None else [],
        expected=expected,
        operation=node.name if node is not None else backward.name.removesuffix("Backward"),
        location=location or (node.location if node is not None else None),
        frames=frames,
        hint=hint,
    )


def changed_in_place(message: str, needing: Node | None, recorder: Recorder) -> tuple[Node | None, str, str]:
    """(the operation that changed the value, what was expected, how to mend it)."""
    match = re.search(r"\[\S+ \[([\d, ]*)\]\]", message)
    shape = [int(size) for size in match[1].split(",") if size.strip()] if match else []
    after = needing.id if needing is not None else -1
    later = [node for node in recorder.nodes if node.inplace and node.id >= after]
    same = [node for node in later if any(info.shape == shape for info in [*node.outputs, *node.reads])]
    node = next(iter(same or later), needing)
    saved = f"the value that {needing.name} keeps for its gradient" if needing is not None else "a value kept for a gradient"
    return node, f"{saved} left as it is until backward", in_place_hint(node)


def in_place_hint(node: Node | None) -> str:
    if node is None or not node.inplace:
        return ""
    if node.attributes.get("inplace") is True:
        return f"use it out of place: `inplace=False` for {node.name}"
    if node.name == "setitem":
        return "build a new tensor (`torch.where`, `torch.cat`, `torch.stack`), or write into `x.clone()`"
    operator = {"add": "+", "sub": "-", "mul": "*", "div": "/"}.get(node.name)
    if operator:
        return f"write it out of place: `x = x {operator} …` instead of `x {operator}= …`"
    return f"use the form without a trailing underscore: `x = x.{node.name}(…)`"


def no_gradient_failure(nodes: Sequence[Node], cuts: Sequence[int], modules: Mapping[str, nn.Module]) -> Failure:
    """No output is connected to a parameter: ``loss.backward()`` will raise."""
    node = nodes[cuts[-1]] if cuts else None
    module = modules.get(node.module) if node is not None else None
    return Failure(
        phase="backward",
        exception="RuntimeError",
        message="element 0 of tensors does not require grad and does not have a grad_fn",
        module=node.module if node is not None else "",
        cls=qualified(module) if module is not None else "",
        inputs=list(node.reads[:INPUTS]) if node is not None else [],
        expected="an output that is connected to the parameters by differentiable operations, got none",
        operation=node.name if node is not None else "",
        location=node.location if node is not None else None,
        hint="return the scores themselves in training, and take argmax, round, `.detach()` or `no_grad` outside",
    )


def node_of_sequence(recorder: Recorder, sequence: int | None) -> Node | None:
    """The recorded operation that made the autograd node of this number."""
    if sequence is None or not recorder.spans:
        return None
    at = bisect_right([start for start, _ in recorder.spans], sequence) - 1
    return recorder.nodes[recorder.spans[at][1]] if at >= 0 else None


def message_of(error: BaseException) -> str:
    """Its text, cut where it is endless; a broken ``__str__`` of the user's does no harm."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return text if len(text) <= MESSAGE else text[:MESSAGE] + " …"


def qualified(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"
