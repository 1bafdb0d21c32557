# SPDX-License-Identifier: BSD-2-Clause
"""Ways to lead clients to the Redis that Sentinel names, each set up as its users do. A way starts what it needs on the hosts
of a cluster and says where a client finds the master. It measures nothing."""

import os
import signal
from pathlib import Path

import netns
import redis
import redis.sentinel
from cluster import SENTINEL_PORT, Cluster
from netns import Child, now
from observer import Writer

VIP = "10.77.0.50"


class Way(Cluster):
    """A cluster whose clients find the master somehow. What's here does nothing at all."""

    name = ""
    title = ""
    packages = ()
    manager = None  # the program that moves the address, in Host.procs
    target = VIP
    writer_class = Writer

    def __init__(self):
        super().__init__(log_level="info")

    def hook(self, host):
        """The shell lines of Sentinel's client-reconfig-script on a host; None: there is none."""
        return None

    def ready(self):
        """Called when Redis and Sentinel run, once."""

    def boot_host(self, host):
        """What a host starts by itself besides Redis and Sentinel."""

    def script(self, host, name, text):
        path = host.dir / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def _spawn(self, host, key, argv, **kw):
        if key == "sentinel" and self.hook(host):
            conf = Path(argv[1])
            line = f"sentinel client-reconfig-script {self.instances[0].name} {self.script(host, 'reconfig', self.hook(host))}\n"
            if "client-reconfig-script" not in conf.read_text():
                conf.write_text(conf.read_text() + line)
        super()._spawn(host, key, argv, **kw)

    def start(self):
        super().start(svipd=False)
        for name in self.nodes:
            self.boot_host(self.hosts[name])
        self.ready()

    def boot(self, name):
        super().boot(name, programs=False)
        self.start_redis(name)
        self.start_sentinel(name)
        self.boot_host(self.hosts[name])

    def manager_host(self):
        return self.hosts["h1"]


class Svipd(Way):
    name, title, manager = "svipd", "svipd", "svipd"

    def boot_host(self, host):
        self.start_svipd(host.name, wait=False)


class Script(Way):
    """The usual script; Sentinel runs it on every host after each failover that it sees. Somebody added the address by hand."""

    name, title, manager = "script", "client-reconfig-script", "sentinel"
    packages = ("iputils-arping",)

    def hook(self, host):
        return f"""
if [ "$6" = {host.ip4} ]; then
	ip addr add {VIP}/32 dev eth0
	arping -q -c 1 -A -I eth0 {VIP}
else
	ip addr del {VIP}/32 dev eth0
fi
exit 0
"""

    def ready(self):
        netns.ip(f"addr add {VIP}/32 dev eth0", ns=self.hosts["h1"].ns)


class Keepalived(Way):
    """keepalived asks the local Redis for its role once a second; VRRP does the rest."""

    name, title, manager = "keepalived", "keepalived, role script", "keepalived"
    packages = ("keepalived",)
    conf = """
global_defs {{
    script_user root
    enable_script_security
}}
vrrp_script role {{
    script "{role}"
    interval 1
}}
vrrp_instance V {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        {vip}/32
    }}
    track_script {{
        role
    }}
}}
"""

    def boot_host(self, host):
        role = self.script(host, "role", "redis-cli role | grep -q master\n")
        conf = host.dir / "keepalived.conf"
        conf.write_text(self.conf.format(role=role, vip=VIP, priority=100 - self.nodes.index(host.name), state=self.state(host)))
        for name in ("k.pid", "v.pid"):  # a host that boots has an empty /run
            (host.dir / name).unlink(missing_ok=True)
        self._spawn(host, "keepalived", ["keepalived", "-n", "-l", "-P", "-f", str(conf), "-p", str(host.dir / "k.pid"),
                                         "-r", str(host.dir / "v.pid")])

    def state(self, host):
        return host.dir / "state"


