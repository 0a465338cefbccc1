"""A look at drawings, and at how a training went, for notebooks."""
