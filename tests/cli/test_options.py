"""Each subcommand obeys every option that it takes: none is accepted and then never read.

Oracles: what argparse puts into its result, and the source of the functions that get it.
"""

import ast
import importlib.util
from dataclasses import fields
from pathlib import Path

import pytest

from effdet_lite import cli, options
from effdet_lite.training import TrainConfig

PACKAGE = Path(cli.__file__).parent
# What each subcommand cannot do without; their options follow from it.
NEEDED = {
    "lab": [],
    "train": [],
    "detect": ["photo.jpg", "--weights", "a.safetensors"],
    "export": ["a.safetensors"],
    "page": ["a.safetensors"],
    "doctor": [],
    "prefetch": [],
    "kit": ["stick"],
    "progress": [],
    "site": ["--output", "pages"],
    "slides": ["--output", "slides"],
}


def function(path, name):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise LookupError(f"{path.name} has no function {name}")


def read_by(path, name):
    """The options that this function reads, and those that it hands them to read."""
    node = function(path, name)
    (first, *_) = (argument.arg for argument in node.args.args)
    origins = {
        alias.name: importlib.util.find_spec(one.module).origin
        for one in ast.walk(node)
        if isinstance(one, ast.ImportFrom)
        for alias in one.names
    }
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and ast.unparse(one.value) == first:
            yield one.attr
        if not isinstance(one, ast.Call):
            continue
        called, given = ast.unparse(one.func), [ast.unparse(argument) for argument in one.args]
        if called == "getattr" and given == [first, "field.name"]:
            yield from (field.name for field in fields(TrainConfig))
        elif given[:1] == [first]:
            yield from read_by(Path(origins.get(called, path)), called)


def unread(command):
    """The options of a subcommand that nothing reads."""
    taken = set(vars(options.parse([command, *NEEDED[command]])[0])) - {"command"}
    return taken - set(read_by(PACKAGE / "cli.py", cli.COMMANDS[command].__name__))


def test_every_subcommand_is_looked_at():
    assert NEEDED.keys() == cli.COMMANDS.keys()


@pytest.mark.parametrize("command", NEEDED)
def test_each_option_is_read(command):
    assert unread(command) == set()


def test_an_option_that_is_not_read_is_found(monkeypatch):
    add = options._add_output

    def with_another(parser, *arguments):
        add(parser, *arguments)
        parser.add_argument("--idle", action="store_true")

    monkeypatch.setattr(options, "_add_output", with_another)
    assert {command for command in NEEDED if unread(command)} == {
        "detect",
        "export",
        "page",
        "site",
        "slides",
    }
    assert unread("slides") == {"idle"}


def test_each_setting_of_a_training_is_read():
    """`train` hands all its settings on at once: something else has to read each."""
    owners = {"config", "self.config", "run.config"}
    read = {
        node.attr
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in owners | ({"self"} if path.name == "settings.py" else set())
    }
    assert {field.name for field in fields(TrainConfig)} - read == set()
