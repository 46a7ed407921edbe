"""The decisions of both machines in very many states, without a store, and machines that are broken on purpose."""
