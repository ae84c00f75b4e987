"""Measures of emergence: pure functions over plain arrays, a file a concept.

They import neither torch nor the runner; a measure that needs to run a team is given a callable or the
arrays of its runs. Information is in nats everywhere. Axis letters: `G` replicates (the team as it is, then
its counterfactuals), `N` tasks, `J` trials of a task, `T` time, `W` = N J worlds.
"""
