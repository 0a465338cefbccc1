"""From the folders of runs to tables and verdicts; `python -m quickdraw.analysis` is its command."""
