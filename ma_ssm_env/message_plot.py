"""The picture of a recorded trial: an SVG with a band of color for each number that was posted or received.

Drawn by hand, so that it needs no plotting library: a field's numbers over time are one small PNG, a pixel a
number and step, that the SVG stretches; rate, bits and reward are lines.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.scenarios import SCENARIOS

if TYPE_CHECKING:
    from ma_ssm_env.message_log import TrialLog

_LEFT, _WIDTH, _RIGHT = 150, 800, 90
_BANDS = ("belief", "received_belief", "prior", "correction", "trust", "torque")
_TITLES = {
    "belief": "belief, as sent",
    "received_belief": "belief, as received",
    "prior": "prior",
    "correction": "correction",
    "trust": "trust",
    "torque": "torque",
}
_NEGATIVE, _ZERO, _POSITIVE = (204, 92, 38), (247, 247, 245), (33, 102, 171)
_STYLE = "font-family:system-ui,sans-serif;font-size:12px;fill:#222"


def trial_svg(log: TrialLog) -> str:
    """The picture of `log`, as the text of an SVG file."""
    steps, parts, top = len(log), [], 50
    for name in _BANDS:
        values = log.fields[name]
        height = max(12, min(88, 8 * values.shape[1]))
        parts.append(_band(values, top, height))
        parts.append(_text(_LEFT - 8, top + height / 2 + 4, _TITLES[name], "end"))
        top += height + 8
    lines = (
        ("rate", log.fields["rate"][:, 0], (-1.0, 1.0)),
        ("bits a step", log.fields["bits"][:, 0], (0.0, 64.0)),
        ("reward", log.fields["reward"][:, 0], None),
    )
    for title, values, span in lines:
        parts.append(_line(values, top, 54, span))
        parts.append(_text(_LEFT - 8, top + 31, title, "end"))
        top += 62
    starts = [0, *(np.flatnonzero(np.diff(log.fields["episode"][:, 0])) + 1).tolist()]
    for number, start in enumerate(starts):
        x = _LEFT + _WIDTH * start / steps
        parts.append(f'<path d="M{x:.1f} 36V{top - 8}" stroke="#222" stroke-dasharray="2 3"/>')
        parts.append(_text(x + 4, 44, f"inner episode {number + 1}"))
    parts.append(_text(_LEFT, top + 8, "step 0"))
    parts.append(_text(_LEFT + _WIDTH, top + 8, str(steps), "end"))
    coordinates = SCENARIOS[log.scenario].variation.coordinates[:3]
    task = ", ".join(f"{c.name} = {value:.3g}" for c, value in zip(coordinates, log.task, strict=False))
    head = f"{log.scenario}, world seed {log.seed}, trial {log.trial}" + (f": {task}" if task else "")
    parts.append(_text(8, 20, head))
    size = f'width="{_LEFT + _WIDTH + _RIGHT}" height="{top + 20}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{_STYLE}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _band(values: NDArray[np.float32], top: float, height: float) -> str:
    image = base64.b64encode(png(_colors(values.T))).decode()
    return (
        f'<image x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{height}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{image}"/>'
        f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{height}" fill="none" stroke="#bbb"/>'
    )


def _colors(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Orange at -1, white at 0, blue at 1: [n, T] -> [n, T, 3]."""
    size = np.clip(np.abs(values), 0.0, 1.0)[:, :, None]
    end = np.where(values[:, :, None] < 0, np.array(_NEGATIVE), np.array(_POSITIVE))
    colors: NDArray[np.uint8] = np.rint((1.0 - size) * np.array(_ZERO) + size * end).astype(np.uint8)
    return colors


def _line(values: NDArray[np.float32], top: float, height: float, span: tuple[float, float] | None) -> str:
    low, high = span or (min(0.0, float(values.min())), max(0.0, float(values.max())))
    high = high if high > low else low + 1.0
    x = _LEFT + _WIDTH * (np.arange(len(values)) + 0.5) / len(values)
    y = top + height * (high - np.clip(values, low, high)) / (high - low)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    zero = top + height * high / (high - low)
    return (
        f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{height}" fill="#f7f7f5" stroke="#bbb"/>'
        f'<path d="M{_LEFT} {zero:.1f}h{_WIDTH}" stroke="#bbb"/>'
        f'<polyline points="{points}" fill="none" stroke="#2166ab" stroke-width="1.5"/>'
        + _text(_LEFT + _WIDTH + 6, top + 10, f"{high:.3g}")
        + _text(_LEFT + _WIDTH + 6, top + height, f"{low:.3g}")
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An image [height, width, 3] as a PNG file."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
