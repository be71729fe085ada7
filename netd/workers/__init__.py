"""Several processes on the same sockets: a supervisor, and the workers that it starts."""
