"""Adaptive search with Optuna: what may be searched, what is proposed next, which training is not worth its end.

Nothing here knows Hydra; `hydra_plugins/quickdraw_optuna` is the sweeper that does. `runner` runs the trials as jobs of
a sweep. Only `sampling`, `evolution`, `pruning` and `study` import Optuna.
"""
