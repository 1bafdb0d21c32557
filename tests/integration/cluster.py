# SPDX-License-Identifier: BSD-2-Clause
"""A cluster of hosts in network namespaces, with real Redis, Sentinel and svipd.

    with Cluster() as c:                   # three hosts h1, h2, h3 and a "client" on one bridge
        c.start()                          # all programs run, h1 is the master
        c.wait_holder("h1")
        c.kill_redis("h1")
        c.wait_settled()                   # the holder is the master that a majority of Sentinels names

Every call is bounded in time. Nothing outside the namespaces made here is touched, no process is ended that
was not started here, and all is gone after close(), which also happens at the end of the interpreter.

SVIPD and SVIPCTL in the environment name the programs; otherwise they are looked for in the tree.
"""

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import weakref
from pathlib import Path

import netns
from netns import end_process, ip, now, wait_until
from observer import Observer, Prober, SentinelPoller, Subscriber, Writer
from resp import Resp, RespError, pairs

SENTINEL_PORT = 26379
HEARTBEAT_PORT = 8386
GUARDS = {"lifetime": 2.2}  # svipd's defaults by `fence`, in seconds; others: with the packet filter
REPO = Path(__file__).resolve().parents[2]


def program(name):
    """The path of svipd or svipctl: from the environment, else from the tree."""
    places = [os.environ.get(name.upper()), REPO / "build" / name, REPO / name]
    for place in places:
        if place and os.access(place, os.X_OK):
            return str(Path(place).resolve())
    raise FileNotFoundError(f"no {name}: build it, or set {name.upper()}")


class Instance:
    """A master name that Sentinel monitors, the Redis port, and its virtual addresses."""

    def __init__(self, name="mymaster", port=6379, vips=("10.77.0.50",)):
        self.name, self.port, self.vips = name, port, tuple(vips)


class Host:
    """A host: a namespace with eth0 on the bridge, a directory, and the processes that run there."""

    def __init__(self, name, number, prefix, directory):
        self.name = name
        self.ns = prefix + name
        self.ip4 = f"10.77.0.{number}"
        self.ip6 = f"fd77::{number}"
        self.mac = f"02:77:00:00:00:{number:02d}"
        self.dir = Path(directory) / name
        self.dir.mkdir()
        self.dir.chmod(0o755)
        self.socket = str(self.dir / "svipd.sock")
        self.on = True
        self.procs = {}  # "redis-6379", "sentinel", "svipd" -> Popen

    def log(self, what="svipd"):
        """The output of a program so far."""
        path = self.dir / f"{what}.log"
        return path.read_text(errors="replace") if path.exists() else ""


_open_clusters = weakref.WeakSet()
_count = 0


@atexit.register
def close_all():
    for cluster in list(_open_clusters):
        cluster.close()


