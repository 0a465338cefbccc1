"""The names of the scores, and which way each is better. Nothing here imports torch: the settings are checked by it."""


def lower_is_better(name: str) -> bool:
    """Whether a score is better when it is lower, as a loss is: `val_loss`."""
    return name.endswith("loss")
