"""The read model of runs for the page, the report, `fanout top` and the Python API: values and packed columns."""
