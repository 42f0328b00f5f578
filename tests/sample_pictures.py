"""Make-believe pictures of what goes in and out, made without torch."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Sequence

from nnreport.facts import Entry, Filters, Maps, Picture, Pictures, Range, Raster, TensorInfo


def raster(shape: Sequence[int], level: Callable[[int], int], low: float = 0.0, high: float = 1.0) -> Raster:
    """A raster whose bytes are ``level`` of their place."""
    data = bytes(level(i) for i in range(math.prod(shape)))
    packed = base64.b64encode(zlib.compress(data)).decode()
    return Raster(shape=list(shape), low=[low], high=[high], data=packed)


def ramp(i: int) -> int:
    return i * 7 % 255


def waves(i: int) -> int:
    return round(127 + 120 * math.sin(i / 9))


def entries(values: Sequence[float], share: bool = False) -> list[Entry]:
    return [Entry(index=i, value=value, share=1 / len(values) if share else None) for i, value in enumerate(values)]


def photographs(name: str = "x") -> Pictures:
    """Two photographs, ten classes, filters of which one is zero, maps of which one is dead."""
    module = "stem" if name == "x" else name
    image = Picture(
        name=name,
        kind="image",
        tensor=TensorInfo(shape=[8, 3, 64, 64], dtype="float32"),
        range=Range(minimum=-2.1, maximum=2.6, mean=0, std=1, count=98304),
        source="first batch of --data train.py:loader" if name == "x" else name,
        raster=raster([2, 3, 24, 24], waves, -2.1, 2.6),
        remarks=[] if name == "x" else [name],
        warnings=[] if name == "x" else [name],
    )
    scores = Picture(
        name="output" if name == "x" else name,
        kind="scores",
        tensor=TensorInfo(shape=[8, 10], dtype="float32"),
        range=Range(minimum=-1.5, maximum=2.5, mean=0, std=1, count=80),
        rows=[entries([2.5, 1.0, 0.5, -0.25, -1.5], share=True)] * 2,
        row=entries([0.1 * i for i in range(10)]),
        length=10,
    )
    kernels = raster([16, 3, 3, 3], lambda i: 127 if i // 27 == 5 else ramp(i), -0.2, 0.2)
    maps = raster([8, 12, 12], lambda i: 0 if i // 144 == 3 else waves(i), 0, 1.4)
    return Pictures(
        inputs=[image],
        outputs=[scores],
        labels=[0, 3, 1, 1],
        filters=Filters(module=module, parameter=f"{module}.weight", shape=[16, 3, 3, 3], raster=kernels, zero=[5]),
        maps=[
            Maps(
                module=module,
                operation="relu",
                shape=[8, 16, 32, 32],
                channels=list(range(8)),
                raster=maps,
                dead=[3, 12],
                dead_count=2,
            )
        ],
        samples=8,
        user=True,
    )


def texts() -> Pictures:
    """Tokens with padding, and how likely which word is where."""
    ids = [[7, 81, 5, 990, 12] + [0] * 19, list(range(24))]
    strip = raster([2, 64], lambda i: ramp(i) if i < 5 or i >= 64 else 0, 0, 999)
    tokens = Picture(
        name="tokens",
        kind="tokens",
        tensor=TensorInfo(shape=[2, 64], dtype="int64"),
        range=Range(minimum=0, maximum=999, mean=300, std=200, count=128),
        tokens=ids,
        raster=strip,
        length=64,
    )
    words = Picture(
        name="output",
        kind="map",
        tensor=TensorInfo(shape=[2, 64, 1000], dtype="float32"),
        axes=["class", "place"],
        row=entries([0.01] * 16),
        raster=raster([16, 32], waves, 0.001, 0.02),
        length=64,
    )
    return Pictures(inputs=[tokens], outputs=[words], samples=2, user=True)


def every_kind() -> Pictures:
    """One of each other kind, on which the sizes are odd."""

    def one(kind: str, shape: list[int], made: Raster | None = None, **more: object) -> Picture:
        tensor = TensorInfo(shape=shape, dtype="float32")
        return Picture(name=kind, kind=kind, tensor=tensor, raster=made, **more)  # type: ignore[arg-type]

    wave, spectrum = raster([2, 50], lambda i: 90 if i < 50 else 160, -1, 1), raster([9, 17], ramp, -80, 0)
    series = Raster(shape=[3, 20], low=[0, -5, 7], high=[1, 5, 7], data=raster([3, 20], waves).data)
    ranged = [Entry(index=i, value=0.5, low=0.0, high=1.0 + i) for i in range(4)]
    targets = [Entry(index=i, value=value, target=0.25) for i, value in enumerate((0.1, -0.4, "nan"))]
    return Pictures(
        inputs=[
            one(
                "channels", [2, 5, 9, 9], raster([1, 5, 9, 9], ramp), second=raster([2, 7, 7], lambda i: 254 * (i % 5) // 4, 0, 4)
            ),
            one("mask", [2, 30], raster([2, 30], lambda i: 254 if i % 30 < 20 else 0), length=30),
            one("waveform", [2, 1, 5000], wave, second=spectrum, length=5000),
            one("series", [2, 20, 3], series, length=20),
            one("map", [2, 20, 64], raster([20, 33], ramp), axes=["feature", "place"]),
            one("row", [64, 4], row=ranged, length=4),
            one("row", [1, 3], row=entries([0.5, -0.5, 2.0]), length=3, noise=True),
            one("image", [1, 1, 5, 5], raster([1, 1, 5, 5], lambda i: 255 if i == 7 else ramp(i))),
            one("none", [2, 0], remarks=["It is not drawn: it is empty."]),
        ],
        outputs=[one("values", [3, 1], row=targets), one("scores", [1, 3], rows=[entries([3.0, 2.0, 1.0])], length=3)],
        targets=[one("classes", [2, 7, 7], raster([2, 7, 7], lambda i: 254 * (i % 3) // 2, 0, 2))],
        maps=[
            Maps(
                module="conv",
                operation="relu",
                shape=[2, 8, 90],
                channels=[0, 1],
                raster=raster([2, 45], waves),
                dead=[1],
                dead_count=1,
            )
        ],
        samples=2,
    )
