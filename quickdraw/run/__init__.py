"""One run, and its folder: for each file in it one file of code here."""
