"""The kernel of a notebook that `fanout azure` runs: `python -m fanout.azure.unchanged.kernel -f CONNECTION`."""

from fanout.azure.unchanged.substitutes import substitute

if __name__ == "__main__":
    substitute()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
