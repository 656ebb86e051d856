"""The two bodies that move what the roles decide: in virtual time, and over real sockets."""

ENGINES = ("simulation", "loopback")
