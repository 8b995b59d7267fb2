"""JSON Schema of the file formats, for editors: generated from the classes that check files.

The build of a wheel runs this file by its path and puts the schemas beside the shipped files; it
can import the package only then, so that every import of it stands inside the function.
"""

import atexit
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hatchling.builders.config import BuilderConfig
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    from pydantic import BaseModel, JsonValue

Schema: TypeAlias = "dict[str, JsonValue]"


def json_schemas() -> dict[str, Schema]:
    """Give the schemas of ``prior``, ``evidence`` and ``catalogue`` files.

    Examples
    --------
    >>> json_schemas()["prior"]["required"]
    ['schema']
    """
    from uncertainty.files.catalogue import KINDS, catalogue
    from uncertainty.files.entries import CatalogueFile, FileEntry
    from uncertainty.files.evidence import EvidenceFile
    from uncertainty.files.families import TEXT_SCHEMA

    prior = _schema(FileEntry, "A prior file of uncertainty, format 1")
    evidence = _schema(EvidenceFile, "Measurements for uncertainty, format 1")
    entry = _inside(prior, "properties", "assumptions", "additionalProperties")
    # What a file may write short: a bare scalar, and names of catalogues.
    short: Schema = {"anyOf": [entry, {**TEXT_SCHEMA}]}
    bundles: Schema = {}
    for kind in KINDS:
        name: Schema = {"enum": [*catalogue(kind)]}
        options: Schema = {"type": "array", "items": name, "minItems": 2}
        choice: Schema = {"type": "object"}
        choice |= {"properties": {"options": options}, "required": ["options"]}
        chosen: Schema = {"properties": {"choice": choice}, "required": ["choice"]}
        other: Schema = {**entry, "not": _fixed({"type": "string"})}
        ways: list[JsonValue] = [name, _fixed(name), other, {"type": "object", **chosen}]
        bundles[kind] = {"description": f"a name of the {kind} catalogue", "anyOf": ways}
    for entries in (
        _inside(prior, "properties", "assumptions"),
        _inside(prior, "properties", "scenarios", "additionalProperties"),
    ):
        entries |= {"additionalProperties": short, "properties": bundles}
    _inside(evidence, "properties", "assumptions")["additionalProperties"] = short
    catalogues = _schema(CatalogueFile, "A catalogue of uncertainty, format 1")
    return {"prior": prior, "evidence": evidence, "catalogue": catalogues}


def get_build_hook() -> "type[BuildHookInterface[BuilderConfig]]":
    """Give hatchling the step of a build that puts the schemas into the wheel."""
    from hatchling.builders.config import BuilderConfig
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class SchemaHook(BuildHookInterface[BuilderConfig]):
        def initialize(self, version: str, build_data: dict[str, object]) -> None:
            if version == "editable":
                return  # a checkout's own folder of files is used as it is
            sys.path.insert(0, self.root)
            folder = tempfile.TemporaryDirectory()
            atexit.register(folder.cleanup)
            included = build_data["force_include"]
            assert isinstance(included, dict)
            for kind, schema in json_schemas().items():
                path = Path(folder.name, f"{kind}.json")
                path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
                place = "" if kind == "prior" else f"{kind}/"
                included[str(path)] = f"uncertainty/priors/{place}schema.json"

    return SchemaHook


def _schema(kind: "type[BaseModel]", title: str) -> Schema:
    schema = _pruned(kind.model_json_schema())
    assert isinstance(schema, dict)
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "title": title, **schema}


def _inside(schema: Schema, *keys: str) -> Schema:
    for key in keys:
        inner = schema[key]
        assert isinstance(inner, dict)
        schema = inner
    return schema


def _fixed(name: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"fixed": name},
        "required": ["fixed"],
        "additionalProperties": False,
    }


def _pruned(node: "JsonValue", *, names: bool = False) -> "JsonValue":
    """Drop what tells an editor nothing: generated titles, stand-in defaults, null."""
    if isinstance(node, list):
        return [_pruned(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _pruned(value, names=key in {"properties", "$defs"})
        for key, value in node.items()
        if names or key not in {"title", "default"}
    }
    if names:
        return kept
    options = kept.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        del kept["anyOf"]
        only = rest[0] if len(rest) == 1 else {"anyOf": rest}
        assert isinstance(only, dict)
        kept = {**only, **kept}
    patterns = kept.get("patternProperties")
    if isinstance(patterns, dict) and "additionalProperties" not in kept:
        # A mapping with checked names, written so that single names may be excepted.
        [(pattern, value)] = patterns.items()
        del kept["patternProperties"]
        kept |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
    return kept
