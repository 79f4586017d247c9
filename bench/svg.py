# SPDX-License-Identifier: Apache-2.0
# Line plots on two logarithmic axes, side by side, as SVG text: no library, so that the figure can be made anywhere.
import math

WIDTH, HEIGHT, LEFT, TOP, LEGEND = 460, 360, 60, 40, 190
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8d5a97", "#e08e2b", "#2b2d42", "#00798c", "#9c6644", "#6c757d", "#b5179e",
           "#588157", "#000000")


def ticks(low, high):
    return range(math.ceil(low), math.floor(high) + 1)


def panel(x0, name, lines, x_name, y_name):
    """One plot; lines: label -> (points of log10 values, dashed)."""
    xs = [x for points, _ in lines.values() for x, _ in points]
    ys = [y for points, _ in lines.values() for _, y in points]
    if not xs:
        return []
    x_low, x_high, y_low, y_high = min(xs), max(xs), min(ys), max(ys)

    def at(x, y):
        return (x0 + LEFT + (x - x_low) / max(x_high - x_low, 1e-9) * WIDTH,
                TOP + (y_high - y) / max(y_high - y_low, 1e-9) * HEIGHT)

    out = [f'<text x="{x0 + LEFT}" y="{TOP - 14}" font-weight="bold">{name}</text>',
           f'<rect x="{x0 + LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
           f'<text x="{x0 + LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">{x_name}</text>',
           f'<text transform="translate({x0 + 14} {TOP + HEIGHT / 2}) rotate(-90)" text-anchor="middle">{y_name}</text>']
    for t in ticks(x_low, x_high):
        x, y = at(t, y_low)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{y:.1f}" stroke="#eee"/>'
                   f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{10.0 ** t:g}</text>')
    for t in ticks(y_low, y_high):
        x, y = at(x_low, t)
        out.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x0 + LEFT + WIDTH}" y2="{y:.1f}" stroke="#eee"/>'
                   f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** t:g}</text>')
    for i, (label, (points, dashed)) in enumerate(lines.items()):
        style = f'stroke="{COLOURS[i % len(COLOURS)]}"' + (' stroke-dasharray="6 4"' if dashed else "")
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*p) for p in points))
        y = TOP + 12 + 17 * i
        x = x0 + LEFT + WIDTH + 12
        out.append(f'<polyline points="{path}" fill="none" stroke-width="1.8" {style}/>'
                   f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" stroke-width="1.8" {style}/>'
                   f'<text x="{x + 28}" y="{y}">{label}</text>')
    return out


def panels(drawn, x_name, y_name):
    """The figure; drawn: (name, lines) for each plot."""
    across = LEFT + WIDTH + LEGEND
    body = [line for i, (name, lines) in enumerate(drawn) for line in panel(i * across, name, lines, x_name, y_name)]
    size = f'width="{across * len(drawn)}" height="{TOP + HEIGHT + 50}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n'
            '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n")
