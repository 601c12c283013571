"""A problem as the panel and the log tell it."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass

from obs_plugin.texts import text


@dataclass(frozen=True)
class Problem:
    """A fault and its remedy; is_passing: whether it is likely to end by itself within seconds."""

    message: str
    remedy: str = ""
    is_passing: bool = False

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


def told(name: str, /, *, is_passing: bool = False, **values: object) -> Problem:
    """Return the problem of the locale's texts ``Problem.NAME`` and ``Problem.NAME.Remedy``."""
    remedy = text(f"Problem.{name}.Remedy", **values)
    return Problem(text(f"Problem.{name}", **values), remedy, is_passing=is_passing)
