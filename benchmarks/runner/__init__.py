"""The runner: what to run (`suites`), how each method trains (`methods`), one run (`execute`), many (`schedule`)."""
