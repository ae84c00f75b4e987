"""The report: records in, one page that can be believed out; `python -m benchmarks.report` writes it.

`references` reads the measured reference values, `methods` names and colours the methods, `summary` computes
every number once, `verdict` turns numbers into sentences, `tables`, `figures` and `roles_drawing` show them,
`page` and `markdown` put them together.
"""