class Tuned(Keepalived):
    """keepalived as one sets it up who knows it well: VRRPv3 at 100 ms, and a file that Sentinel's hook writes: 0 on the
    master's host, else 1, which is a fault. At boot the file follows what the local Sentinel says first."""

    name, title = "tuned", "keepalived, tuned"
    conf = """
global_defs {{
    vrrp_version 3
    vrrp_rt_priority 50
    vrrp_garp_master_refresh 60
}}
track_file master {{
    file {state}
    weight 0
}}
vrrp_instance V {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{
        {vip}/32
    }}
    track_file {{
        master
    }}
}}
"""

    def hook(self, host):
        return f'[ "$6" = {host.ip4} ] && echo 0 >{self.state(host)} || echo 1 >{self.state(host)}\nexit 0\n'

    def boot_host(self, host):
        self.state(host).write_text("1\n")
        ask = f"redis-cli -p {SENTINEL_PORT} --raw sentinel get-master-addr-by-name {self.instances[0].name} 2>/dev/null | head -n 1"
        boot = self.script(host, "boot", f"""
for i in $(seq 100); do
	m=$({ask})
	case $m in
	{host.ip4}) echo 0 >{self.state(host)}; exit ;;
	*.*) exit ;;
	esac
	sleep 0.1
done
""")
        super().boot_host(host)
        host.procs.pop("boot", None)
        self._boot = netns.spawn(host.ns, [str(boot)], host.dir / "boot.log")


class Haproxy(Way):
    """HAProxy beside the client asks every Redis for its role every 100 ms."""

    name, title, manager = "haproxy", "HAProxy, role:master", "haproxy"
    packages = ("haproxy",)
    target = "127.0.0.1"

    def ready(self):
        client = self.hosts["client"]
        conf = client.dir / "haproxy.cfg"
        servers = "".join(f"\tserver {n} {self.hosts[n].ip4}:6379\n" for n in self.nodes)
        conf.write_text(f"""
defaults
	mode tcp
	timeout connect 1s
	timeout client 1h
	timeout server 1h
	timeout check 1s
listen redis
	bind 127.0.0.1:6379
	option tcp-check
	tcp-check send PING\\r\\n
	tcp-check expect string +PONG
	tcp-check send info\\ replication\\r\\n
	tcp-check expect string role:master
	default-server check inter 100ms fall 1 rise 1 on-marked-down shutdown-sessions
{servers}""")
        self._spawn(client, "haproxy", ["haproxy", "-db", "-f", str(conf)])

    def manager_host(self):
        return self.hosts["client"]


class PyWriter(Writer):
    """Writer's records of a redis-py client that asks Sentinel itself."""

    def __init__(self, ns, hosts, rate=200, timeout=0.1):
        self.tag, self.started = os.urandom(4).hex(), now()
        self._child = Child(ns, lambda child: _py_write(child, hosts, 1 / rate, timeout, self.tag))


def _py_write(child, hosts, period, timeout, tag):
    sentinel = redis.sentinel.Sentinel([(h, SENTINEL_PORT) for h in hosts], socket_timeout=timeout)
    master = sentinel.master_for("mymaster", socket_timeout=timeout)
    number, due = 0, now()
    while child.wait(due - now()) is not None:
        if now() < due:
            continue
        due = max(due + period, now())
        number += 1
        asked = now()
        try:
            if master.set(f"w:{tag}:{number}", number):
                child.records.append((number, asked, now()))
        except (redis.RedisError, OSError):
            pass


class RedisPy(Way):
    """No address at all: the client library asks the Sentinels."""

    name, title = "redis-py", "redis-py, Sentinel-aware"
    target = "10.77.0.11"  # where its subscriber found the master when it came

    def writer(self, rate=200, timeout=0.1, wait=True):
        writer = self.add(PyWriter(self.hosts["client"].ns, [self.hosts[n].ip4 for n in self.nodes], rate, timeout))
        if wait:
            writer.wait_writing(30)
        return writer


WAYS = {way.name: way for way in (Svipd, Script, Keepalived, Tuned, Haproxy, RedisPy)}


def manager_signal(c, sig):
    """Sends a signal to a way's manager and all it has started."""
    os.killpg(c.manager_host().procs[c.manager].pid, sig)
    if sig == signal.SIGKILL:
        c.manager_host().procs.pop(c.manager).wait()
