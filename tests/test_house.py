"""The rules of the house, held by the code itself."""

import ast
import inspect
import io
import re
import tokenize
from pathlib import Path

import uncertainty as un

PACKAGE = Path(un.__file__).parent
ORDER = [
    "errors", "units", "inputs", "writing", "arrays",
    "files", "energy", "results", "distributions", "problem",
    "sampling", "inference", "sensitivity", "comparison", "report", "cli",
]  # fmt: skip
DOORS = {
    "ruamel": {"files"},
    "yaml": {"files"},
    "pydantic": {"files"},
    "pydantic_core": {"files"},
    "hatchling": {"files"},
    "pint": {"units"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "seaborn": {"report"},
    "typer": {"cli"},
    "rich": {"cli"},
    "numpyro": {"problem", "inference"},
    "arviz_stats": {"results", "sensitivity"},
    "distributed": {"sampling"},
}
PUBLIC = [
    "ENERGY_MODELS", "Fault", "InputError", "Priors", "Problem", "UncertaintyError",
    "build_problem", "check_fit", "check_ledger", "check_prior", "compare", "compare_fits",
    "exceedance", "explain", "export_priors", "import_measurements", "import_usage", "infer", "load", "load_priors",
    "plan_measurements", "predict",
    "rank_inputs", "save", "score", "share_per_query", "simulate", "stream", "summarize", "summarize_inputs",
    "summarize_scenarios", "sweep", "update", "write_assumptions", "write_comparison",
    "write_explanation", "write_fits", "write_posterior", "write_provenance", "write_ranking", "write_report",
    "write_scenarios", "write_scores", "write_sweep",
]  # fmt: skip
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Modules that a file imports, wherever in it, but for those that only a type checker sees."""
    tree = ast.parse(path.read_text())
    unseen = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and id(node) not in unseen:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and id(node) not in unseen:
            yield node.module


def functions():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def test_every_room_imports_lower_rooms_only_and_by_their_door():
    for path in MODULES:
        for name in imports(path):
            if name.startswith("uncertainty."):
                other, *inside = name.split(".")[1:]
                if other == room(path):
                    continue
                assert ORDER.index(other) < ORDER.index(room(path)), f"{path} imports {name}"
                assert not inside, f"{path} imports {name}, not {other}"


def test_every_heavy_library_has_one_door():
    for path in MODULES:
        for name in imports(path):
            allowed = DOORS.get(name.split(".")[0])
            assert allowed is None or room(path) in allowed, f"{path} imports {name}"


def test_public_names_are_these_and_all_load():
    assert un.__all__ == PUBLIC
    assert dir(un) == PUBLIC
    assert all(getattr(un, name) is not None for name in PUBLIC)
    assert not hasattr(un, "simulated")


def test_public_functions_say_what_they_take_give_and_show():
    for name in PUBLIC:
        found = getattr(un, name)
        if inspect.isfunction(found):
            text = inspect.getdoc(found)
            assert {"Parameters", "Returns", "Examples"} <= set(text.split("\n")), name


def test_no_any_in_public_signatures():
    for name in PUBLIC:
        found = getattr(un, name)
        for function in [found, *vars(found).values()] if inspect.isclass(found) else [found]:
            if inspect.isfunction(function):
                assert "typing.Any" not in str(inspect.signature(function)), name
    for path, node in functions():
        hints = [a.annotation for a in node.args.args + node.args.kwonlyargs] + [node.returns]
        told = " ".join(ast.unparse(hint) for hint in hints if hint is not None)
        assert not re.search(r"\bAny\b", told), f"{path}:{node.lineno}"


def test_silenced_checks_give_a_reason():
    for path in MODULES:
        text = path.read_text()
        assert "pragma: no cover" not in text
        for line in text.splitlines():
            if "type: ignore" in line or "noqa" in line:
                assert len(line.split("#")) > 2, f"{path}: {line}"


CODE = [path.read_text() for path in [*MODULES, PACKAGE / "__init__.py"]]


def test_the_house_stays_small():
    """Few rooms, little code: what grows beyond this asks which idea it adds.

    Docstrings and comments are not counted: a cap on them would be met by saying less. Formats of
    others, of their logs and of documents, have bounds of their own: they grow without new ideas;
    the options and keys by which they enter are among the rest.
    """
    bounds = {"logs": (15, 3_200), "pages": (6, 800)}
    parts: dict[str, list[str]] = {"logs": [], "pages": [], "rest": []}
    for path in [*MODULES, PACKAGE / "__init__.py"]:
        names = {path.parent.name, "logs" if path.stem == "plan" else path.stem}
        parts[next((part for part in bounds if part in names), "rest")].append(path.read_text())
    for part, (modules, lines) in {**bounds, "rest": (90, 17_900)}.items():
        assert len(parts[part]) <= modules, part
        assert sum(map(code_lines, parts[part])) <= lines, part


def code_lines(text):
    """Lines that are neither empty nor a comment nor a docstring."""
    prose = sum(
        node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", 0), str)
    )
    lines = [line.strip() for line in text.split("\n")]
    return sum(bool(line) and not line.startswith("#") for line in lines) - prose


def test_helpers_are_shared_and_arguments_are_few():
    """A private helper that is called once is usually a comment that was not written."""
    once = []
    for path, node in functions():
        if node.name.startswith("_") and not node.name.startswith("__"):
            uses = re.findall(rf"\b{node.name}\b", path.read_text())
            once += [f"{path.name}: {node.name}"] if len(uses) <= 2 else []
        count = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)
        assert count <= 10, f"{path}: {node.name} takes {count} arguments"
    assert len(once) <= 0.12 * sum(1 for _ in functions()), once


def test_comments_say_why():
    """Three to six per 100 lines of code; a comment for each constant and numerical trick."""
    kinds = [
        token.type
        for text in CODE
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
    ]
    share = kinds.count(tokenize.COMMENT) / sum(map(code_lines, CODE))
    assert 0.03 <= share <= 0.06


def test_names_are_exported_by_packages_alone():
    for path in MODULES:
        assert ("__all__" in path.read_text()) == (path.name == "__init__.py"), path
