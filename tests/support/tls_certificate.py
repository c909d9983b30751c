"""A certificate for 127.0.0.1 and localhost, for servers that tests start."""

import pathlib
import subprocess


def make(folder):
    """Writes a self-signed certificate and its key into folder: their paths."""
    certificate = str(pathlib.Path(folder) / "certificate.pem")
    key = str(pathlib.Path(folder) / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=20)
    return certificate, key
