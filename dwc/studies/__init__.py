"""Studies of the method: what is compared, the records of runs, and what tables and figures say of them."""
