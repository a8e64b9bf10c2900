# SPDX-License-Identifier: Apache-2.0
"""Who is who in a cluster: one authority, a certificate and a kubeconfig for everyone who speaks to the API server."""
import base64
import subprocess

API_SERVER = "https://127.0.0.1:6443"
NODE = "node1"
NODE_ADDRESS = "10.200.0.1"
API_SERVICE_ADDRESS = "10.96.0.1"
# Clients by the name of their kubeconfig. RBAC's built-in rules are for these names.
CLIENTS = {"admin": "/O=system:masters/CN=admin",
           "kube-controller-manager": "/CN=system:kube-controller-manager",
           "kube-scheduler": "/CN=system:kube-scheduler",
           "kube-proxy": "/CN=system:kube-proxy",
           "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
           "front-proxy": "/CN=front-proxy-client"}
SERVERS = {"kube-apiserver": "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
                             "DNS:kubernetes.default.svc.cluster.local,DNS:localhost,"
                             f"IP:127.0.0.1,IP:{NODE_ADDRESS},IP:{API_SERVICE_ADDRESS}",
           "kubelet-server": f"DNS:{NODE},IP:{NODE_ADDRESS}"}
DAYS = "30"


def make(folder):
    """Fills a folder: ca, clients and servers as NAME.crt and NAME.key, clients also as NAME.kubeconfig, and accounts.key,
    with which the tokens of service accounts are signed."""
    folder.mkdir(mode=0o700)
    (folder / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
    certificate(folder, "ca", "/CN=serin-test", [], ["basicConstraints=critical,CA:TRUE",
                                                     "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"])
    signed = ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key")]
    leaf = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
    for name, subject in CLIENTS.items():
        certificate(folder, name, subject, signed, [*leaf, "extendedKeyUsage=clientAuth"])
        write_kubeconfig(folder, name)
    for name, names in SERVERS.items():
        certificate(folder, name, f"/CN={name}", signed, [*leaf, "extendedKeyUsage=serverAuth", f"subjectAltName={names}"])
    # In the older of two forms: from this one Kubernetes reads the public half too.
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "accounts.key"))


def certificate(folder, name, subject, signed, extensions):
    openssl("req", "-x509", "-config", str(folder / "openssl.cnf"), "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt"), "-days", DAYS,
            "-subj", subject, *signed, *(word for extension in extensions for word in ("-addext", extension)))


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(arguments)}:\n{done.stderr}")


def write_kubeconfig(folder, name):
    def inline(file):
        return base64.b64encode((folder / file).read_bytes()).decode()

    (folder / f"{name}.kubeconfig").write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: {API_SERVER}
    certificate-authority-data: {inline("ca.crt")}
users:
- name: {name}
  user:
    client-certificate-data: {inline(f"{name}.crt")}
    client-key-data: {inline(f"{name}.key")}
contexts:
- name: test
  context:
    cluster: test
    user: {name}
current-context: test
""")
