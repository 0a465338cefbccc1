"""How many jobs run, on one machine or many. Nothing here knows Hydra."""
