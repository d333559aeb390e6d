"""The Go dialect: text/template of Go 1.26, written anew in Python; output equal to the byte."""
