"""The runner: suites, the table of methods, one run (`execute`), many runs (`schedule`)."""
