"""The plan of the house: what may import what, and how much one sitting holds."""

import ast
import importlib
import inspect
import re
import subprocess
import sys

import pytest
from lessons import MODULES, PACKAGE, ROOT, public_definitions

# Reading order is import order: a module imports only modules that stand before it here.
ORDER = [
    "arguments",
    "modes",
    "cost",
    "layers",
    "graphs",
    "scaling",
    "efficientnet",
    "fusion",
    "anchors",
    "losses",
    "matching",
    "suppression",
    "efficientdet",
    "costs",
    "folding",
    "files",
    "places",
    "missing",
    "download",
    "pretrained",
    "data",
    "coco_library",
    "judging",
    "evaluation",
    "checkpoint",
    "randomness",
    "processes",
    "norms",
    "starting",
    "settings",
    "optimizing",
    "batches",
    "identity",
    "run",
    "beginning",
    "troubles",
    "progress",
    "milestones",
    "training",
    "predict",
    "export",
    "page",
    "checking",
    "course",
    "opening",
    "stick",
    "experiments",
    "teach",
    "console",
    "fetching",
    "values",
    "options",
    "cli",
]

# The modules that a notebook teaches.
LESSONS = [
    "cost",
    "layers",
    "graphs",
    "scaling",
    "efficientnet",
    "fusion",
    "anchors",
    "losses",
    "efficientdet",
    "evaluation",
    "training",
    "data/dataset",
    "data/transforms",
]
SOURCES = sorted(
    path
    for folder in ("effdet_lite", "tests", "benchmarks")
    for path in ROOT.glob(f"{folder}/**/*.py")
)


def label(path):
    return path.relative_to(ROOT).as_posix()


def part_of(path):
    """The entry of ORDER that a file belongs to; "" for the package's own __init__.py."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def dotted(path):
    """The name that a file of the package is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def imports(path):
    """(entry of ORDER that is imported, the functions around it) for each import from this package.

    A module's `__getattr__` is left out: it hands on names that moved to a later module.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    around = {}
    for function in functions(tree):
        for node in ast.walk(function):
            around.setdefault(id(node), []).append(function.name)
    for node in ast.walk(tree):
        if "__getattr__" in around.get(id(node), []):
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            folder = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            base = ".".join([*folder, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "effdet_lite":
                yield [*name.split("."), ""][1], around.get(id(node), [])


def test_every_module_has_its_place_in_the_order():
    assert {part_of(path) for path in MODULES} - {""} <= set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_a_module_imports_only_earlier_ones(path):
    own = part_of(path)
    for imported, inside in imports(path):
        assert imported in ORDER, (
            f"import from the module that defines it, not {imported or 'the package'!r}"
        )
        assert imported == own or own == "" or ORDER.index(imported) < ORDER.index(own), imported
        if imported == "teach" and own != "teach":
            assert own == "cli" and inside, (
                "only teach/ and, when it is asked to, the command import teach/"
            )


ASKS = """
import importlib, sys

def loaded(*names):
    return [name for name in sys.modules if name.split(".")[0] in names]

import effdet_lite
assert not loaded("torch", "matplotlib", "ipywidgets", "numpy"), "the package alone"

from effdet_lite import EfficientDet, EfficientNet, from_pretrained, train, coco_ap
from effdet_lite import efficientdet, efficientnet, evaluation, pretrained, training
assert EfficientDet is efficientdet.EfficientDet and EfficientNet is efficientnet.EfficientNet
assert from_pretrained is pretrained.from_pretrained and coco_ap is evaluation.coco_ap
assert train is training.train
assert set(effdet_lite.__all__) <= set(dir(effdet_lite))

for name in sys.argv[1:]:
    importlib.import_module(name)
print(*loaded("matplotlib", "ipywidgets", "onnx", "onnxscript", "onnxruntime"))
print(*[name for name in sys.modules if name.startswith("effdet_lite.teach")])
"""


@pytest.mark.slow
def test_what_is_heavy_is_loaded_when_it_is_needed():
    """The package alone loads nothing; all of it but teach/ neither figures nor ONNX.

    So a machine without a display can train, and one without the extra packages can do all but
    export. All is asked in one process, for each that imports torch takes seconds.
    """
    parts = [path for path in MODULES if part_of(path) not in ("", "teach", "experiments")]
    command = [sys.executable, "-c", ASKS, *map(dotted, parts)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stdout + done.stderr


# --- what one sitting holds ---


def length(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_lessons_are_modules():
    """Else a lesson that was renamed would be held to nothing."""
    missing = [name for name in LESSONS if not (PACKAGE / f"{name}.py").exists()]
    assert not missing


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_a_module_fits_in_one_sitting(path):
    assert length(path) <= 300


@pytest.mark.parametrize("name", LESSONS)
def test_a_lessons_functions_fit_on_a_screen(name):
    """Docstring included."""
    tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    lines = {node.name: node.end_lineno - node.lineno + 1 for node in functions(tree)}
    assert not {function: count for function, count in lines.items() if count > 50}


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_no_line_is_over_100_columns_and_no_formatter_is_overruled(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [number for number, line in enumerate(lines, 1) if len(line) > 100]
    assert not [line for line in lines if "# fmt" + ": " in line]


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_what_is_public_says_what_it_is_for(path):
    """A method that overrides another may leave the words to it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions = public_definitions(tree)
    missing = [
        getattr(node, "name", "the module")
        for node in [tree, *definitions]
        if not ast.get_docstring(node)
    ]
    module = importlib.import_module(dotted(path))
    for owner in definitions:
        methods = public_definitions(owner) if isinstance(owner, ast.ClassDef) else []
        documented = getattr(module, owner.name)
        missing += [
            f"{owner.name}.{node.name}"
            for node in methods
            if not inspect.getdoc(getattr(documented, node.name))
        ]
    assert not missing


def test_the_page_for_contributors_names_every_module():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in page.splitlines() if line.startswith("| "))
    named = {name.split("/")[0] for name in re.findall(r"`([\w/]+)`", table)}
    assert not set(ORDER) - named


GLOBAL_NUMBERS = re.compile(
    r"\b(?:torch\.manual_seed|torch\.seed|np\.random\.seed|np\.random\.rand|random\.seed)\("
)


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_nobody_seeds_the_callers_random_numbers(path):
    """`randomness.own_numbers` does it for a while, and puts the caller's back."""
    found = GLOBAL_NUMBERS.findall(path.read_text(encoding="utf-8"))
    assert not found or path.name == "randomness.py"
