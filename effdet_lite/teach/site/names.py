"""Which cells of a notebook need which: by the names in their code.

The names are read from the code. Where that says too little, a name is missing and the run fails.
"""

import ast
from collections.abc import Iterable, Sequence


class Names(ast.NodeVisitor):
    """The names of a piece of code.

    read: those whose value comes from elsewhere.
    changed: those that it gives a value, or whose value it changes in place.
    bound: those that it gives a value on every way through it, but for loops without a turn.
    """

    def __init__(self, bound=()):
        self.read, self.changed, self.bound = set(), set(), set(bound)

    def visit_all(self, nodes):
        """Visit some nodes, one after the other."""
        for node in nodes:
            self.visit(node)

    def visit_Name(self, node):
        """A name by itself: read, given a value, or deleted."""
        if isinstance(node.ctx, ast.Load):
            self.read |= {node.id} - self.bound
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            self.changed.add(node.id)
            self.bound.discard(node.id)

    def bind(self, name):
        """Note a name that is given a value here."""
        self.changed.add(name)
        self.bound.add(name)

    def change_in_place(self, node):
        """Note the name of what `names[0].of[1]` is a part of."""
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        if isinstance(node, ast.Name):
            self.changed.add(node.id)

    def visit_Assign(self, node):
        """The value is read before its targets get it: `x = x + 1` reads x."""
        self.visit(node.value)
        self.visit_all(node.targets)

    def visit_AugAssign(self, node):
        """`x += 1` reads x, and gives it a value."""
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.read |= {node.target.id} - self.bound
        self.visit(node.target)

    def visit_Attribute(self, node):
        """Whoever assigns to a part of something changes it in place."""
        if not isinstance(node.ctx, ast.Load):
            self.change_in_place(node)
        self.generic_visit(node)

    visit_Subscript = visit_Attribute

    def visit_Expr(self, node):
        """A call whose result nobody keeps is made for what it changes: `rows.append(1)`."""
        if isinstance(node.value, ast.Call):
            call = node.value
            for part in (*call.args, *(keyword.value for keyword in call.keywords)):
                self.change_in_place(part)
            if isinstance(call.func, ast.Attribute):
                self.change_in_place(call.func)
        self.visit(node.value)

    def visit_If(self, node):
        """Only what both branches give a value has one for sure."""
        self.visit(node.test)
        before = set(self.bound)
        self.visit_all(node.body)
        in_body, self.bound = self.bound, before
        self.visit_all(node.orelse)
        self.bound &= in_body

    def visit_For(self, node):
        """A loop gives its target a value, and what its body does."""
        self.visit(node.iter)
        self.visit(node.target)
        self.visit_all(node.body + node.orelse)

    def visit_comprehension_of(self, node):
        """A comprehension has names of its own."""
        inner = Names(self.bound)
        for loop in node.generators:
            inner.visit(loop.iter)
            inner.visit(loop.target)
            inner.visit_all(loop.ifs)
        results = (getattr(node, part, None) for part in ("key", "value", "elt"))
        inner.visit_all(filter(None, results))
        self.take_from(inner)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_comprehension_of

    def visit_function(self, node):
        """A function has names of its own, and is bound to its name."""
        own = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        self.visit(node.args)  # the defaults
        self.visit_all(getattr(node, "decorator_list", []))
        inner = Names(self.bound | own)
        inner.visit_all(node.body if isinstance(node.body, list) else [node.body])
        self.take_from(inner)
        if hasattr(node, "name"):
            self.bind(node.name)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_function

    def visit_ClassDef(self, node):
        """A class has names of its own, and is bound to its name."""
        self.visit_all(node.bases + node.decorator_list)
        inner = Names(self.bound)
        inner.visit_all(node.body)
        self.take_from(inner)
        self.bind(node.name)

    def take_from(self, inner):
        """What a piece of code with names of its own does to those around it."""
        self.read |= inner.read
        self.changed |= inner.changed - inner.bound

    def visit_Import(self, node):
        """An import gives each of its names a value."""
        for alias in node.names:
            self.bind((alias.asname or alias.name).partition(".")[0])

    visit_ImportFrom = visit_Import


def names_of(source: str) -> Names:
    """The names of this code. Raises SyntaxError where it is none."""
    names = Names()
    names.visit(ast.parse(source))
    return names


def makers(name: str, names: Sequence[Names]) -> set[int]:
    """The places of the cells that a name has its value from: the last one that surely binds it,
    and those that may have changed it since.
    """
    found = set()
    for place in reversed(range(len(names))):
        if name in names[place].changed:
            found.add(place)
        if name in names[place].bound:
            break
    return found


def needed(names: Sequence[Names], wanted: Iterable[int]) -> list[int]:
    """The places of the cells that those at the places `wanted` need, and these, in order."""
    chosen = set(wanted)
    for place in reversed(range(len(names))):
        if place in chosen:
            for name in names[place].read:
                chosen |= makers(name, names[:place])
    return sorted(chosen)
