"""What a model would seem to take, read off its layers: to show the spelling of --input, never to run on."""

from __future__ import annotations

import re

from torch import nn

_OTHER_TABLES = re.compile(r"type|segment|pos|time", re.IGNORECASE)


def guess_spec(model: nn.Module) -> str:
    """A SPEC for the first layer that has weights: ``1,784``; ``""`` if there is none to go by."""
    for module in model.modules():
        spec = _of_layer(module)
        if spec:
            return spec
    return ""


def _of_layer(module: nn.Module) -> str:
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return f"1,16:int64[0,{module.num_embeddings})"
    if isinstance(module, nn.Linear):
        return f"1,{module.in_features}" if module.in_features else ""
    if isinstance(module, nn.Bilinear):
        return f"1,{module.in1_features}"
    if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
        return f"1,{module.in_channels},64"
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return f"1,{module.in_channels},32,32"
    if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
        return f"1,{module.in_channels},16,32,32"
    if isinstance(module, nn.RNNBase):
        return f"1,16,{module.input_size}" if module.batch_first else f"16,1,{module.input_size}"
    if isinstance(module, nn.RNNCellBase):
        return f"1,{module.input_size}"
    if isinstance(module, nn.MultiheadAttention):
        return f"1,16,{module.embed_dim}" if module.batch_first else f"16,1,{module.embed_dim}"
    if isinstance(module, nn.BatchNorm3d):
        return f"1,{module.num_features},16,32,32"
    if isinstance(module, nn.BatchNorm2d):
        return f"1,{module.num_features},32,32"
    if isinstance(module, nn.BatchNorm1d):
        return f"1,{module.num_features}"
    if isinstance(module, nn.LayerNorm):
        return ",".join(map(str, (1, *module.normalized_shape)))
    return ""


def vocabulary(model: nn.Module) -> int | None:
    """Ids that every token table of the model holds; tables of segments and positions are not asked where there are others."""
    tables = [(name, m.num_embeddings) for name, m in model.named_modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))]
    tokens = [size for name, size in tables if not _OTHER_TABLES.search(name.rpartition(".")[2])]
    return min(tokens or [size for _, size in tables], default=None)


def image_channels(model: nn.Module) -> int:
    """1 if the first 2-D convolution takes one channel, else 3."""
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    return 1 if first is not None and first.in_channels == 1 else 3
