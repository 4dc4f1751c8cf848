"""The program ``zinc``; no interface for other code.

One file a group of commands (`seeing`, `data`, `notifications`, `recording`, `locking`,
`cleaning`), which `main` puts together; they look with `inspection`, `doctor` and `top`, receive
with `messages`, print by `console` and `lines`, and end by `signals`.
"""
