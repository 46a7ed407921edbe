"""Runs to look at: `report.html` and the live page of `fanout ui`, both drawn from the read model of `queries.page`."""
