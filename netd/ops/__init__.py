"""What the operator and the init system see."""
