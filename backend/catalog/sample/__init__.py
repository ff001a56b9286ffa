"""The sample catalogue: a product feed of the project's own making and the code that draws its pictures."""
