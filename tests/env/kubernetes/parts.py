# SPDX-License-Identifier: Apache-2.0
"""What a cluster is made of: for each program its command, its files, how one sees that it is ready, and how long that may
take. Everything is at the port and path where it always is: the namespaces of node.py keep clusters apart."""
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable

import api
import pki

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from places import CACHE, listens  # noqa: E402

KUBERNETES = CACHE / "tools/kubebox"
TOOLS = CACHE / "tools/cluster"
PAUSE = CACHE / "tools/pause/pause.tar"
PATH = f"{KUBERNETES}:{TOOLS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ETCD = "http://127.0.0.1:2379"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/24"


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    command: list[str]
    ready: Callable[[], bool]
    within: int = 60  # seconds, on a machine that has other things to do


def flags(**values):
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def etcd(state):
    peers = "http://127.0.0.1:2380"
    return Part("etcd", ["/usr/bin/etcd", "--unsafe-no-fsync", *flags(
        name="test", data_dir=state / "etcd", listen_client_urls=ETCD, advertise_client_urls=ETCD, listen_peer_urls=peers,
        initial_advertise_peer_urls=peers, initial_cluster=f"test={peers}")],
        lambda: b"true" in (api.get(f"{ETCD}/health") or b""))


def api_server(state):
    who = state / "pki"
    server = api.ApiServer(who)
    return Part("kube-apiserver", [str(KUBERNETES / "kube-apiserver"), *flags(
        etcd_servers=ETCD, secure_port=6443, advertise_address=pki.NODE_ADDRESS, service_cluster_ip_range=SERVICES,
        tls_cert_file=who / "kube-apiserver.crt", tls_private_key_file=who / "kube-apiserver.key",
        client_ca_file=who / "ca.crt", authorization_mode="Node,RBAC", enable_admission_plugins="NodeRestriction",
        allow_privileged="true",
        kubelet_client_certificate=who / "admin.crt", kubelet_client_key=who / "admin.key",
        kubelet_certificate_authority=who / "ca.crt", kubelet_preferred_address_types="InternalIP",
        service_account_issuer="https://kubernetes.default.svc.cluster.local",
        service_account_key_file=who / "accounts.key", service_account_signing_key_file=who / "accounts.key",
        # Other API servers behind this one (external metrics, say).
        requestheader_client_ca_file=who / "ca.crt", requestheader_allowed_names="front-proxy-client",
        requestheader_extra_headers_prefix="X-Remote-Extra-", requestheader_group_headers="X-Remote-Group",
        requestheader_username_headers="X-Remote-User",
        proxy_client_cert_file=who / "front-proxy.crt", proxy_client_key_file=who / "front-proxy.key",
        # It asks etcd for sizes in a way that Debian's etcd 3.4 does not know.
        feature_gates="SizeBasedListCostEstimate=false")],
        lambda: server.get("/readyz") == b"ok", within=180)


def controller_manager(state):
    """Ready when it has done a piece of its work: without the account no pod can be made."""
    who = state / "pki"
    server = api.ApiServer(who)
    kubeconfig = who / "kube-controller-manager.kubeconfig"
    return Part("kube-controller-manager", [str(KUBERNETES / "kube-controller-manager"), *flags(
        kubeconfig=kubeconfig, authentication_kubeconfig=kubeconfig, authorization_kubeconfig=kubeconfig,
        bind_address="127.0.0.1", leader_elect="false", use_service_account_credentials="true",
        cluster_signing_cert_file=who / "ca.crt", cluster_signing_key_file=who / "ca.key", root_ca_file=who / "ca.crt",
        service_account_private_key_file=who / "accounts.key", service_cluster_ip_range=SERVICES,
        # Each of its controllers makes an account for itself first; at the usual 20 requests a second that takes five.
        kube_api_qps=500, kube_api_burst=500)],
        lambda: server.get("/api/v1/namespaces/default/serviceaccounts/default") is not None)


def scheduler(state):
    kubeconfig = state / "pki/kube-scheduler.kubeconfig"
    return Part("kube-scheduler", [str(KUBERNETES / "kube-scheduler"), *flags(
        kubeconfig=kubeconfig, authentication_kubeconfig=kubeconfig, authorization_kubeconfig=kubeconfig,
        bind_address="127.0.0.1", leader_elect="false")],
        lambda: listens("127.0.0.1", 10259))


def containerd(state):
    """Routes every pod to the node by a link of its own (ptp), so that the node's rules for services see all traffic
    without bridge filtering in the kernel."""
    networks = state / "networks"
    networks.mkdir()
    (networks / "pods.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [
        {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}))
    config = state / "containerd.toml"
    config.write_text(f"""version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"] # would make a folder under /opt
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/serin-pause:1"
restrict_oom_score_adj = true # a machine may not let root go below its own score
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{networks}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
""")
    return Part("containerd", ["/usr/bin/containerd", *flags(config=config)],
                lambda: pathlib.Path("/run/containerd/containerd.sock").exists())


def kubelet(state, cgroup):
    who = state / "pki"
    server = api.ApiServer(who)
    # Names outside the cluster lead nowhere.
    (state / "resolv.conf").write_text("")
    config = state / "kubelet.yaml"
    config.write_text(f"""apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{x509: {{clientCAFile: {who}/ca.crt}}, webhook: {{enabled: true}}, anonymous: {{enabled: false}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {who}/kubelet-server.crt
tlsPrivateKeyFile: {who}/kubelet-server.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
clusterDomain: cluster.local
clusterDNS: [{pki.NODE_ADDRESS}]
resolvConf: {state}/resolv.conf
volumePluginDir: /var/lib/kubelet/volume-plugins
evictionHard: {{memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}}
imageGCHighThresholdPercent: 100
""")
    return Part("kubelet", [str(KUBERNETES / "kubelet"), *flags(
        config=config, kubeconfig=who / "kubelet.kubeconfig", hostname_override=pki.NODE, node_ip=pki.NODE_ADDRESS)],
        server.node_is_ready, within=120)


def proxy(state):
    config = state / "kube-proxy.yaml"
    config.write_text(f"""apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {{kubeconfig: {state}/pki/kube-proxy.kubeconfig}}
clusterCIDR: {PODS}
hostnameOverride: {pki.NODE}
oomScoreAdj: 0
conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}} # the machine's, not ours to set
""")
    return Part("kube-proxy", [str(KUBERNETES / "kube-proxy"), *flags(config=config)],
                lambda: api.get("http://127.0.0.1:10256/healthz") is not None)


def dns(state):
    """Beside the pods, not in one, at the node's address."""
    corefile = state / "Corefile"
    corefile.write_text(f""".:53 {{
    bind {pki.NODE_ADDRESS}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {state}/pki/admin.kubeconfig
    }}
}}
""")
    return Part("coredns", [str(TOOLS / "coredns"), "-conf", str(corefile)], lambda: listens(pki.NODE_ADDRESS, 53))
