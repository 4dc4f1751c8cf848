"""The program ``zinc``; no interface for other code.

One file a group of commands (`seeing`, `data`, `notifications`, `cleaning`), which `main` puts
together; they look with `inspection`, `doctor` and `top`, and print by `console` and
`lines`.
"""
