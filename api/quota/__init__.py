"""What objects use of their namespace's quota: shared by admission, which charges, and the controller, which recounts."""
