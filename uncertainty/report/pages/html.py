"""A page as one HTML file, which asks no other host for anything. The door to Jinja2."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from uncertainty.errors import one_line
from uncertainty.report.figures import rounded
from uncertainty.report.parts import Data, Figure, Heading, Part, Table

if TYPE_CHECKING:
    from jinja2 import Template

_SVG = "http://www.w3.org/2000/svg"
_NUMBER = re.compile(r"[-−]?\d")
_WIDTH, _HEIGHT = 120.0, 30.0  # of a small drawing, in its own units
_BINS = 40  # enough for two peaks, at the width of three units
_DECADE = 10.0  # draws that spread further than this look alike on a linear axis
_CENTRAL = (0.005, 0.05, 0.5, 0.95, 0.995)  # beyond the outer two a tail would squeeze the rest


def html(page: Sequence[Part], drawings: Mapping[str, str]) -> str:
    """Write a page.

    Parameters
    ----------
    page : sequence of Part
    drawings : mapping of str to str
        SVG of its figures by name.

    Examples
    --------
    >>> text = html([Heading("1 < 2", 1)], {})
    >>> "<h1>1 &lt; 2</h1>" in text
    True
    """
    from markupsafe import Markup

    ids = (f"part-{number}" for number in count())
    blocks = list[dict[str, object]]()
    for part in page:
        block: dict[str, object] = {"kind": type(part).__name__.lower(), "part": part}
        if isinstance(part, Data) or (isinstance(part, Table) and not part.rows):
            continue
        if isinstance(part, Figure):
            caption = part.caption or part.name.replace("-", " ")
            drawing = inline(drawings[part.name], next(ids), caption, part.text)
            block |= {"caption": caption, "svg": Markup(drawing)}  # all text in it is escaped
        elif isinstance(part, Table):
            cells = [*zip(*part.rows, strict=True)]
            texts = [[cell for cell in column if cell] for column in cells]
            numeric = [
                i > 0 and bool(t) and all(map(_NUMBER.match, t)) for i, t in enumerate(texts)
            ]
            sketches = [
                Markup(inline(drawing, next(ids), row[0], text))
                for (drawing, text), row in zip(map(sketch, part.drawn), part.rows, strict=False)
            ]
            block |= {"numeric": numeric, "sketches": sketches}
            block["links"] = {
                text: link for text, link in part.links.items() if re.match("https?://", link)
            }
        blocks.append(block)
    title = next((p.text for p in page if isinstance(p, Heading)), "Report")
    script = (Path(__file__).parent / "sort.js").read_text(encoding="utf-8")
    # Whatever else might get into the page, a browser runs this script alone.
    seal = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(title=title, blocks=blocks, script=Markup(script), seal=seal) + "\n"


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    after = Markup("_<wbr>")

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Characters that act, such as those that turn the direction of text, are shown as such.
        finalize=lambda value: one_line(value) if type(value) is str else value,
    )
    # A long name of an assumption may go on in the next line after an underscore.
    environment.filters["breakable"] = lambda name: escape(one_line(name)).replace("_", after)
    return environment.get_template("page.html")


def inline(drawing: str, ident: str, title: str, text: str) -> str:
    """Make an SVG part of a page: ids of its own, a title and a text for those who cannot see it.

    Examples
    --------
    >>> svg = f'<svg xmlns="{_SVG}"><path id="a"/><use href="#a"/></svg>'
    >>> print(inline(svg, "one", "A line", "It rises.")[-46:])
    <path id="one-a" /><use href="#one-a" /></svg>
    """
    root = ElementTree.fromstring(drawing)
    for parent in [*root.iter()]:
        for child in [*parent]:
            # A style sheet inside would be one of the whole page; metadata names its maker.
            if child.tag in {f"{{{_SVG}}}{name}" for name in ("style", "metadata")}:
                parent.remove(child)
        parent.tag = parent.tag.removeprefix(f"{{{_SVG}}}")
        for key, value in [*parent.attrib.items()]:
            del parent.attrib[key]
            local = key.rpartition("}")[2]  # xlink:href is href in HTML
            before = {"id": "", "href": "#"}.get(local)
            if before is not None:
                value = f"{before}{ident}-{value.removeprefix(before)}"
            parent.set(local, value.replace("url(#", f"url(#{ident}-"))
    for key in ("width", "height"):  # it is as wide as the page has room
        root.attrib.pop(key, None)
    about = {"title": title, "desc": text or title}
    for place, (name, content) in enumerate(about.items()):
        element = ElementTree.Element(name, {"id": f"{ident}-{name}"})
        element.text = one_line(content)
        root.insert(place, element)
    root.attrib |= {"role": "img", "aria-labelledby": f"{ident}-title"}
    root.set("aria-describedby", f"{ident}-desc")
    return ElementTree.tostring(root, encoding="unicode")


def sketch(draws: Mapping[str, np.ndarray]) -> tuple[str, str]:
    """Draw how draws spread, small: an SVG, and the numbers of it in words.

    The prior is an area, the posterior a line over it; below are the median and what lies from 5 to
    95 %. The axis is logarithmic where positive draws spread over more than a decade.

    Examples
    --------
    >>> svg, text = sketch({"prior": np.linspace(0.0, 1.0, 1001)})
    >>> text
    'prior: median 0.5, from 0.05 (5 %) to 0.95 (95 %)'
    """
    levels = {name: np.quantile(values, _CENTRAL) for name, values in draws.items()}
    low, high = min(q[0] for q in levels.values()), max(q[-1] for q in levels.values())
    scale = np.log if low > 0 and high / low > _DECADE else np.asarray
    if not (np.isfinite([low, high]).all() and low < high):
        return f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}"/>', "one value"
    ends = (float(scale(low)), float(scale(high)))

    def place(value: float) -> float:
        return float((scale(value) - ends[0]) / (ends[1] - ends[0]) * _WIDTH)

    shapes, texts = list[str](), list[str]()
    for number, (name, values) in enumerate(draws.items()):
        inside = values[(values >= low) & (values <= high)]
        counts, _ = np.histogram(scale(inside), _BINS, ends)
        # Once smoothed: the steps of so few bins would be seen as peaks.
        heights = np.convolve(np.pad(counts, 1, "edge"), [0.25, 0.5, 0.25], "valid")
        tops = (_HEIGHT - 6) * (1 - heights / heights.max())
        across = (np.arange(_BINS) + 0.5) * _WIDTH / _BINS
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, tops, strict=True))
        if not number:
            points = f"0,{_HEIGHT - 6:g} {points} {_WIDTH:g},{_HEIGHT - 6:g}"
        _, p5, median, p95, _ = (float(q) for q in levels[name])
        start, middle, end = map(place, (p5, median, p95))
        shown, line = ("line" if number else "area"), _HEIGHT - 4 + 3 * number
        shapes.append(
            f'<polyline class="{shown}" points="{points}"/>'
            f'<path class="{shown}" d="M{start:.1f} {line:g}H{end:.1f}"/>'
            f'<circle class="{shown}" cx="{middle:.1f}" cy="{line:g}" r="1.8"/>'
        )
        spread = f"from {rounded(p5)} (5 %) to {rounded(p95)} (95 %)"
        texts.append(f"{name}: median {rounded(median)}, {spread}")
    box = f'viewBox="-1 0 {_WIDTH + 2:g} {_HEIGHT + 2:g}"'
    return f'<svg xmlns="{_SVG}" {box} class="sketch">{"".join(shapes)}</svg>', "; ".join(texts)
