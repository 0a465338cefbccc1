"""Launchers for more than one machine. submitit and ray are imported when a sweep starts, not when Hydra looks here."""
