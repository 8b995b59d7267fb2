"""A document: its appendix, the order of its parts, and its file."""

import base64
import inspect
import json
import re
import shlex
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xarray as xr

from uncertainty.energy import ENERGY_MODELS
from uncertainty.errors import counted, require_known
from uncertainty.files import shipped_names, sources
from uncertainty.report.figures import distinct
from uncertainty.report.pages.html import html
from uncertainty.report.pages.latex import latex
from uncertainty.report.parts import Figure, Heading, Notes, Part, Sentence, Table, markdown, write
from uncertainty.results import quantile_estimate
from uncertainty.writing import refuse_inputs, write_text

FORMATS = ("html", "md", "tex")
"""What a document can be written as."""

_FACTS = ("basis", "source", "law", "varies", "note")
_PLACES = ("journal", "booktitle", "howpublished", "publisher")  # of a citation, the first it has
_ARXIV = re.compile(r"\barXiv:(\d{4}\.\d{4,5})")
_GITHUB = re.compile(r"\bgithub\.com/[\w./-]*\w")
# A section of a docstring ends where another title is underlined, or with the text.
_NOTES = re.compile(r"^Notes\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}$|\Z)", re.MULTILINE | re.DOTALL)


def appendix_parts(tree: xr.DataTree) -> Iterator[Part]:
    """Compose what stands behind an answer: assumptions, method, sources, provenance."""
    facts, cited = tree.attrs, sources()
    evidence = json.loads(str(facts.get("evidence", "[]")))
    # Of a posterior also the effects that it draws anew.
    groups = [tree[name].data_vars for name in ("prior", "posterior") if name in tree.children]
    inputs = {str(name): group[name] for group in reversed(groups) for name in group}
    # Effects of the groups that were measured are not of the system in question.
    inputs = {n: inputs[n] for group in groups for n in map(str, group) if inputs[n].ndim == 2}
    keys = [str(values.attrs.get("source", "")) for values in inputs.values()]
    keys += [str(item["source"]) for item in evidence]
    used = sorted({key for key in keys if key})
    links = {key: link for key in used if (link := address(cited.get(key, {})))}
    if inputs:
        yield Heading("Assumptions", detail=True)
        if len(groups) > 1:
            text = "Each as it is before any measurement; in a drawing, a line over the area is"
            yield Sentence(f"{text} what measurements make of it.", detail=True)
        yield _assumptions(tree, inputs, links)
    yield Heading("Method", detail=True)
    yield from (Sentence(text, detail=True) for text in method_sentences(tree))
    columns = ["evidence", "what it is", "rows", "observes", "source"]
    rows = [
        [str(item[key]) for key in ("name", "title", "rows", "observes", "source")]
        for item in evidence
    ]
    if rows:
        yield Table("Evidence", columns, rows, detail=True, links=links)
    if used:
        fields = ("author", "title", "year")
        rows = []
        for key, entry in ((key, cited.get(key, {})) for key in used):
            where = next((entry[name] for name in _PLACES if name in entry), "")
            rows.append([key, *(entry.get(name, "") for name in fields), where])
        yield Heading("Sources", detail=True)
        yield Table("", ["source", *fields, "where"], rows, detail=True, links=links)
    yield Notes("Provenance", [*provenance_lines(tree)], detail=True)
    yield Heading("How to run this again", detail=True)
    command = again(facts)
    if command:
        yield Sentence(command, detail=True, code=True)
    else:
        text = "It was made from Python objects: run the script that made them, with seed"
        yield Sentence(f"{text} {facts['seed']}.", detail=True)


def _assumptions(
    tree: xr.DataTree, inputs: Mapping[str, xr.DataArray], links: Mapping[str, str]
) -> Table:
    """A row for each assumption: its law, what it implies, and why."""
    updated, rows, drawn = {*json.loads(str(tree.attrs.get("updated", "[]")))}, [], []
    for name, values in inputs.items():
        draws = np.asarray(values.values, np.float64)
        low, median, high = (quantile_estimate(draws, p)[0] for p in (0.05, 0.5, 0.95))
        ends = distinct(median, low, high, digits=3)
        between = "" if low == high else f"{ends[1]} to {ends[2]}"
        first = "prior" if name in tree["prior"] else "posterior"
        rows.append([name, ends[0], between, str(values.attrs.get("units", ""))])
        rows[-1] += [str(values.attrs.get(key, "")) for key in _FACTS]
        both = [first, "posterior"] if name in updated else [first]
        drawn.append({group: np.asarray(tree[group][name].values).ravel() for group in both})
    columns = ["assumption", "median", "5 to 95 %", "unit", *_FACTS]
    return Table("", columns, rows, detail=True, links=links, drawn=drawn)


def address(entry: Mapping[str, str]) -> str:
    """Where a citation is on the web; empty where it does not say.

    Examples
    --------
    >>> address({"note": "arXiv:2505.06371; version 3"}), address({"doi": "10.1016/j.joule.1"})
    ('https://arxiv.org/abs/2505.06371', 'https://doi.org/10.1016/j.joule.1')
    """
    text = " ".join(value.replace("\\_", "_") for value in entry.values())
    if "doi" in entry:
        return f"https://doi.org/{entry['doi']}"
    if re.match("https?://", entry.get("url", "")):
        return entry["url"]
    if "eprint" in entry and "arxiv" in entry.get("archiveprefix", "").lower():
        return f"https://arxiv.org/abs/{entry['eprint']}"
    if paper := _ARXIV.search(text):
        return f"https://arxiv.org/abs/{paper[1]}"
    return f"https://{place[0]}" if (place := _GITHUB.search(text)) else ""


