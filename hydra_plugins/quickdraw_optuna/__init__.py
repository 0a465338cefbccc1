"""The sweeper for `-m hydra/sweeper=optuna`: each job chosen by the results so far, and ended where it is hopeless."""
