"""Is it coordination? Teams are played under conditions and measured with `benchmarks.metrics`."""