def method_sentences(tree: xr.DataTree) -> Iterator[str]:
    """Say which model was computed, by which formulas, at how many points."""
    facts, central = tree.attrs, tree["central"].data_vars
    yield f"Energy model: {facts['model']}."
    for name in re.findall(r"\w+", str(facts["model"])):
        model = ENERGY_MODELS.get(name)
        first = model.outputs[0] if model else None
        # A function of the user's may have the name of a shipped one, but declares no meanings.
        if model is None or first is None or not central.get(first.name, xr.DataArray()).attrs:
            continue
        notes = _NOTES.search(f"{inspect.getdoc(model.function)}\n")
        for text in [f"{name}: {model.meaning}", *(notes[1] if notes else "").split("\n\n")]:
            if plain := " ".join(text.replace("`", "").split()):
                yield plain
    draws = f"{counted(int(facts['draws']), 'draw')} of what is not known"
    randomized = f"{facts['randomizations']} independent randomizations of scrambled Sobol' points"
    queries = f", each with {facts['queries']} queries" if int(facts["queries"]) > 1 else ""
    yield f"The prior: {draws}, in {randomized}{queries}."
    if "posterior_draws" in facts:
        chains = counted(int(facts["posterior_chains"]), "chain")
        each = counted(int(facts["posterior_draws"]), "draw")
        yield f"The posterior: {chains} of {each}, by {facts.get('sampler', 'nuts')}."


def provenance_lines(tree: xr.DataTree) -> Iterator[str]:
    """Say what a result was computed from, and with which versions."""
    facts = tree.attrs
    keys = ("model", "scenario", "given", "seed", "draws", "randomizations", "queries")
    for key in (*keys, "executor", "command", "created_at"):
        if facts.get(key, "") != "":  # a seed of 0 is one
            yield f"{key}: {facts[key]}"
    for file in json.loads(str(facts["prior_files"])):
        if file["text"]:
            yield f"{file['path']}: sha256 {file['sha256']}"
    yield ", ".join(f"{k} {v}" for k, v in json.loads(str(facts["versions"])).items())


def again(facts: Mapping[Hashable, object]) -> str:
    """Command that gives a result again; empty where its question is in no file.

    Examples
    --------
    >>> again({"recipe": '{"priors": "priors/gpt-4o.yaml", "given": {"pue": 1.2}}', "seed": 0})
    'uncertainty run gpt-4o --set pue=1.2 --seed 0'
    """
    if command := str(facts.get("command", "")):
        return command
    recipe = json.loads(str(facts.get("recipe", "null")))
    if recipe is None:
        return ""
    file = str(recipe["priors"])
    shipped = file.removeprefix("priors/").removesuffix(".yaml")
    words = [shipped if file.startswith("priors/") and shipped in shipped_names() else file]
    for key in ("model", "scenario", "usage"):
        if value := recipe.get(key):
            words += [f"--{key}", value if isinstance(value, str) else json.dumps(value)]
    for name, value in (recipe.get("given") or {}).items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    evidence = recipe.get("evidence")
    for name in [evidence] if isinstance(evidence, str) else evidence or []:
        words += ["--evidence", name if isinstance(name, str) else json.dumps(name)]
    words += ["--evidence", "none"] if evidence == [] else []
    words += ["--allow-outside"] if recipe.get("allow_outside") else []
    words += ["--draws", str(facts["draws"])] if "draws" in facts else []
    return shlex.join(["uncertainty", "run", *words, "--seed", str(facts["seed"])])


def arranged(parts: Iterable[Part]) -> list[Part]:
    """Put the sections that are `detail` into an appendix, one level deeper."""
    front, back = list[Part](), list[Part]()
    into = front
    for part in parts:
        kept = [part]
        if isinstance(part, Notes) and part.title:
            kept = [Heading(part.title, detail=part.detail), replace(part, title="")]
        if isinstance(first := kept[0], Heading):
            into = back if first.detail else front
            kept[0] = replace(first, level=first.level + 1) if first.detail else first
        into += kept
    return [*front, Heading("Appendix"), *back] if back else front


def document(parts: Sequence[Part], kind: str, figures: Path) -> str:
    """Write a page as one text, with the figures (SVG) that stand in a folder.

    Parameters
    ----------
    parts : sequence of Part
    kind : str
        One of `FORMATS`.
    figures : Path
        The folder of the figures.

    Returns
    -------
    str
        Which needs no other file. LaTeX has no figures: it does not take SVG.
    """
    page = arranged(parts)
    require_known("formats", kind, FORMATS)
    if kind == "tex":
        return latex(page)
    drawings = {
        part.name: (figures / f"{part.name}.svg").read_text(encoding="utf-8")
        for part in page
        if isinstance(part, Figure)
    }
    if kind == "html":
        return html(page, drawings)
    text = markdown(page)
    for name, drawing in drawings.items():
        data = base64.b64encode(drawing.encode()).decode()
        text = text.replace(f"]({name}.svg)", f"](data:image/svg+xml;base64,{data})")
    return text


def write_document(
    parts: Iterable[Part], path: Path, kind: str, read: Collection[Path] = ()
) -> Path:
    """Write a page as one file, which needs no other; see `document`."""
    page = list(parts)
    refuse_inputs([path], read)
    drawn = [part for part in page if isinstance(part, Figure) and kind != "tex"]
    with TemporaryDirectory() as folder:
        write(drawn, folder)
        return write_text(path, document(page, kind, Path(folder)))
