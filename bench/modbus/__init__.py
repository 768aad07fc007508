"""What wallboxes cost that are polled by Modbus."""
