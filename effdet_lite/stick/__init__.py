"""The course on a stick: everything that a laptop without a network installs it from.

`systems` says what differs between Linux, Windows and macOS, `packages` asks uv what each needs,
`making` brings it all into one folder, and `install` is what the laptop runs.
"""
