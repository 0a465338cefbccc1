"""How many jobs run, on one machine or many. Nothing here knows Hydra.

A launcher makes a Job of each training (`job`) and hands them to a runner (`runner`), which starts them by whatever
holds the interface Jobs (`jobs`): `local`, `slurm` or `ray`. A sweeper that chooses each job by the results so far uses
the same interface.
"""
