r"""A page as a LaTeX document, which plain ``pdflatex`` takes."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from uncertainty.errors import one_line
from uncertainty.report.parts import Doubts, Figure, Heading, Notes, Part, Sentence, Table

_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[a4paper,margin=2.2cm]{geometry}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{array,booktabs,longtable}
\usepackage[hidelinks]{hyperref}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt plus 2pt}
\setlength{\emergencystretch}{3em}
\begin{document}
"""
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_\allowbreak{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    # Else two of them would become one other character.
    "-": "-{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}", "?": "?{}", "!": "!{}",
    ",": ",{}",
    # What T1 does not have.
    "±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}", "÷": r"\ensuremath{\div}",
    "−": r"\ensuremath{-}", "²": r"\ensuremath{^2}", "³": r"\ensuremath{^3}", "°": r"\textdegree{}",
    "µ": r"\textmu{}", "μ": r"\textmu{}", "·": r"\textperiodcentered{}", "•": r"\textbullet{}",
    "≤": r"\ensuremath{\le}", "≥": r"\ensuremath{\ge}", "≈": r"\ensuremath{\approx}",
    "→": r"\ensuremath{\to}", "–": "--", "—": "---", "‘": "`{}", "’": "'{}",
    "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}", "…": r"\dots{}", "€": r"\texteuro{}",
}  # fmt: skip
# Of a word of 25 characters or more, such as a hash, each ten that others follow: there it
# may go on in the next line. No command is as long.
_HASH = re.compile(r"(?:(?<=[a-z0-9]{15})|(?=[a-z0-9]{25}))[a-z0-9]{10}(?=[a-z0-9])")
_OUTSIDE = "ªºĸŉſ"  # letters of Latin-1 and Latin Extended-A that T1 fonts lack
_NUMBER = re.compile(r"[-−]?\d")
# Letters of a line of this width, in both sizes of tables.
_LETTERS, _SMALL_LETTERS = 85, 125
_MOST = 60  # letters that count towards the width of a column: longer texts have several lines


def escape_latex(text: str) -> str:
    r"""Write a text so that LaTeX prints it as it is, on one line.

    What the font lacks is named: ``[U+65E5]``.

    Examples
    --------
    >>> print(escape_latex(r"50 % of a_b & \x"))
    50 \% of a\_\allowbreak{}b \& \textbackslash{}x
    """
    letters = []
    for letter in unicodedata.normalize("NFC", one_line(text).strip()):
        known = letter <= "~" or (letter <= "ſ" and letter.isalpha() and letter not in _OUTSIDE)
        letters.append(_SPECIAL.get(letter, letter if known else f"[U+{ord(letter):04X}]"))
    return _HASH.sub(r"\g<0>\\allowbreak{}", "".join(letters))


def latex(page: Sequence[Part]) -> str:
    r"""Write a page.

    Examples
    --------
    >>> text = latex([Heading("50 %", 1), Table("T", ["a", "b"], [["x", "1"]])])
    >>> r"\section*{50 \%}" in text, r"\toprule" in text
    (True, True)
    """
    body = "\n".join(block for part in page for block in _blocks(part))
    return f"{_PREAMBLE}\n{body}\n\\end{{document}}\n"


def _blocks(part: Part) -> Iterator[str]:
    match part:
        case Heading(text, level):
            sub = "sub" * (min(level, 3) - 1)
            yield f"\\{sub}section*{{{escape_latex(text)}}}"
        case Sentence(text, code=True):
            yield f"{{\\ttfamily\\raggedright {escape_latex(text)}\\par}}\n"
        case Sentence(text, label):
            before = f"\\textbf{{{escape_latex(label)}:}} " if label else ""
            yield f"{before}{escape_latex(text)}\n"
        case Table() if part.rows:
            yield from _table(part)
        case Notes(items=items):
            yield from _items(items)
        case Doubts(items):
            yield "\\textbf{Not to be trusted:}"
            yield from _items(items)
        case Figure(name, caption=caption):
            yield f"\\emph{{Figure, in the HTML report: {escape_latex(caption or name)}}}\n"


def _items(items: Iterable[str]) -> Iterator[str]:
    yield "\\begin{itemize}"
    yield from (f"\\item {{}}{escape_latex(item)}" for item in items)
    yield "\\end{itemize}"


def _table(part: Table) -> Iterator[str]:
    """A table over any number of pages, whose long texts have several lines."""
    columns = [*zip(part.columns, *part.rows, strict=True)]
    lengths = [max(map(len, column)) for column in columns]
    size = "\\small" if sum(lengths) <= _LETTERS else "\\scriptsize"
    letters = _LETTERS if size == "\\small" else _SMALL_LETTERS
    room, every = letters - 2 * len(columns), range(len(columns))
    # No narrower than the longest part of a word, which cannot break.
    least = [max(len(w) for c in column for w in re.split(r"[\s_-]", c)) for column in columns]
    whole = set[int]()
    # Short columns are as wide as their text, where the others keep room for their words.
    for i in sorted(every, key=lambda i: lengths[i]):
        if sum(lengths[k] if k in {*whole, i} else least[k] for k in every) <= room:
            whole.add(i)
    left = max(room - sum(lengths[k] if k in whole else least[k] for k in every), 0)
    weights = {k: min(lengths[k], _MOST) for k in every if k not in whole}
    kinds = []
    for i, (_, *cells) in enumerate(columns):
        more = left * weights.get(i, 0) / max(sum(weights.values()), 1)
        width = (least[i] + more) / letters
        number = i and all(_NUMBER.match(cell) for cell in cells if cell)
        paragraph = rf">{{\raggedright\arraybackslash}}p{{{width:.3f}\linewidth}}"
        kinds.append(paragraph if i in weights else "r" if number else "l")
    yield f"\\begingroup{size}"
    yield "\\setlength{\\tabcolsep}{3pt}"
    yield f"\\begin{{longtable}}{{@{{}}{''.join(kinds)}@{{}}}}"
    if part.title:
        title = f"\\textbf{{{escape_latex(part.title)}}}"
        yield f"\\multicolumn{{{len(columns)}}}{{@{{}}l}}{{{title}}}\\\\"
    head = _row(part.columns, {})
    yield f"\\toprule\n{head}\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot"
    yield from (_row(row, part.links) for row in part.rows)
    yield "\\end{longtable}\n\\endgroup\n"


def _row(cells: Sequence[str], links: Mapping[str, str]) -> str:
    # In braces: a bracket at its start would be an option of the end of the row before.
    texts = [
        f"\\href{{{_address(links[cell])}}}{{{escape_latex(cell)}}}"
        if cell in links
        else f"{{{escape_latex(cell)}}}"
        for cell in cells
    ]
    return " & ".join(texts) + r" \\"


def _address(link: str) -> str:
    """An address in which no character acts: those that could are in their percent form."""
    plain = re.sub(r"[^\w.:/?=+@,;~-]", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), link)
    return plain.replace("%", r"\%").replace("~", r"\string~").replace("_", r"\_")
