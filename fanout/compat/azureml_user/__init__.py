"""The module name that entry scripts of Azure ML's parallel jobs import; only `parallel_run` is public there."""
