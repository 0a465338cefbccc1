"""What the tables of a sweep say, in sentences; each takes the runs and says nothing where there is nothing to say."""

import math
from collections.abc import Sequence

from quickdraw.analysis.comparison import SURE, told_p
from quickdraw.analysis.effects import effect_frame, interaction_frame, interaction_share, top_two
from quickdraw.analysis.folders import metric
from quickdraw.metrics import lower_is_better
from quickdraw.run.listing import Run


def effects_in_words(runs: Sequence[Run]) -> str:
    """Say how much of the spread each setting explains, and for which of them that may be chance."""
    frame = effect_frame(runs)
    if frame.empty:
        return ""
    known = frame.dropna(subset=["share"])
    if known.empty:
        return "No two runs differ in their luck alone, so luck cannot be told from effect: more seeds would tell."
    parts = [
        f"{row.setting} explains {percent(row.share)} of the spread ({told_p(row.p)}), "
        f"best at {row.best}, by {row.difference:.4f} over {row.worst}"
        for row in known.itertuples()
        if row.p < SURE
    ]
    chance = [str(row.setting) for row in known.itertuples() if not row.p < SURE]
    if chance:
        parts.append(f"{'what' if parts else 'What'} {' and '.join(chance)} did may be chance")
    return f"{'; '.join(parts)}."


def interaction_in_words(runs: Sequence[Run]) -> str:
    """Say whether the best value of one of the two settings that mattered most depends on the other's."""
    names = top_two(runs)
    if len(names) < 2:
        return ""
    first, second = names
    score, frame = metric(runs), interaction_frame(runs, first, second)
    best = frame.idxmin(axis=0, skipna=True) if lower_is_better(score) else frame.idxmax(axis=0, skipna=True)
    if best.nunique() == 1:
        told = f"{first}={best.iloc[0]} is best whatever the {second}."
    else:
        told = f"The best {first} depends on {second}: {', '.join(f'{best[v]} with {v}' for v in best.index)}."
    share, p = interaction_share(runs, first, second)
    if math.isnan(share):
        return f"{told} Without more seeds that cannot be told from luck."
    chance = "" if p < SURE else ", which may be chance"
    return f"{told} Together they explain {percent(share)} beyond the sum of each ({told_p(p)}){chance}."


def percent(share: float) -> str:
    """Return a share as it is read."""
    return f"{100 * share:.0f} %"
