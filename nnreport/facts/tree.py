"""The tree of modules and parameters."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Location, Record, Scalar


class Module(Record):
    """One module of the tree, in ``named_modules()`` order (a shared module stands at its first path)."""

    path: str
    cls: str
    """Qualified class, ``torch.nn.modules.linear.Linear``."""
    kind: str = ""
    """Name of the first class in the MRO that torch.nn defines, other than Module: ``Linear``, ``BatchNorm2d``; else ``""``."""
    location: Location | None = None
    """Where the class is defined."""
    parent: str | None = None
    children: list[str] = []
    aliases: list[str] = []
    """Other paths of the same module object."""
    settings: dict[str, Scalar | list[int]] = {}
    """Its public hyperparameters: ``in_features``, ``kernel_size``, ``p``, ``eps``, ``batch_first``, ``negative_slope`` …"""
    signature: str = ""
    """Equal for structurally equal modules (class, settings, parameter shapes, children), so that repeats can be folded."""
    training: bool = True
    parameters: int = 0
    """Elements it owns directly, tied ones counted once, at their first owner."""
    total: int = 0
    """Elements with its children's."""
    trainable: int = 0
    """Of ``total``, those that require a gradient."""
    buffers: int = 0
    size: int = 0
    """Bytes of parameters and buffers, with its children's."""
    calls: int = 0
    """Times called in the recorded eval forward."""
    train_calls: int = 0
    """Times called in the recorded train forward."""
    functional: bool = False
    """Never called, but its parameters were read by an operation (``F.linear(x, self.fc.weight)``)."""
    registered: bool = True
    """False: it was called, but is in no module's ``_modules`` (it sits in a plain list, or is made in forward)."""
    holder: str = ""
    """For an unregistered one: where it was found, e.g. ``blocks[0]`` of its owner ``parent``; ``""`` if made in forward."""
    checkpoint: bool = False
    """Its parameters were loaded from --weights, or from a pretrained source."""

    @property
    def name(self) -> str:
        """Bare class name."""
        return self.cls.rpartition(".")[2]

    @property
    def user(self) -> bool:
        return self.location is not None and self.location.user


class Parameter(Record):
    """One parameter or buffer of the model, at its first name."""

    name: str
    module: str
    """Path of the owning module."""
    shape: list[int]
    dtype: str
    kind: Literal["parameter", "buffer"] = "parameter"
    trainable: bool = True
    persistent: bool = True
    tied: list[str] = []
    """Further names of the same tensor."""
    count: int = 0
    size: int = 0


class StrayTensor(Record):
    """A tensor or module that the model uses, or holds, without registering it."""

    kind: Literal["module", "parameter", "tensor"]
    owner: str
    """Path of the module whose attribute it is."""
    attribute: str
    """``blocks[0]``, ``scale``; ``""`` when it was found only as a leaf of the autograd graph."""
    shape: list[int] = []
    cls: str = ""
    requires_grad: bool = False
    in_forward: bool = False
    """Made anew in every forward."""
    used: bool = True
    """Read in the recorded forward."""
    parameters: int = 0
    location: Location | None = None
    """Best known line: the assignment, else the call, else the class."""


class Tree(Record):
    """The tree of modules and parameters."""

    modules: list[Module] = []
    parameters: list[Parameter] = []
    stray: list[StrayTensor] = []
    total: int = 0
    """Elements of all parameters, tied ones once."""
    trainable: int = 0
    buffers: int = 0
    size: int = 0
    """Bytes of parameters and buffers."""
