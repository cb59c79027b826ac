"""The search language: text to predicate, with errors in place and completion. Pure."""

from __future__ import annotations

from indelible.language.complete import Completion, complete, value_text
from indelible.language.normal import normal
from indelible.language.parser import parse
from indelible.language.query import Query
from indelible.language.render import render, render_query

__all__ = [
    "Completion",
    "Query",
    "complete",
    "normal",
    "parse",
    "render",
    "render_query",
    "value_text",
]
