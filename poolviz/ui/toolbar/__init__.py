"""The bar at the top and its menus."""
