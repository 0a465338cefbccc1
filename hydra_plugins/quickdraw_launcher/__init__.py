"""The local launcher: the jobs of a sweep on this machine, each in a process of its own."""
