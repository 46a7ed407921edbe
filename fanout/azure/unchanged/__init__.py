"""`fanout azure`: notebooks and scripts of Azure's SDK as they are, in a process in which Azure's client is ours."""
