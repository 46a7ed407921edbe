"""The commands that a view names."""

from fanout.advice import Commands as Commands
