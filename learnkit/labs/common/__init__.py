"""What at least two labs use: settings, the thread that trains, the link to the page, and the page's parts."""
