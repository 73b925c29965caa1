"""axe-core, which finds what keeps people out of a page; fetched once with npm, checked, and kept
in the cache folder.

Its package: https://www.npmjs.com/package/axe-core (MPL-2.0).
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile

import pytest

from effdet_lite.files import whole_file
from effdet_lite.places import cache_folder

VERSION = "4.14.1"
# Of the package's archive, as the registry states it ("integrity").
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
# Serious and critical ones, each with the elements that it is about.
ASK = """async () => {
    // Without preload: it would read the style sheets, and a page from a file may not.
    const options = { resultTypes: ["violations"], preload: false };
    const { violations } = await axe.run(document, options);
    const serious = violations.filter((one) => ["serious", "critical"].includes(one.impact));
    return serious.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 200))]);
}"""


def axe_core() -> str:
    """Its script. Skips the test where it cannot be had, and says why."""
    archive = cache_folder() / f"axe-core-{VERSION}.tgz"
    if not archive.is_file() or _sha512(archive) != SHA512:
        _fetch(archive)
    with tarfile.open(archive) as files:
        return files.extractfile("package/axe.min.js").read().decode()


def serious(page) -> list:
    """What is serious in a page of Playwright's: (rule, elements)."""
    page.evaluate(axe_core())
    return page.evaluate(ASK)


def _fetch(archive) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine, which fetches axe-core")
    folder = archive.parent / "axe-core"
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"axe-core@{VERSION}", "--ignore-scripts", "--fetch-retries=1"]
    done = subprocess.run(
        [*command, f"--pack-destination={folder}"], cwd=folder, capture_output=True, check=False
    )
    (fetched, *_) = [*folder.glob("*.tgz"), None]
    if done.returncode or fetched is None or _sha512(fetched) != SHA512:
        shutil.rmtree(folder)
        pytest.skip(f"npm could not fetch axe-core {VERSION}: no network")
    with whole_file(archive) as temporary:
        shutil.copyfile(fetched, temporary)
    shutil.rmtree(folder)


def _sha512(path) -> str:
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
