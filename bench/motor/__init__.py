"""Motor, beside which the driver is measured: a lock file, and a program that runs under either."""
