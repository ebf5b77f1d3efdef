"""What whoever helps has to see of a device."""
