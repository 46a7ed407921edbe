"""The same work done by other libraries, each run as a script in an environment of its own."""
