#!/usr/bin/env python3
"""Writes and checks OCI image layouts. It needs Python 3 and `openssl`, no registry, no root and no container engine.

    image.py build --help
    image.py verify --key KEY.pub.pem LAYOUT     whole, and signed with that key?
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from datetime import datetime, timezone

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
SBOM = "application/vnd.cyclonedx+json"
# The media type and the kinds that `cosign` expects in a registry and in a layout.
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
KIND = {"image": "dev.cosignproject.cosign/image", "signature": "dev.cosignproject.cosign/sigs"}

NAME = "org.opencontainers.image.ref.name"
# Maximum number of unpacked bytes: a larger image contains something that it should not.
MOST = 25_000_000
# A user id without an account in any image; the chart uses the same id.
USER = 65532


class Wrong(Exception):
    """A sentence for the person who started this."""


def text(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """A folder as the OCI image layout specification has it."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        algorithm, _, value = name.partition(":")
        if algorithm != "sha256" or not re.fullmatch("[0-9a-f]{64}", value):
            raise Wrong(f"`{name}` is no digest")
        return os.path.join(self.folder, "blobs", algorithm, value)

    def add(self, kind, data, **more):
        name = digest(data)
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(data)
        return {"mediaType": kind, "digest": name, "size": len(data), **more}

    def blob(self, descriptor):
        """A blob, which must be what its descriptor says."""
        try:
            with open(self.path(descriptor["digest"]), "rb") as file:
                data = file.read()
        except OSError as error:
            raise Wrong(f"blob {descriptor['digest']} cannot be read: {error.strerror}") from error
        if len(data) != descriptor["size"] or digest(data) != descriptor["digest"]:
            raise Wrong(f"blob {descriptor['digest']} is not what its digest says")
        return data

    def index(self):
        with open(os.path.join(self.folder, "index.json"), "rb") as file:
            return json.load(file)["manifests"]

    def close(self, manifests):
        for name, value in [
            ("index.json", {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                            "manifests": manifests}),
            ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
        ]:
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(text(value))


# The layer

