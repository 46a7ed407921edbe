"""fanout from Python: what the names of `import fanout` are made of."""
