"""Reads YAML in which names and paths are texts, whatever they look like: ``No``, ``13``, ``2026-11-28``, ``null``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def parse_yaml(text: str, text_keys: Collection[str]) -> Any:
    """Return the content of a YAML text; plain values of ``text_keys``, at any depth, as they are written.

    Raises yaml.YAMLError, also for a key that is there twice, ValueError, RecursionError. A value that is left out, or
    ``~``, is None as ever.
    """
    import yaml  # type: ignore[import-untyped]

    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        _mark_texts(root, text_keys, set())
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _mark_texts(node: Any, text_keys: Collection[str], visited: set[int]) -> None:
    import yaml

    # A node may be named in many places, and even inside itself.
    if not isinstance(node, yaml.MappingNode) or id(node) in visited:
        return
    visited.add(id(node))
    seen: set[str] = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                # PyYAML would take the last one, and with it a whole section for another, without a word.
                raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        if isinstance(value, yaml.ScalarNode) and value.value not in ("", "~") and key.value in text_keys:
            value.tag = "tag:yaml.org,2002:str"
        _mark_texts(value, text_keys, visited)
