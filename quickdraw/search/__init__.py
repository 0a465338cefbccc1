"""Adaptive search with Optuna: what may be searched, what is proposed next, which training is not worth its end.

Nothing here knows Hydra or how a job runs; `hydra_plugins/quickdraw_optuna` puts the two together. Optuna is imported
by `sampling`, `pruning` and `study` alone.
"""
