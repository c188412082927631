"""What runs in the composed system beside the application."""
