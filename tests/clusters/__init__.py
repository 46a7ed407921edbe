"""Real clusters on this machine, for as long as a test needs one."""
