//! Sample origins and load generators for the demo, the tests and the benchmarks.
