"""What `run.py` says to Hydra and what it makes of Hydra's answers."""
