"""The benchmarks behind ``zinc bench``: a program, not an interface for other code.

A *suite* has *points* (a size, a mode) at which several *contenders* do the same thing, and
are measured in one process of their own, in turns: `suites` lists them, `worker` runs one
point, `runner` starts the workers. What is measured are *quantities*, each a `results.Result`
with a time for every sample; `report` and `plots` show them, `compare` holds two runs
against each other. `method` is how a sample is taken.
"""
