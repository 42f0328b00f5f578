"""The first layer that looks at pictures: what its weights look like."""

from __future__ import annotations

from torch import Tensor

from nnreport.facts import Filters
from nnreport.inspector.picturing.kinds import FLAT_IMAGES, IMAGE_CHANNELS
from nnreport.inspector.picturing.rasters import ends, plain, raster
from nnreport.inspector.picturing.readers import Reader

FILTERS = 24
VALUES = 3_500
"""Values of all filters together that are drawn."""
SMALLEST, LARGEST = 3, 32
"""Sides of a kernel that is worth a look."""
ZEROS = 64


def first_filters(weights: dict[str, Tensor], readers: list[Reader]) -> Filters | None:
    """The filters of the first reader that is a convolution over pictures, or a linear layer over a row that is one.

    Args:
        weights: parameter name -> tensor.
        readers: of the inputs, in their order.
    """
    for reader in readers:
        tensor = weights.get(reader.parameter)
        if tensor is None:
            continue
        view = view_of(reader)
        if view is None:
            continue
        whole = tensor.detach().reshape(tensor.shape[0], *view)
        count = max(1, min(FILTERS, VALUES // (view[0] * view[1] * view[2])))
        shown = plain(whole[:count])
        most = max(map(abs, ends(shown))) or 1.0
        empty = (whole == 0).flatten(1).all(1).nonzero().flatten().tolist()
        return Filters(
            module=reader.module,
            parameter=reader.parameter,
            shape=[int(size) for size in tensor.shape],
            raster=raster(shown, -most, most),
            zero=empty[:ZEROS],
        )
    return None


def view_of(reader: Reader) -> tuple[int, int, int] | None:
    """[channel, y, x] of one filter; None where it is no picture."""
    weight = reader.weight
    if reader.operation == "conv2d" and len(weight) == 4 and SMALLEST <= max(weight[2:]) <= LARGEST:
        channels = weight[1] if weight[1] in IMAGE_CHANNELS[:2] else 1 if weight[1] > 4 else 0
        return (channels, weight[2], weight[3]) if channels == weight[1] else None
    if reader.operation == "linear" and len(weight) == 2:
        given = reader.shape[-1:] or [weight[1]]
        return FLAT_IMAGES.get(weight[1]) if given == [weight[1]] else None
    return None
