"""Each way to move messages, in a module of its own, which makes the work of one side: `make(kit, side, address, *words)`."""
