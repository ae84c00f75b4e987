"""The report: records in, one page that can be believed out; `python -m benchmarks.report` writes it.

`references` reads the measured reference values, `methods` names and colours the methods, `summary` computes
every number of a scenario once and `comparison` those over scenarios, `verdict` turns numbers into sentences.
`sections` holds a file for each part of the page, written with `table`, `chart` and `numbers`; `page` puts
them together with `style` and `script`. `chromium` and `pictures` look at the page in a browser.
"""
