"""Types that every kind shares."""
