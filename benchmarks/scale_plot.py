"""Draws what grows with what, both on logarithmic scales, as an SVG: costs in proportion are lines that go up one to one."""

from __future__ import annotations

from itertools import groupby
from math import ceil, floor, log10
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 400, 64, 48, 16, 150
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


class Point(NamedTuple):
    """A point of a line."""

    line: str
    x: float
    y: float


def svg(points: list[Point], across: str, up: str) -> str:
    """The plot.

    Args:
        points: Those of each line together, from left to right.
        across: What `x` is.
        up: What `y` is.
    """
    bounds = [
        (floor(log10(min(values))), max(ceil(log10(max(values))), floor(log10(min(values))) + 1))
        for values in ([point.x for point in points], [point.y for point in points])
    ]

    def place(x: float, y: float) -> tuple[float, float]:
        (left, right), (low, high) = bounds
        return (
            LEFT + (log10(x) - left) / (right - left) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (log10(y) - low) / (high - low) * (HEIGHT - BOTTOM - TOP),
        )

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    (left, right), (low, high) = bounds
    for power in range(left, right + 1):
        x, y = place(10**power, 10**low)
        out.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{TOP}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{10**power:,}</text>')
    for power in range(low, high + 1):
        x, y = place(10**left, 10.0**power)
        out.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{escape(up)}</text>')
    ordered = sorted(points, key=lambda point: point.line)
    for number, (line, of_line) in enumerate(groupby(ordered, key=lambda point: point.line)):
        colour = COLOURS[number % len(COLOURS)]
        dots = [place(point.x, point.y) for point in of_line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in dots]
        y = TOP + 12 + 18 * number
        out.append(f'<text x="{WIDTH - RIGHT + 12}" y="{y}" fill="{colour}">{escape(line)}</text>')
    return "\n".join([*out, "</svg>", ""])