def layer(files, folders, epoch):
    """A compressed archive that depends on nothing but names, contents and the time that is given."""
    entries = {}
    for name, data in files.items():
        parts = name.split("/")
        for depth in range(1, len(parts)):
            entries["/".join(parts[:depth])] = (tarfile.DIRTYPE, 0o755, 0, b"")
        mode = 0o555 if data.startswith(b"\x7fELF") else 0o444
        entries[name] = (tarfile.REGTYPE, mode, 0, data)
    for name, (mode, owner) in folders.items():
        entries[name] = (tarfile.DIRTYPE, mode, owner, b"")
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(entries):
            kind, mode, owner, data = entries[name]
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner, owner
            entry.size, entry.mtime = len(data), epoch
            archive.addfile(entry, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as stream:
        stream.write(plain.getvalue())
    return plain.getvalue(), packed.getvalue()


def roots(source):
    """Mozilla's certificate authorities in PEM form, from the crate `webpki-root-certs` that Cargo.lock pins."""
    with open(source, encoding="utf-8") as file:
        found = re.findall(r'^ *// "(.*)"\n *CertificateDer::from_slice\(b"((?:\\x[0-9A-F]{2})+)"\)', file.read(), re.M)
    lines = []
    for name, escaped in found:
        der = bytes.fromhex(escaped.replace("\\x", ""))
        if der[:2] != b"\x30\x82" or int.from_bytes(der[2:4], "big") + 4 != len(der):
            raise Wrong(f"`{source}` is written in a way that is not understood: see `{name}`")
        body = base64.encodebytes(der).decode().replace("\n", "")
        lines += [f"# {name}", "-----BEGIN CERTIFICATE-----"]
        lines += [body[start:start + 64] for start in range(0, len(body), 64)] + ["-----END CERTIFICATE-----"]
    if len(found) < 100:
        raise Wrong(f"`{source}` holds {len(found)} certificates, which cannot be all")
    return ("\n".join(lines) + "\n").encode()


# Signatures

def openssl(*arguments):
    try:
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Wrong("`openssl` is missing: install OpenSSL 3") from error
    return done.returncode == 0, done.stdout, done.stderr.decode(errors="replace").strip()


def with_files(contents, use):
    """Calls `use` with paths of files that hold the contents."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, content in enumerate(contents):
            paths.append(os.path.join(folder, str(number)))
            with open(paths[-1], "wb") as file:
                file.write(content)
        return use(*paths)


def sign(layout, key, name, manifest):
    """A signature of a manifest as `cosign` makes it: over a small payload that names the digest."""
    payload = text({
        "critical": {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": manifest["digest"]},
                     "type": "cosign container image signature"},
        "optional": None,
    })
    good, signature, said = with_files([payload], lambda path: openssl("dgst", "-sha256", "-sign", key, path))
    if not good:
        raise Wrong(f"the key `{key}` signs nothing: {said}")
    signature = base64.b64encode(signature).decode()
    signed = layout.add(PAYLOAD, payload, annotations={SIGNATURE: signature})
    config = layout.add(CONFIG, text({
        "architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [signed["digest"]]},
    }))
    tag = manifest["digest"].replace(":", "-") + ".sig"
    return layout.add(MANIFEST, text({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [signed],
    }), annotations={NAME: tag, **({"kind": KIND["signature"]} if "kind" in manifest["annotations"] else {})})


def claims(layout, key, descriptor):
    """Digests that a payload claims whose signature holds."""
    payload = layout.blob(descriptor)
    try:
        signature = base64.b64decode(descriptor["annotations"][SIGNATURE], validate=True)
    except (KeyError, ValueError) as error:
        raise Wrong("a signature is no base64") from error
    good, _, _ = with_files([payload, signature],
                            lambda data, mark: openssl("dgst", "-sha256", "-verify", key, "-signature", mark, data))
    if not good:
        raise Wrong(f"a signature does not hold with the key `{key}`")
    return json.loads(payload)["critical"]["image"]["docker-manifest-digest"]


# The bill of materials

def bill(options):
    """What `cargo cyclonedx` found, without paths of this machine, and what is in the image besides."""
    with open(options.sbom, encoding="utf-8") as file:
        found = json.loads(file.read().replace(f"path+file://{os.getcwd()}", "path+file:///tenantry"))
    main = found["metadata"]["component"]
    main["components"] = [one for one in main.get("components", []) if one["name"] in ("tenantry", options.name)]
    for linked in options.linked:
        name, version, licence = linked.split(" ", 2)
        found["components"].append({
            "type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version, "scope": "required",
            "licenses": [{"expression": licence}], "purl": f"pkg:generic/{name}@{version}",
        })
    return json.dumps(found, indent=1, ensure_ascii=False).encode() + b"\n"


# The verbs

def build(options):
    stamp = datetime.fromtimestamp(options.epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with open(options.program, "rb") as file:
        program = file.read()
    files = {options.name: program, "etc/nsswitch.conf": b"hosts: files dns\n",
             "etc/ssl/certs/ca-certificates.crt": roots(options.roots)}
    with open(options.licence, "rb") as file:
        files["LICENSE"] = file.read()
    folders = {name: (0o1777 if name == "tmp" else 0o700, 0 if name == "tmp" else USER) for name in options.folder}
    plain, packed = layer(files, folders, options.epoch)
    if len(plain) > MOST:
        raise Wrong(f"{len(plain)} bytes unpacked are more than {MOST}: see what came in, or build for release")
    labels = {
        "org.opencontainers.image.title": options.name, "org.opencontainers.image.version": options.version,
        "org.opencontainers.image.revision": options.revision, "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": stamp,
    }
    layout = Layout(options.layout)
    config = layout.add(CONFIG, text({
        "created": stamp, "architecture": options.architecture, "os": "linux",
        # Commands in the documentation then also work with `kubectl exec`.
        "config": {"User": f"{USER}:{USER}", "Env": ["PATH=/"], "Entrypoint": ["/" + options.name],
                   "WorkingDir": "/" + (options.folder[0] if options.folder else ""), "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
        "history": [{"created": stamp, "created_by": "make image"}],
    }))
    image = layout.add(MANIFEST, text({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layout.add(LAYER, packed)],
        "annotations": labels,
    }), annotations={NAME: options.version, "kind": KIND["image"]})
    parts = [layout.add(SBOM, bill(options))]
    # A referrer: a registry returns it when it is asked for what belongs to the image.
    referrer = layout.add(MANIFEST, text({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": SBOM, "config": layout.add(EMPTY, b"{}"),
        "layers": parts, "subject": {field: image[field] for field in ("mediaType", "digest", "size")},
        "annotations": {"org.opencontainers.image.created": stamp},
    }), artifactType=SBOM, annotations={NAME: options.version + "-sbom"})
    layout.close([image, referrer] + [sign(layout, options.key, options.name, one) for one in (image, referrer)])
    print(f"{options.name} {options.version}: {len(packed) / 1e6:.1f} MB compressed, {len(plain) / 1e6:.1f} MB unpacked")
    print(image["digest"])


def verify(options):
    layout = Layout(options.layout)
    signed, others = set(), set()
    for manifest in layout.index():
        content = json.loads(layout.blob(manifest))
        parts = [content["config"], *content["layers"]]
        for part in parts:
            layout.blob(part)
        payloads = [part for part in parts if part["mediaType"] == PAYLOAD]
        signed.update(claims(layout, options.key, part) for part in payloads)
        if not payloads:
            others.add(manifest["digest"])
            others.update([content["subject"]["digest"]] if "subject" in content else [])
    if not others or not others <= signed:
        raise Wrong("not signed: " + (", ".join(sorted(others - signed)) or "there is nothing"))
    print(f"signed, and whole: {', '.join(sorted(others))}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("build", help="write an image, its bill of materials and their signatures")
    for flag, what in [
        ("--name", "name of the program, and of the image"), ("--program", "the program, without libraries"),
        ("--version", "version, and tag"), ("--revision", "the commit that it is of"),
        ("--architecture", "amd64, arm64"), ("--roots", "lib.rs of the crate webpki-root-certs"),
        ("--licence", "text of the licence"), ("--sbom", "bill of materials in CycloneDX"),
        ("--key", "private key in PEM form"),
    ]:
        one.add_argument(flag, required=True, help=what)
    one.add_argument("--epoch", required=True, type=int, help="time of everything in it, in seconds since 1970")
    one.add_argument("--linked", action="append", default=[], help="NAME VERSION LICENCE of what Cargo does not know of")
    one.add_argument("--folder", action="append", default=[], help="an empty folder that the program may write to")
    other = verbs.add_parser("verify", help="whether a layout is whole and signed")
    other.add_argument("--key", required=True, help="public key in PEM form")
    for each in (one, other):
        each.add_argument("layout", help="folder of the layout")
    return parser.parse_args()


def main():
    options = arguments()
    try:
        {"build": build, "verify": verify}[options.verb](options)
    except (Wrong, OSError, KeyError, ValueError) as error:
        sys.exit(f"image: {error if isinstance(error, (Wrong, OSError)) else f'not understood: {error!r}'}")


if __name__ == "__main__":
    main()
