"""Pictures of a sweep, of two of its runs, and of an adaptive search.

Each function takes what it draws and returns a matplotlib figure, None where there is nothing to draw.
"""

from quickdraw.analysis.figures.curves import curves_figure, time_figure
from quickdraw.analysis.figures.disagreement import class_figure, confusion_figure, drawings_figure, drawings_figures
from quickdraw.analysis.figures.parallel import parallel_figure, trials_figure
from quickdraw.analysis.figures.race import race_figure
from quickdraw.analysis.figures.scores import ranking_figure
from quickdraw.analysis.figures.search import history_figure
from quickdraw.analysis.figures.settings import effects_figure, interaction_figure

__all__ = [
    "class_figure",
    "confusion_figure",
    "curves_figure",
    "drawings_figure",
    "drawings_figures",
    "effects_figure",
    "history_figure",
    "interaction_figure",
    "parallel_figure",
    "race_figure",
    "ranking_figure",
    "time_figure",
    "trials_figure",
]
