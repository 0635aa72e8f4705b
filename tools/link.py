"""Makes this checkout importable, and `kctl` a command, in a virtual environment.

The same as an editable install, without a build back end to fetch: a path file for the imports, the
distribution's metadata (so that the pytest plugin is found), and a script.
"""

import sys
import tomllib
from pathlib import Path

root = Path(__file__).resolve().parent.parent
site = Path(sys.argv[1])
project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

for stale in site.glob("__editable__*kctl*"):
    stale.unlink()
(site / "kctl-checkout.pth").write_text(f"{root}\n")
info = site / f"kctl-{project['version']}.dist-info"
info.mkdir(exist_ok=True)
(info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kctl\nVersion: {project['version']}\n")
(info / "INSTALLER").write_text("make\n")
groups = {"console_scripts": project["scripts"], **project.get("entry-points", {})}
lines = []
for group, entries in groups.items():
    lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()), ""]
(info / "entry_points.txt").write_text("\n".join(lines))
script = Path(sys.prefix) / "bin" / "kctl"
module, function = project["scripts"]["kctl"].split(":")
script.write_text(
    f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
)
script.chmod(0o755)
