"""A tree of modules made ready to be matched: children in order, own parameters, and a key that equal modules share."""

from __future__ import annotations

import json
from collections import Counter

from nnreport.facts import Module, Parameter, Tree

FAMILIES = {
    "norm": ("Norm",),
    "conv": ("Conv",),
    "dropout": ("Drop",),
    "pool": ("Pool",),
    "recurrent": ("RNN", "LSTM", "GRU"),
    "linear": ("Linear",),
    "embedding": ("Embedding",),
}
"""Family -> what a class name of it contains: within a family another class is the same layer, replaced."""
ACTIVATIONS = """
ReLU ReLU6 LeakyReLU PReLU RReLU GELU SiLU Mish ELU SELU CELU Hardswish Hardsigmoid Hardtanh Sigmoid Tanh Softplus Softsign
LogSigmoid GLU Threshold Softmax LogSoftmax Softmin Tanhshrink Softshrink Hardshrink GELUActivation NewGELUActivation
QuickGELUActivation
"""


class Forest:
    """One tree.

    Args:
        tree: the tree.
        bare: compare parameters alone, where one side is a state dict that knows neither classes nor settings: modules without
            parameters are left out, and the key holds shapes only.
    """

    def __init__(self, tree: Tree, bare: bool = False) -> None:
        self.bare = bare
        self.parameters: dict[str, list[Parameter]] = {}
        for parameter in tree.parameters:
            self.parameters.setdefault(parameter.module, []).append(parameter)
        kept = [m for m in tree.modules if not bare or m.total or m.path == "" or self.parameters.get(m.path)]
        self.modules: dict[str, Module] = {module.path: module for module in kept}
        self.children: dict[str, list[str]] = {path: [] for path in self.modules}
        for module in kept:
            if module.path:
                self.children.setdefault(self.parent(module), []).append(module.path)
        self.keys: dict[str, str] = {}
        self.inside: dict[str, Counter[str]] = {}
        for path in reversed(self.modules):  # children stand after their parents
            self.describe(path)

    def parent(self, module: Module) -> str:
        """The nearest ancestor that is there."""
        path = module.parent if module.parent is not None else module.path.rpartition(".")[0]
        while path and path not in self.modules:
            path = path.rpartition(".")[0]
        return path

    def local(self, path: str) -> str:
        """The name within its parent."""
        above = self.parent(self.modules[path])
        return path[len(above) + 1 :] if above and path.startswith(above + ".") else path

    def own(self, path: str) -> dict[str, Parameter]:
        """Its own parameters and persistent buffers by their local names."""
        start = len(path) + 1 if path else 0
        return {each.name[start:]: each for each in self.parameters.get(path, [])}

    def cls(self, path: str) -> str:
        """Bare class name: a file that was moved retypes nothing."""
        return self.modules[path].name

    def describe(self, path: str) -> None:
        """Its key (class, settings, parameter shapes, and its children's, by order and not by name), and the keys of what is
        inside it, with itself."""
        module = self.modules[path]
        own = {name: each.shape for name, each in sorted(self.own(path).items())}
        below = [self.keys.get(child) or self.late(child) for child in self.children[path]]
        parts = [own, below] if self.bare else [module.name, sorted(module.settings.items()), own, below]
        self.keys[path] = json.dumps(parts) if not below else f"{hash_of(json.dumps(parts))}"
        inside = Counter([self.keys[path]])
        for child in self.children[path]:
            inside += self.inside[child]
        self.inside[path] = inside

    def late(self, child: str) -> str:
        """The key of a child that the list names before its parent (an unregistered module)."""
        self.describe(child)
        return self.keys[child]

    def subtree(self, path: str) -> list[str]:
        """It and all that is inside it, parents first."""
        found, stack = [], [path]
        while stack:
            at = stack.pop()
            found.append(at)
            stack += reversed(self.children[at])
        return found

    def family(self, path: str) -> str:
        """What kind of layer it is; empty for a container or what is not known."""
        if self.children[path]:
            return ""
        name = self.cls(path)
        if name in ACTIVATIONS.split():
            return "activation"
        return next((family for family, words in FAMILIES.items() if any(word in name for word in words)), "")


def hash_of(text: str) -> str:
    """A short name of a long key."""
    import hashlib

    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()
