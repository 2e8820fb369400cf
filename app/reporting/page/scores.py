"""Names of scores as a reader of a report wants them, from what the record says of them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from app.records import ScoreFamily, ScoreNames
from app.reporting.page.formatting import MISSING


@dataclass(frozen=True)
class ScoreTexts:
    """Texts for scores by their keys; a score of no family is shown by its own name."""

    families: ScoreNames = ()

    def family(self, key: str) -> ScoreFamily | None:
        """`dice` of `dice_WT`."""
        fitting = (f for f in self.families if key == f.name or key.startswith(f"{f.name}_"))
        return max(fitting, key=lambda f: len(f.name), default=None)

    def part(self, key: str) -> str:
        """`WT` of `dice_WT`; empty for the family's own score, and for one of no family."""
        family = self.family(key)
        return "" if family is None else key[len(family.name) + 1 :]

    def name(self, key: str) -> str:
        """`Dice, whole tumour` of `dice_WT`; the family's title, or that of its mean, where there is no part."""
        family, part = self.family(key), self.part(key)
        if family is None:
            return key
        if not part:
            return family.mean_title or family.title
        return f"{family.title}, {family.parts.get(part, part)}"

    def title(self, key: str) -> str:
        """`Dice` of `dice_WT`."""
        family = self.family(key)
        return key if family is None else family.title

    def short(self, key: str) -> str:
        """For the ends of lines: `WT` of `dice_WT`, `mean` of `dice` where that is the mean over the parts."""
        family = self.family(key)
        return key if family is None or family.mean_title is None else self.part(key) or "mean"

    def column(self, key: str) -> str:
        """For heads of tables with many columns: `Dice ET` of `dice_ET`; `explain_parts` says what ET is."""
        family = self.family(key)
        return key if family is None else f"{family.title} {self.part(key)}".strip()

    def explain_parts(self, keys: Iterable[str]) -> str:
        """`ET enhancing tumour, ...`: the abbreviations in these scores' names; empty when there are none."""
        parts: dict[str, str] = {}
        for key in keys:
            family, part = self.family(key), self.part(key)
            if family is not None and part in family.parts and family.parts[part].split()[0] != part:
                parts[part] = family.parts[part]
        return ", ".join(f"{part} {meaning}" for part, meaning in parts.items())

    def explain(self, keys: Iterable[str]) -> str:
        """Sentences on the families of these scores."""
        families = {f.name: f for key in keys if (f := self.family(key)) is not None and f.meaning}
        return " ".join(
            f"{f.meaning}{' (smaller is better)' if f.better == 'lower' else ''}." for f in families.values()
        )

    def main_first(self, keys: Iterable[str]) -> list[str]:
        """In the order of the families, those over all parts before those of single ones; others last."""
        order = {family.name: number for number, family in enumerate(self.families)}

        def rank(key: str) -> tuple[int, bool]:
            family = self.family(key)
            return (len(order), "_" in key) if family is None else (order[family.name], bool(self.part(key)))

        return sorted(keys, key=rank)

    def by_part(self, keys: Iterable[str]) -> list[str]:
        """Those of the family whose cases are worth a picture, part by part: the first that has parts and a mean."""
        shown = next((f for f in self.families if f.mean_title is not None), None)
        return [] if shown is None else [key for key in self.main_first(keys) if self.family(key) == shown]

    def number(self, value: float | None, key: str) -> str:
        """The value with as many decimals as its family has, else three."""
        if value is None or math.isnan(value):
            return MISSING
        if math.isinf(value):
            return "∞"
        family = self.family(key)
        return f"{value:.{3 if family is None else family.decimals}f}"


def merge_names(names: Iterable[ScoreNames]) -> ScoreNames:
    """Each family as the first that has it names it."""
    found: dict[str, ScoreFamily] = {}
    for family in chain.from_iterable(names):
        found.setdefault(family.name, family)
    return tuple(found.values())
