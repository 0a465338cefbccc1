"""The sweeper for `-m hydra/sweeper=race`: settings that are shown to be worse get no more seeds."""
