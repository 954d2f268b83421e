"""The least value that satisfies a JSON Schema, the same each time."""

import json
from collections.abc import Mapping
from typing import Any, cast

__all__ = ["example_json", "example_of"]

_MAX_DEPTH = 32

_Schema = Mapping[str, Any]


def example_json(schema: _Schema) -> str:
    """Return `example_of` as JSON."""
    return json.dumps(example_of(schema), ensure_ascii=False)


def example_of(schema: _Schema) -> Any:
    """Return a small value that satisfies `schema`.

    Knows types, `properties`, `required`, `items`, `minItems`, `minLength`, `minimum`, `maximum`,
    `enum`, `const`, `anyOf`, `oneOf`, `allOf` and local `$ref`; not `pattern` nor `format`. Every
    property is filled, not only the required ones; an array has its `minItems`.

    Raises:
        ValueError: a schema that nothing satisfies, refers outside itself or never ends.
    """
    return _example(schema, root=schema, depth=0)


def _example(schema: Any, *, root: _Schema, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("the schema has no end")
    if schema is True:
        return None
    if not isinstance(schema, dict):
        raise ValueError("nothing satisfies this schema")
    rules = _resolved(cast("dict[str, Any]", schema), root=root)
    if "const" in rules:
        return rules["const"]
    if "enum" in rules:
        return rules["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in rules:
            return _shallowest(rules[choice], root=root, depth=depth)
    kinds: Any = rules.get("type", "object" if "properties" in rules else "null")
    match str(kinds if isinstance(kinds, str) else kinds[0]):
        case "object":
            return _object(rules, root=root, depth=depth)
        case "array":
            item = rules.get("items", True)
            count = int(rules.get("minItems", 0))
            return [_example(item, root=root, depth=depth + 1) for _ in range(count)]
        case "string":
            return "x" * int(rules.get("minLength", 0))
        case "integer" | "number":
            return max(min(0, rules.get("maximum", 0)), rules.get("minimum", float("-inf")))
        case "boolean":
            return False
        case "null":
            return None
        case _:
            raise ValueError("the schema names a type that JSON does not have")


def _object(rules: dict[str, Any], *, root: _Schema, depth: int) -> dict[str, Any]:
    required = set(rules.get("required", ()))
    result: dict[str, Any] = {}
    for name, schema in rules.get("properties", {}).items():
        try:
            result[name] = _example(schema, root=root, depth=depth + 1)
        except ValueError:
            if name in required:
                raise
    return result


def _shallowest(choices: list[Any], *, root: _Schema, depth: int) -> Any:
    for choice in choices:
        try:
            return _example(choice, root=root, depth=depth + 1)
        except ValueError:
            continue
    raise ValueError("no alternative of the schema has an end")


def _resolved(rules: dict[str, Any], *, root: _Schema) -> dict[str, Any]:
    """Follow `$ref` and merge `allOf`."""
    for _ in range(_MAX_DEPTH):
        if "$ref" in rules:
            rest = {key: value for key, value in rules.items() if key != "$ref"}
            rules = {**_referred(rules["$ref"], root=root), **rest}
        elif "allOf" in rules:
            merged = {key: value for key, value in rules.items() if key != "allOf"}
            for part in rules["allOf"]:
                merged = _merged(merged, _resolved(part, root=root))
            rules = merged
        else:
            return rules
    raise ValueError("the schema refers to itself")


def _merged(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    both: dict[str, Any] = {**left, **right}
    if "properties" in left and "properties" in right:
        both["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        both["required"] = [*left["required"], *right["required"]]
    return both


def _referred(reference: str, *, root: _Schema) -> dict[str, Any]:
    if not reference.startswith("#"):
        raise ValueError("the schema refers outside itself")
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        try:
            found = found[step.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError) as error:
            raise ValueError("the schema refers to nothing") from error
    return cast("dict[str, Any]", found)