class Cluster:
    """See the module's text.

    hosts       how many hosts (h1, h2, …); there is always a "client" as well
    extra       names of more hosts without svipd and Redis ("witness", …)
    sentinels   names of the hosts with a Sentinel; default: all of h1, h2, …
    instances   list of Instance
    family      4 or 6: how hosts, Sentinels and Redis address each other
    lease       of svipd, in seconds; down_after, failover_timeout: of Sentinel, in ms
    settings    more lines for svipd.conf, as a dict (values as written there)
    redis       more lines for redis.conf
    """

    def __init__(self, hosts=3, extra=(), sentinels=None, instances=None, family=4, lease=1.0,
                 down_after=1000, failover_timeout=10000, settings=None, log_level="debug", redis=""):
        global _count
        _count += 1
        self.prefix = f"svt{os.getpid()}-{_count}-"
        self.family = family
        self.lease, self.down_after, self.failover_timeout = lease, down_after, failover_timeout
        self.settings = {"user": '"nobody"', "group": '"nogroup"', "log-level": f'"{log_level}"', **(settings or {})}
        guard = GUARDS.get(self.settings.get("fence", "").strip('"'), 0.06)
        self.bound = self.lease * 1.02 + guard + 1.0  # after it nobody holds without a majority; a second of slack
        self.instances = list(instances or [Instance()])
        self._redis_lines = redis
        self.dir = Path(tempfile.mkdtemp(prefix="svt-"))
        self.dir.chmod(0o755)
        self.key = secrets.token_hex(32)
        self.write_key(self.key)
        self.nodes = [f"h{i + 1}" for i in range(hosts)]
        names = self.nodes + list(extra) + ["client"]
        self.hosts = {n: Host(n, 99 if n == "client" else 11 + i, self.prefix, self.dir)
                      for i, n in enumerate(names)}
        self.sentinels = list(sentinels or self.nodes)
        self.switch = self.prefix + "sw"
        self.observer = None
        self.children = []  # probers, writers, pollers
        self.died = []      # processes found dead that nobody ended
        self._cut = set()
        self._myid = {n: secrets.token_hex(20) for n in names}
        self._closed = False
        self._lock = None
        _open_clusters.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- network ----

    def up(self):
        """Makes the network and the observer of its addresses."""
        remove_leftovers()
        self._lock = open(f"/run/{self.prefix}lock", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        print(self.dir, file=self._lock, flush=True)
        names = [self.switch] + [h.ns for h in self.hosts.values()]
        ip(*(f"netns add {n}" for n in names))
        for name in names:
            with netns.inside(name):
                for key, value in (("ipv6/conf/default/accept_dad", 0), ("ipv6/conf/default/router_solicitations", 0)):
                    Path(f"/proc/sys/net/{key}").write_text(str(value))
        ip(*(f"netns set {h.ns} {i + 1}" for i, h in enumerate(self.hosts.values())),
           "link set lo up", "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 up",
           *(f"link add {h.name} type veth peer name eth0 address {h.mac} netns {h.ns}" for h in self.hosts.values()),
           *(f"link set {h.name} master br0 up" for h in self.hosts.values()), ns=self.switch)
        for host in self.hosts.values():
            ip("link set lo up", "link set eth0 up", ns=host.ns)
            self._address(host)
        netns.run(self.switch, "nft", "-f", "-", text="""
            table bridge svt {
                set cut { type ifname . ifname; }
                set hosts { type ifname; }
                chain loss { }
                chain forward { type filter hook forward priority 0;
                    iifname . oifname @cut drop
                    iifname @hosts oifname @hosts jump loss
                }
            }
            add element bridge svt hosts { %s }
            """ % ", ".join(h.name for h in self.hosts.values() if h.name != "client"))
        self.observer = Observer(self.switch, {i + 1: n for i, n in enumerate(self.hosts)}, self.all_vips())

    def _address(self, host):
        ip(f"addr replace {host.ip4}/24 dev eth0", f"addr replace {host.ip6}/64 dev eth0 nodad", ns=host.ns)

    def all_vips(self):
        return [v for i in self.instances for v in i.vips]

    def address(self, name):
        """A host's own address, of the family of the cluster."""
        host = self.hosts[name]
        return host.ip6 if self.family == 6 else host.ip4

    def host_of(self, address):
        """The name of the host with this address, or None."""
        return next((h.name for h in self.hosts.values() if address in (h.ip4, h.ip6)), None)

    def _nft(self, *lines):
        netns.run(self.switch, "nft", "-f", "-", text="\n".join(lines) + "\n")

    def cut(self, a, b, oneway=False):
        """Drops every frame from a to b, and from b to a unless `oneway`. Names or lists of names."""
        side_a, side_b = ([x] if isinstance(x, str) else list(x) for x in (a, b))
        pairs_ = {(x, y) for x in side_a for y in side_b if x != y}
        if not oneway:
            pairs_ |= {(y, x) for x, y in pairs_}
        new = pairs_ - self._cut
        if new:
            self._nft("add element bridge svt cut { %s }" % ", ".join(f"{x} . {y}" for x, y in new))
            self._cut |= new

    def cut_exactly(self, pairs_):
        """Drops every frame from a to b for these (a, b), and no others."""
        new, old = set(pairs_) - self._cut, self._cut - set(pairs_)
        lines = [f"{verb} element bridge svt cut {{ {', '.join(f'{x} . {y}' for x, y in some)} }}"
                 for verb, some in (("add", new), ("delete", old)) if some]
        if lines:
            self._nft(*lines)
            self._cut = set(pairs_)

    def isolate(self, name, keep=()):
        """Cuts a host, and those of `keep` with it, off from all others."""
        island = [name, *keep]
        self.cut(island, [h for h in self.hosts if h not in island])

    def heal(self):
        """Ends every cut and loss."""
        self._nft("flush set bridge svt cut", "flush chain bridge svt loss")
        self._cut = set()

    def loss(self, percent):
        """Loses frames between hosts at random; the client's are spared. 0: no more."""
        rule = [f"add rule bridge svt loss numgen random mod 1000 < {int(percent * 10)} drop"] if percent else []
        self._nft("flush chain bridge svt loss", *rule)

    def slow(self, name, kbit=0, late_ms=0):
        """A narrow line to and from a host: what waits longer than `late_ms` is lost. 0: no more."""
        for ns, dev in ((self.switch, name), (self.hosts[name].ns, "eth0")):
            what = f"replace dev {dev} root tbf rate {kbit}kbit burst 4kb latency {late_ms}ms" if kbit else f"del dev {dev} root"
            netns.run(ns, "tc", "qdisc", *what.split(), check=bool(kbit))

    def link(self, name, up):
        """Sets eth0 of a host up or down, from inside."""
        host = self.hosts[name]
        ip(f"link set eth0 {'up' if up else 'down'}", ns=host.ns)
        if up:
            self._address(host)

    def add_vip(self, name, vip=None):
        """Adds a virtual address by hand, as svipd would."""
        vip = vip or self.all_vips()[0]
        ip(f"addr add {vip}/{128 if ':' in vip else 32} dev eth0 {'nodad' if ':' in vip else 'scope host'}",
           ns=self.hosts[name].ns)

    def delete_vip(self, name, vip=None):
        """Deletes a virtual address by hand."""
        vip = vip or self.all_vips()[0]
        ip(f"addr del {vip}/{128 if ':' in vip else 32} dev eth0", ns=self.hosts[name].ns)

    # ---- programs ----

    def start(self, svipd=True):
        """Network, Redis (h1 is the master), Sentinels that know each other, svipd; waits until all are well."""
        if self.observer is None:
            self.up()
        for name in self.nodes:
            self.start_redis(name)
        self.wait_replicas("h1")
        for name in self.sentinels:
            self.start_sentinel(name)
        self.wait_sentinels()
        if svipd:
            for name in self.nodes:
                self.start_svipd(name)

    def _spawn(self, host, key, argv, **kw):
        old = host.procs.get(key)
        if old is not None and old.poll() is None:
            raise RuntimeError(f"{key} runs already on {host.name}")
        host.procs[key] = netns.spawn(host.ns, argv, host.dir / f"{key}.log", **kw)

    def start_redis(self, name, instance=None):
        """Starts Redis of one instance, or of all. The first time h1 is the master of the others; later as Redis
        and Sentinel have written it into its configuration."""
        host = self.hosts[name]
        for inst in [instance] if instance else self.instances:
            directory = host.dir / f"redis-{inst.port}.d"
            conf = directory / "redis.conf"
            if not conf.exists():
                directory.mkdir()
                conf.write_text(
                    f"port {inst.port}\nbind * -::*\nprotected-mode no\ndir {directory}\nsave \"\"\n"
                    "repl-diskless-sync-delay 0\nrepl-timeout 10\nrepl-ping-replica-period 1\n" + self._redis_lines
                    + (f"replicaof {self.address('h1')} {inst.port}\n" if name != "h1" else ""))
            self._spawn(host, f"redis-{inst.port}", ["redis-server", str(conf)])

    def start_sentinel(self, name):
        host = self.hosts[name]
        directory = host.dir / "sentinel.d"
        conf = directory / "sentinel.conf"
        if not conf.exists():
            directory.mkdir()
            lines = [f"port {SENTINEL_PORT}", "bind * -::*", "protected-mode no", f"dir {directory}",
                     f"sentinel myid {self._myid[name]}"]
            quorum = len(self.sentinels) // 2 + 1
            for i in self.instances:
                lines += [f"sentinel monitor {i.name} {self.address('h1')} {i.port} {quorum}",
                          f"sentinel down-after-milliseconds {i.name} {self.down_after}",
                          f"sentinel failover-timeout {i.name} {self.failover_timeout}",
                          f"sentinel parallel-syncs {i.name} 4"]
                lines += [f"sentinel known-replica {i.name} {self.address(n)} {i.port}" for n in self.nodes if n != "h1"]
                lines += [f"sentinel known-sentinel {i.name} {self.address(n)} {SENTINEL_PORT} {self._myid[n]}"
                          for n in self.sentinels if n != name]
            conf.write_text("\n".join(lines) + "\n")
        self._spawn(host, "sentinel", ["redis-sentinel", str(conf)])

    def start_svipd(self, name, *args, wait=True):
        """Starts svipd in the foreground. Writes the cluster's configuration first when the host has none."""
        host = self.hosts[name]
        if not (host.dir / "svipd.conf").exists():
            self.write_config(name)
        shutil.chown(host.dir, "nobody", "nogroup")
        argv = [program("svipd"), "-n", "-f", str(host.dir / "svipd.conf"), "-s", host.socket,
                "-p", str(host.dir / "svipd.pid"), *args]
        self._spawn(host, "svipd", argv)
        if wait:
            proc = host.procs["svipd"]
            wait_until(lambda: proc.poll() is not None or self.svipctl(name, "version").returncode == 0, 10,
                       lambda: f"svipd on {name} answers\n{host.log()[-2000:]}")
            if proc.poll() is not None:
                raise AssertionError(f"svipd on {name} ended with {proc.poll()}:\n{host.log()[-2000:]}")

    def config(self, instances=None, **settings):
        """The text of svipd.conf, the same for all hosts. settings replace those of the cluster: lease='"3s"', ..."""
        six = self.family == 6

        def quoted(items):
            return "{ " + ", ".join(f'"{i}"' for i in items) + " }"

        values = {
            "cluster": '"test"',
            "sentinels": quoted(f"[{self.address(n)}]:{SENTINEL_PORT}" if six else f"{self.address(n)}:{SENTINEL_PORT}"
                                for n in self.sentinels),
            "nodes": quoted(self.address(n) for n in self.nodes),
            "key-file": f'"{self.dir}/key"',
            "lease": f'"{int(self.lease * 1000)}ms"',
            **self.settings,
            **{k.replace("_", "-"): v for k, v in settings.items()},
        }
        text = "".join(f"{k} = {v}\n" for k, v in values.items() if v is not None)
        for i in self.instances if instances is None else instances:
            redis = f'\tredis = "{i.port}"\n' if i.port != 6379 else ""
            text += f'\nvip "{i.name}" {{\n\tinterface = "eth0"\n\taddress = {quoted(i.vips)}\n{redis}}}\n'
        return text

    def write_config(self, name, text=None):
        """Writes svipd.conf of a host; returns its path."""
        path = self.hosts[name].dir / "svipd.conf"
        path.write_text(self.config() if text is None else text)
        path.chmod(0o644)
        return path

    def write_key(self, *keys, name="key"):
        """Writes a key file that all hosts can use; returns its path."""
        path = self.dir / name
        path.touch(mode=0o600)
        path.write_text("".join(k + "\n" for k in keys))
        shutil.chown(path, "nobody", "nogroup")
        return path

    def running(self, name, key="svipd"):
        proc = self.hosts[name].procs.get(key)
        return proc is not None and proc.poll() is None

    def end(self, name, key, sig=signal.SIGKILL, timeout=10):
        """Ends a program ("svipd", "sentinel", "redis-6379") by a signal and waits; returns its exit status."""
        proc = self.hosts[name].procs.pop(key)
        if proc.poll() is not None:
            self.died.append((name, key, proc.returncode))
        return end_process(proc, sig, timeout)

    def kill_redis(self, name, instance=None):
        """kill -9 of a Redis. Returns when."""
        self.end(name, f"redis-{(instance or self.instances[0]).port}")
        return now()

    def stop_svipd(self, name, timeout=10):
        """A clean stop (SIGTERM); returns the exit status."""
        return self.end(name, "svipd", signal.SIGTERM, timeout)

    def signal(self, name, sig, key="svipd"):
        """Sends a signal that is not meant to end it: SIGHUP, SIGSTOP, SIGCONT."""
        os.kill(self.hosts[name].procs[key].pid, sig)

    def power_off(self, name):
        """The host is gone at once: its port goes down first, then everything there is killed. Returns when."""
        host = self.hosts[name]
        ip(f"link set {name} down", ns=self.switch)
        when = now()
        host.on = False
        self.observer.power_off(name, when)
        for key in list(host.procs):
            self.end(name, key)
        ip("link set eth0 down", "addr flush dev eth0", ns=host.ns, check=False)
        netns.run(host.ns, "nft", "flush", "ruleset", check=False)
        return when

    def boot(self, name, programs=True):
        """Power is back: an empty interface with the host's own addresses, and all its programs."""
        host = self.hosts[name]
        ip("link set eth0 up", ns=host.ns)
        self._address(host)
        host.on = True
        ip(f"link set {name} up", ns=self.switch)
        self.observer.power_on(name, now())
        if programs:
            if name in self.nodes:
                self.start_redis(name)
            if name in self.sentinels:
                self.start_sentinel(name)
            if name in self.nodes:
                self.start_svipd(name, wait=False)

    # ---- Redis and Sentinel ----

    def redis(self, name, port=6379):
        """A connection to a Redis or Sentinel from inside its own host: no cut can touch it."""
        return Resp("127.0.0.1", port, ns=self.hosts[name].ns)

    def wait_replicas(self, master, timeout=15):
        """Waits until every running Redis but the master's has a working link to it."""
        def linked(name, inst):
            with self.redis(name, inst.port) as r:
                role = r.call("ROLE")
                return role[0] == "slave" and role[1] in self._addresses(master) and role[3] == "connected"
        for inst in self.instances:
            for name in self.nodes:
                if name != master and self.running(name, f"redis-{inst.port}"):
                    wait_until(lambda: linked(name, inst), timeout, f"Redis {inst.name} on {name} replicates {master}")

    def _addresses(self, name):
        return (self.hosts[name].ip4, self.hosts[name].ip6)

    def sentinel_view(self, name, instance=None):
        """What a Sentinel says: dict with addr (host's name), epoch, flags, … ; None when it doesn't answer."""
        inst = instance or self.instances[0]
        try:
            with self.redis(name, SENTINEL_PORT) as s:
                addr = s.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", inst.name)
                m = pairs(s.call("SENTINEL", "MASTER", inst.name))
        except (OSError, RespError):
            return None
        return {"addr": addr and self.host_of(addr[0]), "epoch": int(m["config-epoch"]), "flags": m["flags"].split(","),
                "replicas": int(m["num-slaves"]), "sentinels": int(m["num-other-sentinels"]) + 1}

    def tilt(self, name):
        """Whether a Sentinel is in TILT, in which it does nothing for 30 s after a pause or a jump of its clock."""
        with contextlib.suppress(OSError, RespError), self.redis(name, SENTINEL_PORT) as s:
            return " ".join(line for line in s.call("INFO", "sentinel").split() if line.startswith("sentinel_tilt"))
        return "no answer"

    def wait_calm(self, timeout=45):
        """Waits until no Sentinel is in TILT."""
        running = [n for n in self.sentinels if self.running(n, "sentinel")]
        wait_until(lambda: all("sentinel_tilt:0" in self.tilt(n) for n in running), timeout, "no Sentinel is in TILT")

    def views(self, instance=None):
        """sentinel_view() of each Sentinel that answers."""
        found = {n: self.sentinel_view(n, instance) for n in self.sentinels}
        return {n: v for n, v in found.items() if v}

    def named(self, instance=None):
        """The host that a majority of all Sentinels names, or None."""
        names = [v["addr"] for v in self.views(instance).values()]
        return next((n for n in names if n and names.count(n) > len(self.sentinels) // 2), None)

    def epoch(self, instance=None):
        """The greatest config-epoch of any Sentinel."""
        return max(v["epoch"] for v in self.views(instance).values())

    def wait_sentinels(self, timeout=60):
        """Waits until all running Sentinels agree, nothing is down and a failover could succeed.

        After a failover that takes 20 s and more: 8 s until the old master is told, and INFO comes each 10 s.
        """
        running = [n for n in self.sentinels if self.running(n, "sentinel")]
        replicas = [n for n in self.nodes if self.running(n, f"redis-{self.instances[0].port}")]

        def well(inst):
            views = [self.sentinel_view(n, inst) for n in running]
            if None in views or len({(v["addr"], v["epoch"]) for v in views}) != 1:
                return False
            if any(v["flags"] != ["master"] or v["sentinels"] != len(self.sentinels) for v in views):
                return False
            for name in running:
                with self.redis(name, SENTINEL_PORT) as s:
                    known = [pairs(r) for r in s.call("SENTINEL", "REPLICAS", inst.name)]
                    good = [r for r in known if r["flags"] == "slave" and r["master-link-status"] == "ok"]
                    if len(good) < len(replicas) - 1:
                        return False
            return True
        for inst in self.instances:
            wait_until(lambda: well(inst), timeout, lambda: f"all Sentinels are well: {self.views(inst)}\n{self.replicas(inst)}")

    def replicas(self, inst):
        """What each Sentinel says of the replicas."""
        said = {}
        for name in (n for n in self.sentinels if self.running(n, "sentinel")):
            with self.redis(name, SENTINEL_PORT) as s:
                known = [pairs(r) for r in s.call("SENTINEL", "REPLICAS", inst.name)]
            said[name] = {r["name"]: (r["flags"], r["master-link-status"], r["master-host"]) for r in known}
        return said

    def sentinel_failover(self, via=None, instance=None, timeout=20):
        """SENTINEL FAILOVER, asked again while it is refused. Returns when it was accepted."""
        inst = instance or self.instances[0]
        via = via or next(n for n in self.sentinels if self.running(n, "sentinel"))

        def accepted():
            with self.redis(via, SENTINEL_PORT) as s, contextlib.suppress(RespError):
                return s.call("SENTINEL", "FAILOVER", inst.name) == "OK" and now()
        return wait_until(accepted, timeout, "SENTINEL FAILOVER is accepted", every=0.2)

    def wait_named(self, *but, timeout=30, instance=None):
        """Waits until a majority names a host other than those; returns its name."""
        return wait_until(lambda: (n := self.named(instance)) not in (None, *but) and n, timeout,
                          lambda: f"a majority names another master than {but}: {self.views(instance)}")

    # ---- svipd ----

    def svipctl(self, name, *args, timeout=10):
        """Runs svipctl against a host's svipd; returns the completed process."""
        return subprocess.run([program("svipctl"), "-s", self.hosts[name].socket, *args], text=True,
                              capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def status(self, name, *args):
        """`svipctl -j status` as a dict; None when svipd isn't there."""
        done = self.svipctl(name, "-j", "status", *args)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def instance(self, name, instance=None):
        """The status of one instance on a host; None when svipd isn't there."""
        wanted = (instance or self.instances[0]).name
        status = self.status(name)
        return status and next((i for i in status["instances"] if i["name"] == wanted), None)

    def peer(self, name, of):
        """What svipd on `name` says about the peer `of`."""
        return next(p for p in self.status(name)["peers"] if p["node"] in self._addresses(of))

    def holders(self, vip=None):
        """The names of the hosts that hold a virtual address now, by the kernels' word."""
        return self.observer.holders(vip or self.all_vips()[0])

    def describe(self):
        """A few lines for messages: who holds, what each svipd says."""
        lines = [f"{v}: {sorted(self.holders(v))}" for v in self.all_vips()]
        lines += [f"sentinel {n}: {v} {self.tilt(n)}" for n, v in self.views().items()]
        for name in self.nodes:
            if self.running(name):
                try:
                    states = self.status(name)
                    lines += [f"{name}: {i['name']} {i['state']} holding={i['holding']} reason={i['reason']} "
                              f"epoch={i['epoch']}" for i in (states or {"instances": []})["instances"]]
                except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
                    lines.append(f"{name}: {error!r}")
        return "\n".join(lines)

    def wait_holder(self, host, timeout=20, instance=None):
        """Waits until exactly this host (None: no host) holds all addresses of the instance."""
        want = {host} if host else set()
        vips = (instance or self.instances[0]).vips
        wait_until(lambda: all(self.holders(v) == want for v in vips), timeout,
                   lambda: f"{host or 'nobody'} holds {vips}\n{self.describe()}")

    def wait_settled(self, timeout=30, but=(), instance=None):
        """Waits until the one holder is the host that a majority names (and none of `but`); returns it."""
        inst = instance or self.instances[0]

        def settled():
            name = self.named(inst)
            return name not in (None, *but) and all(self.holders(v) == {name} for v in inst.vips) and name
        return wait_until(settled, timeout, lambda: f"the named master (not {but}) holds {inst.vips}\n{self.describe()}")

    def wait_peers(self, timeout=15):
        """Waits until all running svipd hear each other both ways and agree on the configuration."""
        running = [n for n in self.nodes if self.running(n)]

        def well(name):
            status = self.status(name)
            good = [p for p in (status or {"peers": []})["peers"]
                    if p["state"] == "alive" and p["two_way"] and p["config"] == "same"]
            return len(good) >= len(running) - 1
        for name in running:
            wait_until(lambda: well(name), timeout, lambda: f"{name} hears its peers: {self.status(name)}")

    # ---- witnesses; they end with the cluster ----

    def add(self, child):
        """Takes care of the end of a child."""
        self.children.append(child)
        return child

    def prober(self):
        """Asks for all addresses from the client's host and notes who answers. Checked by problems()."""
        macs = {h.mac: h.name for h in self.hosts.values()}
        return self.add(Prober(self.hosts["client"], self.all_vips(), macs))

    def writer(self, vip=None, port=6379, wait=True, **options):
        """A client that writes through a virtual address; it has begun when `wait`."""
        writer = self.add(Writer(self.hosts["client"].ns, vip or self.all_vips()[0], port, **options))
        if wait:
            writer.wait_writing()
        return writer

    def subscriber(self, vip=None, port=6379):
        """A client that is subscribed through a virtual address and idle."""
        subscriber = self.add(Subscriber(self.hosts["client"].ns, vip or self.all_vips()[0], port))
        wait_until(subscriber.subscribed, 10, "a client is subscribed")
        return subscriber

    def poller(self, instance=None, **options):
        """Asks all Sentinels every 2 ms who the master is."""
        hosts = {n: self.hosts[n] for n in self.sentinels}
        poller = self.add(SentinelPoller(hosts, (instance or self.instances[0]).name, **options))
        wait_until(lambda: len(poller.changes()) >= len(hosts), 10, "all Sentinels are polled")
        return poller

    # ---- end ----

    def problems(self):
        """What must never be, as texts: two holders, dead processes, reports of sanitizers."""
        found = list(self.observer.violations()) if self.observer else []
        for child in self.children:
            if hasattr(child, "violations"):
                found += child.violations(self.observer)
        return found + self.ailments()

    def ailments(self):
        """What is wrong with the programs themselves, as texts: ended, or complaining."""
        found = []
        for host in self.hosts.values():
            for key, proc in host.procs.items():
                if proc.poll() is not None:
                    found.append(f"{key} on {host.name} has ended by itself with {proc.returncode}")
            text = host.log()
            for mark in ("Sanitizer", "runtime error:", "Assertion", "assertion"):
                if mark in text:
                    at = text.index(mark)
                    found.append(f"svipd on {host.name}: {text[max(0, at - 200):at + 2000]}")
                    break
        for inst in self.instances:
            for name in self.sentinels:
                if self.running(name, "sentinel"):
                    found += self._vip_replicas(name, inst)
        return found + [f"{key} on {name} had ended by itself with {status}" for name, key, status in self.died]

    def _vip_replicas(self, name, inst):
        """A virtual address must never be the source of a Redis' own connections."""
        with contextlib.suppress(OSError, RespError), self.redis(name, SENTINEL_PORT) as s:
            known = [pairs(r)["ip"] for r in s.call("SENTINEL", "REPLICAS", inst.name)]
            return [f"Sentinel on {name} knows a replica at the virtual address {a}" for a in known
                    if a in self.all_vips()]
        return []

    def close(self):
        """Ends all processes and removes all namespaces and files. Can be called again."""
        if self._closed:
            return
        self._closed = True
        with _signals_held():
            for child in self.children + ([self.observer] if self.observer else []):
                child.kill()
            procs = [p for h in self.hosts.values() for p in h.procs.values()]
            if os.environ.get("SVIP_GENTLE"):
                self._end_gently()
            for proc in procs:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(proc.pid, signal.SIGKILL)
            for proc in procs:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    proc.wait(10)
            if self._lock:
                remove_namespaces(self.prefix)
                os.unlink(self._lock.name)
                self._lock.close()
            shutil.rmtree(self.dir, ignore_errors=True)


    def _end_gently(self):
        """A build that counts what it runs writes it down when it ends by itself."""
        daemons = [h.procs["svipd"] for h in self.hosts.values() if "svipd" in h.procs]
        for proc in daemons:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                proc.send_signal(signal.SIGCONT)
                proc.terminate()
        for proc in daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                proc.wait(5)


@contextlib.contextmanager
def _signals_held():
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def remove_namespaces(prefix):
    names = [n for n in os.listdir("/run/netns") if n.startswith(prefix)] if os.path.isdir("/run/netns") else []
    if names:
        ip(*(f"netns del {n}" for n in names), check=False)


def remove_leftovers():
    """Removes what clusters of killed runs have left: their lock is free. Ends only processes inside of those."""
    for path in Path("/run").glob("svt*-lock"):
        with contextlib.suppress(OSError), open(path) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            directory = lock.read().strip()
            prefix = path.name.removesuffix("lock")
            for name in os.listdir("/run/netns"):
                if name.startswith(prefix):
                    for pid in netns.run(None, "ip", "netns", "pids", name, check=False).split():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(int(pid), signal.SIGKILL)
            remove_namespaces(prefix)
            if directory.startswith(tempfile.gettempdir() + "/svt-"):
                shutil.rmtree(directory, ignore_errors=True)
            path.unlink()
