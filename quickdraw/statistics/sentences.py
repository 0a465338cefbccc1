"""Verdicts and races in words. Numbers are scores; at 95 % means so often, over sweeps, is such a sentence true."""

import math

from quickdraw.statistics.best import Margin, Verdict
from quickdraw.statistics.race import Decision, Dropped

MOST_NAMES = 6  # of a longer list the rest is counted

ENDS = {
    "max_seeds": "The largest number of seeds is used up.",
    "max_jobs": "The next round would take more jobs than are left.",
    "futility": "The seeds that are left would probably separate no more.",
}


def verdict_in_words(verdict: Verdict, lower_is_better: bool = False) -> str:
    """What the scores of a sweep show: which setting is the best or may be, and by how much.

    A loss, which came with its sign turned, is said as it was measured.
    """
    standings = verdict.standings
    sure = f"{100 * verdict.confidence:g} %"
    if verdict.outcome == "nothing":
        return "No setting has a score." if not standings else "Every training diverged: nothing to compare."
    leader = standings[0].name
    if verdict.outcome == "one setting":
        return f"One setting, {leader}: nothing to compare."
    if verdict.outcome == "diverged":
        second = standings[1]
        return (
            f"{leader} is the only setting that diverged no more often than any other: {second.name} diverged with "
            f"{second.diverged} of {second.seeds} seeds, {leader} with {standings[0].diverged} of {standings[0].seeds}."
        )

    # Nothing is known of the luck of seeds.
    lead = f"{leader} leads {verdict.margin.second} by {verdict.margin.difference:.4f}" if verdict.margin else leader
    if verdict.outcome == "one seed":
        return f"{lead}, with one seed each: that may be luck. Two seeds or more would show it: seed=0,1,2"
    if verdict.outcome == "no spread":
        return f"{lead}. The seeds do not differ at all, so their luck is not known: more drawings or more seeds."

    # One best, or several.
    count = len(standings)
    if verdict.outcome == "one best":
        text = f"{leader} is the best of {count} settings ({sure}, all compared at once)"
    else:
        text = f"{_listed(verdict.may_be_best)} may be the best of {count} settings ({sure}, all compared at once)"
    if verdict.margin:
        text += f"; {lead} ({sure}: {verdict.margin.low:+.4f} to {verdict.margin.high:+.4f})"
    if math.isfinite(verdict.corrected):
        way, sign = ("low", -1) if lower_is_better else ("high", 1)
        mean, corrected = f"{sign * standings[0].mean:.4f}", f"{sign * verdict.corrected:.4f}"
        text += f". The mean of {leader}, {mean}, is {way} because it won by it: "
        text += f"{corrected} is a fairer guess, and fresh seeds tell" if corrected != mean else "fresh seeds tell"
    return f"{text}."


def race_in_words(decision: Decision) -> str:
    """How a race stands or ended, in a few sentences."""
    dropped = {each.name: each for each in decision.dropped}
    count = len(decision.kept) + len(dropped)
    spent = f"{decision.jobs} trainings, {decision.seeds} seeds for who was left"
    if not decision.finished:
        waiting = f"; {len(decision.needed)} trainings until the next look" if decision.needed else ""
        return f"{len(decision.kept)} of {count} settings left after {decision.seeds} seeds{waiting}."
    if not decision.kept:
        return "No setting entered the race."
    if decision.why == "tolerance":
        kept = _listed(decision.kept)
        return f"{kept} differ by no more than the tolerance: {decision.best} will do ({spent})."
    if decision.best is not None:
        last = [each for each in decision.dropped if each.why == "worse"][-1:]
        by = f", {_by(last[0])} over {last[0].name}" if last else ""
        return f"{decision.best} is the best of {count} settings at 95 %{by} ({spent})."
    enough = "More than 1,000 seeds each would be needed to separate the first two."
    if decision.enough_seeds:
        first, second = decision.kept[:2]
        enough = f"About {decision.enough_seeds} seeds each would probably separate {first} from {second}."
    lead = ""
    if decision.margin:
        first, second = decision.margin.leader, decision.margin.second
        lead = f" {first} leads {second} {_by(decision.margin)}."
    kept = _listed(decision.kept)
    return f"{kept} may be the best of {count} settings at 95 % ({spent}).{lead} {ENDS[decision.why]} {enough}"


def dropped_in_words(dropped: Dropped) -> str:
    """Why one setting got no more seeds."""
    if dropped.why == "diverged":
        return f"{dropped.name} diverged, others did not: out after {dropped.seeds} seeds."
    return f"{dropped.name} is worse than {dropped.leader}, {_by(dropped)}: out after {dropped.seeds} seeds."


def _by(lead: Dropped | Margin) -> str:
    return f"by {lead.difference:.4f} (95 %: {lead.low:+.4f} to {lead.high:+.4f})"


def _listed(names: tuple[str, ...]) -> str:
    """Some names as they are read: `a, b or c`."""
    shown = list(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        shown.append(f"{len(names) - MOST_NAMES} others")
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
