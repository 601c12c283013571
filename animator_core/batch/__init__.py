"""Many clips of one manifest: on the cores of this machine, or by Ray on the GPUs of several."""
