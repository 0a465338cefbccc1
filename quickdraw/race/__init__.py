"""A race: every setting is trained with a few seeds, and those shown to be worse get no more.

Nothing here knows Hydra; `hydra_plugins/quickdraw_race` is the sweeper that does. Who is out is decided by
`quickdraw.statistics.race` from the jobs' folders alone, so whoever stopped a race, in any way, finds it again.
"""
