"""Plots as plain SVG: bars for contestants, a line for a series."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.rows import Row

_WIDTH, _LABEL, _BAR = 720, 250, 22
_INK, _OURS, _LIMIT = "#333333", "#2f6f9f", "#c9a227"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="12" font-family="sans-serif" fill="{_INK}">{escape(text)}</text>'


def _svg(height: float, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>\n'
    )


def _bars(rows: Sequence[Row]) -> str:
    bars = [(r.what, r.value, _OURS) for r in rows]
    limits = {(r.limit_name, r.limit) for r in rows if r.limit is not None} - {(r.what, r.value) for r in rows}
    bars += [(name, value, _LIMIT) for name, value in sorted(limits, key=str) if value is not None]
    top = max(value for _, value, _ in bars) or 1
    body = [_text(8, 18, f"{rows[0].figure} [{rows[0].unit}]")]
    for i, (name, value, colour) in enumerate(bars):
        y = 30 + i * (_BAR + 4)
        width = (_WIDTH - _LABEL - 90) * value / top
        body.append(_text(_LABEL - 6, y + 15, name[:40], "end"))
        body.append(f'<rect x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
        body.append(_text(_LABEL + width + 6, y + 15, f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"))
    return _svg(38 + len(bars) * (_BAR + 4), body)


def _line(rows: Sequence[Row]) -> str:
    height, left, bottom = 260, 70, 36
    xs = [r.x for r in rows if r.x is not None]
    top, low, high = max(r.value for r in rows) * 1.1 or 1, min(xs), max(xs)

    def at(x: float, value: float) -> tuple[float, float]:
        share = (x - low) / (high - low) if high > low else 0.5
        return left + (_WIDTH - left - 20) * share, height - bottom - (height - bottom - 30) * value / top

    body = [_text(8, 18, f"{rows[0].figure} [{rows[0].unit}]"), _text(_WIDTH / 2, height - 6, rows[0].x_name, "middle")]
    body.append(f'<path d="M{left} 30V{height - bottom}H{_WIDTH - 20}" stroke="{_INK}" fill="none"/>')
    for value in (0.0, top / 2, top):
        body.append(_text(left - 6, at(low, value)[1] + 4, f"{value:,.3g}" if value < 1000 else f"{value:,.0f}", "end"))
    colours = ("#2f6f9f", "#b5532a", "#4d8c57", "#7a5195", "#c9a227")
    for colour, what in zip(colours, dict.fromkeys(r.what for r in rows), strict=False):
        points = sorted((r.x, r.value) for r in rows if r.what == what and r.x is not None)
        places = [at(x, value) for x, value in points]
        body.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" stroke="{colour}" stroke-width="2" fill="none"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        body.append(_text(places[-1][0] - 4, places[-1][1] - 8, what[:60], "end"))
    for x in sorted(set(xs)) if len(set(xs)) <= 13 else (low, high):
        body.append(_text(at(x, 0)[0], height - bottom + 14, f"{x:g}", "middle"))
    return _svg(height, body)


def draw(figure: str, rows: Sequence[Row]) -> str | None:
    """None where there is nothing to compare. Rows of other units than the first one's are left out."""
    same = [r for r in rows if r.unit == rows[0].unit]
    if any(r.x is not None for r in same):
        return _line([r for r in same if r.x is not None])
    return _bars(same) if len(same) > 1 or same[0].limit is not None else None
