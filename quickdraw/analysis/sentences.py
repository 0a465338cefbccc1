"""What mattered in a sweep, in sentences; each is empty where there is nothing to say."""

import math
from collections.abc import Collection, Sequence
from statistics import variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickdraw.analysis.effects import Effect, Interaction

SURE = 0.05  # a p below this is called real


def effects_in_words(effects: "Sequence[Effect]") -> str:
    """How much of the spread each setting explains, and for which of them that may be chance."""
    if not effects:
        return ""
    known = [effect for effect in effects if not math.isnan(effect.share)]
    if not known:
        return "No setting was run with two seeds, so effects cannot be separated from seed noise: use more seeds."
    parts, chance = [], []
    for effect in known:
        if effect.p < SURE:
            parts.append(
                f"{effect.setting} explains {percent(effect.share)} of the spread ({p_text(effect.p)}), "
                f"best at {effect.best}, by {effect.difference:.4f} over {effect.worst}"
            )
        else:
            chance.append(effect.setting)
    if chance:
        what = "what" if parts else "What"
        parts.append(f"{what} {' and '.join(chance)} did may be chance")
    return f"{'; '.join(parts)}."


def seeds_in_words(scores: Sequence[Sequence[float]], settings: Collection[str]) -> str:
    """The deviation that seeds alone cause, pooled over the scores of each setting; empty without two of one."""
    several = [own for own in scores if len(own) > 1]
    if not several:
        return ""
    squares = math.fsum(variance(own) * (len(own) - 1) for own in several)
    deviation = math.sqrt(squares / sum(len(own) - 1 for own in several))
    if not settings:
        return f"Only the seed differs, so nothing is compared: seeds alone have a deviation of {deviation:.4f}."
    return f"Seeds alone have a deviation of {deviation:.4f}."


def interaction_in_words(interaction: "Interaction | None", lower_is_better: bool) -> str:
    """Whether the best value of the first setting depends on the second's."""
    if interaction is None:
        return ""
    first, second, share, p = interaction.first, interaction.second, interaction.share, interaction.p

    best = best_rows(interaction, lower_is_better)
    if len({*best.values()}) == 1:
        text = f"{first}={next(iter(best.values()))} is best whatever the {second}."
    else:
        pairs = ", ".join(f"{row} with {column}" for column, row in best.items())
        text = f"The best {first} depends on {second}: {pairs}."

    if math.isnan(share):
        return f"{text} Without more seeds that cannot be separated from luck."
    text += f" Together they explain {percent(share)} beyond the sum of each ({p_text(p)})"
    return f"{text}." if p < SURE else f"{text}, which may be chance."


def best_rows(interaction: "Interaction", lower_is_better: bool) -> dict[str, str]:
    """The best value of the first setting for each of the second's."""
    pick = min if lower_is_better else max
    best = {}
    for place, column in enumerate(interaction.columns):
        means = dict(zip(interaction.rows, interaction.means[:, place].tolist(), strict=True))
        known = [row for row in interaction.rows if not math.isnan(means[row])]
        best[column] = pick(known, key=means.__getitem__)
    return best


def p_text(p: float) -> str:
    """A p: `p = 0.023`."""
    return f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"


def percent(share: float) -> str:
    """A share: `23 %`."""
    return f"{100 * share:.0f} %"
